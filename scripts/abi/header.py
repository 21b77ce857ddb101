"""Reads a tagged C header into an Abi and refuses what breaks the contract.

The contract is DESIGN.md's "The ABI's contract": names, the order of
parameters, ownership tags, units in names. A header that breaks it raises
HeaderError, which names the function or structure and the rule.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pycparser import c_ast, c_generator, c_parser

# What <stddef.h> and <stdint.h> give, in LP64 terms: name -> (C type, size).
SCALARS = {
    "char": ("char", 1),
    "uint8_t": ("unsigned char", 1),
    "int32_t": ("int", 4),
    "uint32_t": ("unsigned int", 4),
    "int64_t": ("long", 8),
    "uint64_t": ("unsigned long", 8),
    "size_t": ("unsigned long", 8),
    "uintptr_t": ("unsigned long", 8),
}
BASE_TYPES = "".join(f"typedef {c} {name};\n" for name, (c, _) in SCALARS.items() if name != "char")
OWNERSHIP = ("own", "borrow", "transfer")
ROLES = ("constructor", "destructor", "method")


class HeaderError(Exception):
    """A rule of the contract that the header breaks."""


@dataclass
class Param:
    """One parameter or field: text is its C declaration, name included."""

    name: str
    text: str
    base: str  # the type's name without const and stars
    const: bool  # what it points to (or it itself) is const
    stars: int
    owner: str = ""  # own, borrow, transfer; "" for what is no pointer

    @property
    def is_out(self) -> bool:
        return self.name.endswith("_out")


@dataclass
class Function:
    name: str
    returns: str
    params: list[Param]
    role: str = ""  # constructor, destructor, method or ""
    of: str = ""  # the handle type of the role
    thread: str = ""
    since: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def fallible(self) -> bool:
        return bool(self.params) and self.params[-1].name == "err_out"

    @property
    def enters_go(self) -> bool:
        """Whether a shim and a Go export exist: all else is plain C."""
        return self.fallible or self.role == "destructor"

    @property
    def declaration(self) -> str:
        params = ", ".join(p.text for p in self.params) or "void"
        return f"{self.returns}{'' if self.returns.endswith('*') else ' '}{self.name}({params})"


@dataclass
class Struct:
    name: str
    fields: list[Param]  # empty for an opaque one

    @property
    def is_handle(self) -> bool:
        return [f.name for f in self.fields] == ["bits"]

    @property
    def grows(self) -> bool:
        return bool(self.fields) and self.fields[0].name == "struct_size"


@dataclass
class Abi:
    path: Path
    version: str
    abi_version: int
    functions: list[Function]
    structs: dict[str, Struct]
    aliases: dict[str, str]  # typedef of a scalar: name -> scalar
    constants: dict[str, int]  # all enum values, in order

    def size(self, p: Param) -> int:
        """Size and alignment of a field on LP64."""
        if p.stars:
            return 8
        return SCALARS[self.aliases.get(p.base, p.base)][1]

    def layout(self, s: Struct) -> tuple[int, list[int]]:
        """(size, offset of each field) on LP64."""
        offsets, end, widest = [], 0, 1
        for f in s.fields:
            size = self.size(f)
            widest = max(widest, size)
            end = -(-end // size) * size
            offsets.append(end)
            end += size
        return -(-end // widest) * widest, offsets


def read(path: Path, include_dir: Path, base: Abi | None = None) -> Abi:
    """Reads and judges a header. With base, the header may use its types, and
    only what it adds is returned, along with base's types."""
    raw = path.read_text()
    ast = _parse(path, raw, include_dir)
    abi = Abi(path, *_versions(raw, base), [], {}, {}, {})
    if base:
        abi.structs, abi.aliases = dict(base.structs), dict(base.aliases)
        abi.constants = dict(base.constants)
    docs = _docs(raw)
    declared = set(re.findall(r"^FFIKIT_API\b[^;]*?\b(ffikit_\w+)\s*\(", raw, re.M))
    known = {f.name for f in base.functions} if base else set()
    for node in ast.ext:
        if isinstance(node, c_ast.Typedef):
            _typedef(abi, node)
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            if node.name not in known:
                if node.name not in declared:
                    raise HeaderError(f"{node.name}: its prototype does not begin with FFIKIT_API")
                abi.functions.append(_function(abi, node, docs.get(node.name)))
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum):
            _enum(abi, node.type)
        elif not (isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Struct)):
            raise HeaderError(f"{path.name}: a declaration that is no function, type or enum")
    for s in abi.structs.values():
        _judge_struct(s)
    for f in abi.functions:
        _judge(abi, f)
    return abi


def _versions(raw: str, base: Abi | None) -> tuple[str, int]:
    if base:
        return base.version, base.abi_version
    version = re.search(r'^#define FFIKIT_VERSION "(\d+\.\d+\.\d+)"$', raw, re.M)
    number = re.search(r"^#define FFIKIT_ABI_VERSION (\d+)$", raw, re.M)
    if not version or not number:
        raise HeaderError("FFIKIT_VERSION or FFIKIT_ABI_VERSION is not defined")
    return version.group(1), int(number.group(1))


