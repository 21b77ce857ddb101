"""Logs to findings, through both extensions."""

from __future__ import annotations

import copy
import json
import mmap
import pickle
from array import array
from pathlib import Path

import pytest
from conftest import Program

import ffikit


def blamed(finding: ffikit.Finding) -> tuple[str, int | None]:
    frame = finding.stacks[finding.blame.stack].frames[finding.blame.frame]
    return Path(frame.file).name, frame.line


def user_lines(finding: ffikit.Finding, role: str) -> list[int | None]:
    [stack] = [stack for stack in finding.stacks if stack.role == role]
    return [frame.line for frame in stack.frames if frame.file and frame.file.endswith("stale.c")]


def test_an_unsymbolized_log_is_read_symbolized_and_blamed(api, log: bytes, stale: Program) -> None:
    report = api.Report.parse(log, log_name="asan.log", source_root=stale.source.parent)
    assert len(report) == 1
    [finding] = report
    assert (finding.tool, finding.kind) == ("AddressSanitizer", "heap-use-after-free")
    assert (finding.access.type, finding.access.size_bytes) == ("read", 4)
    assert finding.count == 1
    assert finding.source.file == "asan.log"
    assert blamed(finding) == ("stale.c", stale.line("FAULT"))
    assert user_lines(finding, "fault")[0] == stale.line("FAULT")
    assert user_lines(finding, "free")[0] == stale.line("FREE")
    assert user_lines(finding, "allocation")[0] == stale.line("ALLOCATION")


def test_both_extensions_agree(log: bytes) -> None:
    ours, rust = ffikit.Report.parse(log), ffikit.rust.Report.parse(log)
    assert ours == rust
    assert hash(ours) == hash(rust)
    assert ours.to_text() == rust.to_text()
    assert ours.to_text(color=True) == rust.to_text(color=True)


def test_it_is_a_sequence(api, log: bytes) -> None:
    report = api.Report.parse(log)
    assert report[0] == report[-1] == next(iter(report)) == report[0:1][0]
    assert report[0] in report
    assert report.index(report[0]) == 0
    assert list(reversed(report)) == list(report)
    assert report
    with pytest.raises(IndexError):
        report[1]
    with pytest.raises(TypeError):
        report["kind"]


def test_equality_goes_by_content(api, log: bytes) -> None:
    report = api.Report.parse(log)
    assert report == api.Report.parse(log)
    assert report != api.Report.parse(b"")
    assert report != "report"


@pytest.mark.parametrize(
    "nothing",
    [b"", b"all tests passed\n", bytes(range(256)) * 64, b"\xff\xfe" * 999, b"==1==", b"=" * 100_000],
    ids=["empty", "foreign", "binary", "not-utf8", "cut", "line"],
)
def test_a_log_without_reports_is_no_error(api, nothing: bytes) -> None:
    report = api.Report.parse(nothing)
    assert len(report) == 0
    assert not report
    assert list(report) == []
    assert "0 findings" in repr(report)
    assert report.to_dict()["reports"] == []


