# ffikit: every way to build, test and package it. `make help` lists the targets.
#
# Each target first asks scripts/bootstrap for the tools that it needs (a second
# or two when all is there). The work itself is done by scripts, which can be run
# by hand too: make only says in which order.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

# Pinned tools first; python3 is then the project's own, and no pyenv shim.
export PATH := $(CURDIR)/build/tools/bin:$(CURDIR)/.venv/bin:$(PATH)
# Checkouts that git distrusts, and archives without git, build all the same.
export GOFLAGS := -buildvcs=false

# One version for all artefacts: the one that the header names.
VERSION := $(shell sed -nE 's/^\#define FFIKIT_VERSION "(.*)"/\1/p' c/include/ffikit/ffikit.h)
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: help
help: ## list the targets
	@echo "ffikit $(VERSION): make TARGET"
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- tools -----------------------------------------------------------------

.PHONY: bootstrap
bootstrap: ## install every tool that is missing (groups: ci/tools.lock)
	@scripts/bootstrap all

# need-GROUP: the tools of one group, once in a run of make. One after another,
# since they share .venv and build/tools.
.PHONY: need-build need-rust need-demo need-test need-bench need-fuzz need-lint need-abi need-package need-aarch64
need-build need-rust need-demo need-test need-bench need-fuzz need-lint need-abi need-package need-aarch64: need-%:
	@scripts/bootstrap $*

# ---- build and show --------------------------------------------------------

.PHONY: build
build: command library capi agent ## bin/ffikit, and libffikit, libffikit_rs with their headers and the agent under build/

.PHONY: command
command: need-build ## bin/ffikit alone
	cd go && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o ../bin/ffikit ./cmd/ffikit

.PHONY: library
library: need-build ## libffikit alone: build/lib, build/include
	scripts/build-lib build

# After the library, which it links and would else build a second time at once.
.PHONY: capi
capi: need-rust library ## libffikit_rs alone, Rust's own C ABI
	scripts/build-capi

# After libffikit_rs: they share Cargo's folder.
.PHONY: agent
agent: need-rust capi ## the library alone that `ffikit sanitize` preloads: build/lib/libffikit_agent.so
	scripts/build-agent

.PHONY: library-testing
library-testing: need-build
	scripts/build-lib --testing build/testing

.PHONY: demo
demo: need-demo command agent ## one fault through Python, Cython, Go, C and Rust, and its unified report
	@ci/suite/demo

# ---- test ------------------------------------------------------------------

# .ci/run counts on the closing line: the sum over all runners.
.PHONY: test
test: need-test build library-testing ## every test and the linters; one closing line at the end
	@scripts/run-stages test lint=scripts/lint go=scripts/test-go c=scripts/test-c \
	    rust=scripts/test-rust aarch64=scripts/test-aarch64 python=scripts/test-python scripts=scripts/test-scripts

.PHONY: test-go
test-go: need-test ## the Go packages, with -race and checkptr
	scripts/test-go

.PHONY: test-c
test-c: need-test build library-testing ## the C ABI, from C
	scripts/test-c

.PHONY: test-rust
test-rust: need-test build library-testing ## the crates
	scripts/test-rust

.PHONY: test-aarch64
test-aarch64: need-aarch64 ## the walker on aarch64, under qemu-user
	scripts/test-aarch64

.PHONY: test-python
test-python: need-test build library-testing ## both Python extensions
	scripts/test-python

.PHONY: test-scripts
test-scripts: need-test ## bootstrap and the other scripts
	scripts/test-scripts

.PHONY: sanitize
sanitize: need-demo command agent ## the cross-language suite: every fault caught and blamed, every control silent
	@ci/suite/run

.PHONY: bench-companion
bench-companion: need-bench agent ## what the companion costs beside ASan with its own full stacks
	scripts/bench-companion

.PHONY: torture
torture: need-test build ## the symbolizer and 10,000 (MUTANTS) bad files, bombs, files that shrink, hostile paths
	scripts/torture-symbolize $(if $(MUTANTS),--mutants $(MUTANTS))

.PHONY: torture-unwind
torture-unwind: need-test ## the walker amid signals, forks and libraries that come and go, RUNS times (1000)
	scripts/torture-unwind $(RUNS)

.PHONY: torture-agent
torture-agent: need-test agent ## the agent in a program that does everything at once, RUNS times (1000)
	scripts/torture-agent $(RUNS)

.PHONY: fuzz
fuzz: need-fuzz ## each fuzz target for FUZZTIME (60s), executions printed
	scripts/fuzz

.PHONY: bench
bench: need-bench build ## a small table: parsing, one symbolization, one crossing from each language
	@ci/suite/build
	@scripts/bench

.PHONY: bench-unwind
bench-unwind: need-bench ## what a stack costs, beside libunwind, framehop and libgcc, and how much of it each finds
	@scripts/bench-unwind $(if $(MARKDOWN),--markdown $(MARKDOWN))

.PHONY: bench-symbolize
bench-symbolize: need-bench command ## what symbolizing costs, beside five others, and how far all agree with llvm
	@scripts/bench-symbolize $(if $(QUICK),--quick) $(if $(MARKDOWN),--markdown $(MARKDOWN))

.PHONY: bench-hunt
bench-hunt: need-bench agent command ## what tracking the heap costs, beside five others, and which of them see who leaks
	@scripts/bench-hunt $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

# ---- check -----------------------------------------------------------------

.PHONY: lint
lint: need-lint build ## formatters, linters and type checkers of every language
	scripts/lint

.PHONY: abi-check
abi-check: need-abi library library-testing ## generated files, exported symbols and the ABI lock
	scripts/abi-check

# ---- package ---------------------------------------------------------------

.PHONY: package
package: need-package build ## every package, installed and used as its users do
	@scripts/run-stages package c=scripts/package-c go=scripts/package-go \
	    crates=scripts/package-crates wheel=scripts/package-wheel

.PHONY: package-c package-go package-crates package-wheel
package-c package-go package-crates package-wheel: need-package build
	scripts/$@

# `sudo make install` after `make build` may well be without Go and Rust: then
# what was built is installed as it is.
.PHONY: install
install: $(if $(and $(shell command -v go),$(shell command -v cargo)),build) ## headers, libraries, .pc, CMake config and command into $(DESTDIR)$(PREFIX)
	scripts/install-tree "$(DESTDIR)" "$(PREFIX)"

.PHONY: dist
dist: need-package build ## what a release has: archives, wheel, sdist, crates, with checksums, in dist/
	scripts/dist

.PHONY: clean
clean: ## remove what was built; tools and .venv stay
	rm -rf bin dist rust/target
	if [[ -d build ]]; then find build -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +; fi