def _parse(path: Path, raw: str, include_dir: Path) -> c_ast.FileAST:
    """Preprocesses with empty system headers, then parses."""
    cc = os.environ.get("CC", "cc")
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stddef.h", "stdint.h"):
            Path(empty, name).touch()
        argv = [cc, "-E", "-P", "-nostdinc", "-undef", "-I", empty, "-I", str(include_dir), "-x", "c", "-"]
        run = subprocess.run(argv, input=raw, capture_output=True, text=True)
    if run.returncode:
        raise HeaderError(f"{path.name} does not preprocess with {cc}:\n{run.stderr}")
    return c_parser.CParser().parse(BASE_TYPES + run.stdout, str(path))


def _docs(raw: str) -> dict[str, str]:
    """The documentation comment directly above each prototype."""
    pattern = r"/\*\*((?:(?!\*/).)*)\*/\s*FFIKIT_API\b[^;]*?\b(ffikit_\w+)\s*\("
    return {m.group(2): m.group(1) for m in re.finditer(pattern, raw, re.S)}


def _typedef(abi: Abi, node: c_ast.Typedef) -> None:
    if node.name in SCALARS:
        return
    target = node.type.type
    if isinstance(target, c_ast.Struct):
        if target.name != node.name:
            raise HeaderError(f"{node.name}: struct and typedef have different names")
        abi.structs[node.name] = Struct(node.name, [_param(d) for d in target.decls or []])
    elif isinstance(target, c_ast.IdentifierType) and target.names[0] in SCALARS:
        abi.aliases[node.name] = target.names[0]
    else:
        raise HeaderError(f"{node.name}: only structs and typedefs of scalars may be declared")


def _enum(abi: Abi, enum: c_ast.Enum) -> None:
    for e in enum.values.enumerators:
        text = c_generator.CGenerator().visit(e.value) if e.value else None
        if text is None or not re.fullmatch(r"-?\d+", text):
            raise HeaderError(f"{e.name}: an enum value must be written out as a number")
        abi.constants[e.name] = int(text)


def _param(node: c_ast.Decl) -> Param:
    stars, const, t = 0, False, node.type
    while isinstance(t, c_ast.PtrDecl):
        stars, t = stars + 1, t.type
    if not isinstance(t, c_ast.TypeDecl) or not isinstance(t.type, c_ast.IdentifierType):
        raise HeaderError(f"{node.name}: only scalars, pointers and named types may be used")
    const = "const" in t.quals
    base = t.type.names[0]
    text = f"{'const ' if const else ''}{base} {'*' * stars}{node.name}"
    return Param(node.name, text, base, const, stars)


def _function(abi: Abi, node: c_ast.Decl, doc: str | None) -> Function:
    if doc is None:
        raise HeaderError(f"{node.name}: no /** documentation */ directly above it")
    params = []
    for p in node.type.args.params if node.type.args else []:
        if isinstance(p, c_ast.Typename):  # (void)
            continue
        params.append(_param(p))
    returns = _returns(node.type.type)
    f = Function(node.name, returns, params)
    by_name = {p.name: p for p in params}
    for tag, value in re.findall(r"@(\w+)(?:[ \t]+([^\s@]+))?", doc):
        if tag in ROLES:
            if f.role:
                raise HeaderError(f"{f.name}: both @{f.role} and @{tag}")
            f.role, f.of = tag, value
        elif tag in OWNERSHIP:
            if value not in by_name:
                raise HeaderError(f"{f.name}: @{tag} {value}: there is no such parameter")
            if by_name[value].owner:
                raise HeaderError(f"{f.name}: {value} has two ownership tags")
            by_name[value].owner = tag
        elif tag in ("thread", "since"):
            setattr(f, tag, value)
        else:
            raise HeaderError(f"{f.name}: unknown tag @{tag}")
    errors = re.search(r"Errors:([^.]*)\.", doc)
    if errors:
        names = re.findall(r"\w+", errors.group(1).replace("*", " "))
        f.errors = [n if n.startswith("FFIKIT_ERR") else "FFIKIT_ERR" + n for n in names]
    return f


def _returns(t: c_ast.Node) -> str:
    stars = 0
    while isinstance(t, c_ast.PtrDecl):
        stars, t = stars + 1, t.type
    const = "const " if "const" in t.quals else ""
    return f"{const}{t.type.names[0]}{' ' + '*' * stars if stars else ''}"


def _judge_struct(s: Struct) -> None:
    if s.fields and not s.is_handle and not s.grows:
        raise HeaderError(f"{s.name}: a structure that is no handle begins with size_t struct_size")
    for i, f in enumerate(s.fields):
        _judge_name(s.name, f.name)
        if f.name.endswith("_len_bytes") and (i == 0 or s.fields[i - 1].name + "_len_bytes" != f.name):
            raise HeaderError(f"{s.name}.{f.name}: must follow the pointer that it measures")


