# Shortcuts for people. The build itself is CMake's: see CMakeLists.txt and CMakePresets.json.

PREFIX ?= /usr/local

.DEFAULT_GOAL := all
.PHONY: all help deps demo test lint fuzz bench portable install clean

all: ## build the program: build/shardmill
	@cmake --preset release
	@cmake --build build

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

deps: ## install what the build needs (Debian, Ubuntu), or say what is missing
	@scripts/install-deps.sh

demo: deps ## pack the example pictures into demo-out/flowers and look at the outcome
	@scripts/demo.sh

test: ## run every test: unit, sanitizers, whole program
	@scripts/install-deps.sh --with-tests
	@scripts/test.sh

lint: ## check format and style, and run clang-tidy
	@scripts/install-deps.sh --with-lint
	@scripts/lint.sh

fuzz: ## run each fuzz target for a while
	@scripts/install-deps.sh --with-lint
	@scripts/fuzz.sh

bench: ## measure shardmill beside its peers (about a quarter of an hour; docs/benchmarks.md)
	@scripts/bench.sh

portable: ## build the worker for other machines (build/portable), and try it on an older Debian
	@scripts/install-deps.sh --with-tests --with-portable
	@scripts/portable.sh
	@.venv/bin/python -m pytest -q -rfEs -p no:cacheprovider tests/python/test_portable.py

install: all ## install under PREFIX (default /usr/local)
	@cmake --install build --prefix $(PREFIX)

clean: ## remove what was built; .venv stays
	rm -rf build demo-out