def test_a_truncated_log_keeps_what_came_before(api, log: bytes) -> None:
    for cut in range(0, len(log), max(1, len(log) // 40)):
        report = api.Report.parse(log[:cut])
        assert len(report) <= 1


@pytest.mark.parametrize(
    "form",
    [
        bytearray,
        memoryview,
        lambda log: memoryview(log).toreadonly(),
        lambda log: array("B", log),
        lambda log: array("Q", log + b"\n" * (-len(log) % 8)),
        lambda log: log.decode(),
    ],
    ids=["bytearray", "memoryview", "readonly", "array", "array-of-uint64", "str"],
)
def test_a_log_comes_in_any_form(api, log: bytes, form) -> None:
    report = api.Report.parse(form(log))
    assert [finding.kind for finding in report] == ["heap-use-after-free"]


def test_a_mapped_file_is_read_in_place(api, log_path: Path) -> None:
    with open(log_path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert len(api.Report.parse(mapped)) == 1


@pytest.mark.parametrize(
    "form", [lambda log: memoryview(log)[::2], lambda log: 5, lambda log: [1, 2], lambda log: None]
)
def test_what_is_no_log_is_refused(api, log: bytes, form) -> None:
    with pytest.raises((TypeError, BufferError)):
        api.Report.parse(form(log))


def test_the_buffer_is_given_back(api, log: bytes) -> None:
    buffer = bytearray(log)
    api.Report.parse(buffer)
    buffer += b"grows, since nobody holds it"


def test_documents(api, log: bytes) -> None:
    report = api.Report.parse(log)
    document = json.loads(report.to_json())
    assert document["schema"] == "ffikit.report/1"
    assert report.to_dict() == document
    assert report[0].to_dict() == document["reports"][0]
    changed = report.to_dict()
    changed["reports"].clear()
    assert len(report.to_dict()["reports"]) == 1
    text = report.to_text()
    assert "heap-use-after-free" in text
    assert "stale.c" in text
    assert "\x1b" not in text
    assert "\x1b[" in report.to_text(color=True)
    assert str(report) == text


def test_what_could_not_be_read_is_partial(api, log: bytes) -> None:
    moved = log.replace(b"/stale+", b"/moved+")
    assert moved != log
    report = api.Report.parse(moved)
    assert len(report) == 1
    assert any("moved" in (partial.file or "") or "moved" in partial.reason for partial in report.partial)


def test_path_map_and_source_root(api, log: bytes, stale: Program) -> None:
    folder = str(stale.source.parent)
    report = api.Report.parse(log, path_map={folder: "/src/app"}, source_root="/src/app")
    files = [frame.file for frame in report[0].stacks[0].frames if frame.file]
    assert "/src/app/stale.c" in files
    assert not any(file.startswith(folder) for file in files)


@pytest.mark.parametrize("mapping", [{"": "x"}, {"a=b": "x"}, {"a\nb": "x"}, {"a": "x\ny"}, {"a": "x\0"}])
def test_a_path_map_that_cannot_be_said_is_refused(api, mapping) -> None:
    with pytest.raises(ValueError, match="path_map"):
        api.Report.parse(b"", path_map=mapping)


def test_read_log_takes_a_path_or_bytes(log: bytes, log_path: Path) -> None:
    by_path = ffikit.read_log(log_path)
    assert by_path[0].source.file == str(log_path)
    assert ffikit.read_log(str(log_path)) == by_path
    assert [finding.kind for finding in ffikit.read_log(log)] == [by_path[0].kind]
    with pytest.raises(FileNotFoundError):
        ffikit.read_log(log_path.with_name("missing.log"))


def test_use_after_close_raises(api, log: bytes) -> None:
    with api.Report.parse(log) as report:
        finding = report[0]
    report.close()
    assert report.closed
    assert finding.kind == "heap-use-after-free"
    assert "closed" in repr(report)
    for use in (
        len,
        list,
        str,
        lambda r: r[0],
        lambda r: r.to_json(),
        lambda r: r.to_dict(),
        lambda r: r.partial,
    ):
        with pytest.raises(ffikit.HandleError, match="closed"):
            use(report)
    with pytest.raises(ffikit.HandleError, match="closed"):
        report.__enter__()


def test_pickling_is_refused_but_findings_travel(api, log: bytes) -> None:
    report = api.Report.parse(log)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="handle of this process"):
            attempt(report)
        with pytest.raises(TypeError, match="handle of this process"):
            attempt(report._handle)
    assert pickle.loads(pickle.dumps(list(report))) == list(report)


def test_it_is_made_by_parse_only(api) -> None:
    with pytest.raises(TypeError, match="parse"):
        api.Report()


def test_findings_are_read_only_records(api, log: bytes) -> None:
    finding = api.Report.parse(log)[0]
    assert finding["kind"] == finding.kind
    assert set(finding) <= set(dir(finding))
    assert finding.leaked is None
    with pytest.raises(KeyError):
        finding["leaked"]
    with pytest.raises(AttributeError):
        finding.no_such_field  # noqa: B018
    with pytest.raises(AttributeError, match="read-only"):
        finding.kind = "other"
    with pytest.raises(AttributeError, match="read-only"):
        del finding.kind
    with pytest.raises(TypeError):
        finding["kind"] = "other"
    copied = finding.to_dict()
    copied["stacks"].clear()
    assert len(finding.stacks) > 1
    assert len({frame for stack in finding.stacks for frame in stack.frames}) > 3
    assert finding == copy.deepcopy(finding)
    assert finding == finding.to_dict()
    assert "heap-use-after-free" in repr(finding)