def _judge_name(where: str, name: str) -> None:
    words = name.split("_")
    for i, word in enumerate(words):
        if word in ("addr", "addrs") and (i == 0 or words[i - 1] not in ("virt", "abs")):
            raise HeaderError(f"{where}: {name}: say virt_addr or abs_addr")


def _judge(abi: Abi, f: Function) -> None:
    """Checks one function against the contract."""
    if f.thread not in ("any", "serialized"):
        raise HeaderError(f"{f.name}: needs @thread any or @thread serialized")
    if not re.fullmatch(r"\d+\.\d+", f.since):
        raise HeaderError(f"{f.name}: needs @since MAJOR.MINOR")
    since = tuple(map(int, f.since.split(".")))
    if since > tuple(map(int, abi.version.split(".")[:2])):
        raise HeaderError(f"{f.name}: @since {f.since} is after version {abi.version}")
    for i, p in enumerate(f.params):
        _judge_name(f.name, p.name)
        _judge_param(abi, f, i, p)
    _judge_order(f)
    _judge_role(abi, f)
    if f.fallible:
        _judge_errors(abi, f)


def _judge_param(abi: Abi, f: Function, i: int, p: Param) -> None:
    where = f"{f.name}: {p.name}"
    if not p.stars:
        if p.owner:
            raise HeaderError(f"{where}: an ownership tag on what is no pointer")
        if p.base in abi.structs and not abi.structs[p.base].is_handle:
            raise HeaderError(f"{where}: structures are passed by pointer, handles by value")
        if p.base == "size_t" and not re.fullmatch(r"(\w+_)?(len_bytes|count|index)", p.name):
            raise HeaderError(f"{where}: a size_t ends in _len_bytes, _count or index")
        return
    if not p.owner:
        raise HeaderError(f"{where}: a pointer needs @own, @borrow or @transfer")
    want = "own" if p.is_out else "borrow" if p.const else "transfer"
    if p.owner != want:
        raise HeaderError(f"{where}: @{p.owner}, but its type and name say @{want}")
    if p.is_out and p.const:
        raise HeaderError(f"{where}: an output cannot be const")
    if p.base == "ffikit_error" and p.stars == 2 and p.name != "err_out":
        raise HeaderError(f"{where}: must be named err_out")
    if p.owner == "borrow" and p.base not in abi.structs:
        measures = ("_len_bytes",) if p.base in ("char", "uint8_t") else ("_count",)
        after = f.params[i + 1].name if i + 1 < len(f.params) else ""
        if after not in [p.name + m for m in measures]:
            raise HeaderError(f"{where}: must be followed by {p.name}{measures[0]}")


def _judge_order(f: Function) -> None:
    rank = {"self": 0}
    ranks = [3 if p.name == "err_out" else 2 if p.is_out else rank.get(p.name, 1) for p in f.params]
    if ranks != sorted(ranks) or ranks.count(3) > 1:
        raise HeaderError(f"{f.name}: the order is self, inputs, outputs, err_out")
    if any(r == 2 for r in ranks) and not f.fallible:
        raise HeaderError(f"{f.name}: has outputs, so it needs err_out")
    if f.fallible and f.returns != "ffikit_status":
        raise HeaderError(f"{f.name}: has err_out, so it returns ffikit_status")


def _judge_role(abi: Abi, f: Function) -> None:
    first = f.params[0] if f.params else None
    if not f.role:
        if first and first.name == "self":
            raise HeaderError(f"{f.name}: takes self, so it needs @method or @destructor")
        return
    if f.of not in abi.structs or not abi.structs[f.of].is_handle:
        raise HeaderError(f"{f.name}: @{f.role} {f.of}: there is no such handle")
    if not f.name.startswith(f.of + "_"):
        raise HeaderError(f"{f.name}: @{f.role} {f.of}: the name begins with {f.of}_")
    if f.role == "constructor":
        if not any(p.is_out and p.base == f.of and p.stars == 1 for p in f.params):
            raise HeaderError(f"{f.name}: a constructor has an output {f.of} *…_out")
        return
    if not first or first.name != "self" or first.base != f.of or first.stars:
        raise HeaderError(f"{f.name}: the first parameter is {f.of} self")
    if f.role == "destructor" and (f.name != f.of + "_free" or len(f.params) > 1 or f.returns != "void"):
        raise HeaderError(f"{f.name}: a destructor is void {f.of}_free({f.of} self)")


def _judge_errors(abi: Abi, f: Function) -> None:
    for needed in ("FFIKIT_ERR_FORKED", "FFIKIT_ERR_PANIC"):
        if needed not in f.errors:
            raise HeaderError(f"{f.name}: its 'Errors:' leave out {needed}")
    for e in f.errors:
        if e not in abi.constants:
            raise HeaderError(f"{f.name}: 'Errors:' names {e}, which is no status")
