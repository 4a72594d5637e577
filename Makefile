# Two commands: `make demo` runs the whole road on data that lies in the repository, `make test` the whole suite.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Compiler and emulator of a user without root are unpacked here by .ci/system-packages.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export QEMU_LD_PREFIX = $(shell [ ! -d .tools/root ] || echo $(CURDIR)/.tools/root/usr/aarch64-linux-gnu)

.PHONY: demo test test-fast check docs packages runtime runtime-wheel board clean

demo: packages $(INSTALLED)
	$(BIN)/python -m benchmarks.demo

test: check runtime board
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: check
	$(BIN)/python -m pytest -q -m "not slow"

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo build/site/index.html

packages:
	@.ci/system-packages

runtime: packages $(INSTALLED)
	@$(BIN)/rdpass doctor --fetch-runtime rpi4 >/dev/null || true

$(INSTALLED): pyproject.toml constraints.txt | packages
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0 -e ".[dev,docs,zoo,train,accuracy]"
	@touch $(INSTALLED)

# dist/rdpass_runtime-*.whl: what Python on a board takes to run bundles (docs/on-your-board.md).
runtime-wheel: $(INSTALLED)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist ./runtime

# An aarch64 Python under the emulator, for tuning over RPC; without a network those tests are skipped.
board: packages $(INSTALLED)
	@$(BIN)/python -m benchmarks.emulated_board >/dev/null || true

clean:
	rm -rf .venv .tools demo-out build dist *.egg-info runtime/build runtime/*.egg-info
