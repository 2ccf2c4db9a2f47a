# make demo   sets everything up and takes the bundled data from recordings to cycles per layer
# make test   sets everything up and runs every check
# make bench  measures speed, as ratios against a reference in the same run
# make fuzz   damages recordings of every kind, a minute each
# make pictures  draws the README's pictures: every pane on the demo's run, and one window in every representation

PYTHON ?= python3
BIN := .venv/bin
CPPCHECK := --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --quiet \
	-I firmware/kernels -I firmware/runtime -I firmware/ports/cortex_m7 -I firmware/ports/stm32h743
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

export GOMP_SPINCOUNT := 0

.PHONY: demo test bench fuzz lint pictures clean

demo: .venv/installed
	$(BIN)/evbench demo

test: lint
	$(BIN)/pytest --numprocesses auto

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cppcheck $(CPPCHECK) firmware

bench: .venv/installed-dev
	$(BIN)/pytest tests/benchmarks --benchmark-enable --benchmark-only

pictures: .venv/installed
	for kind in voxel bilinear frame time-surface; do \
	  $(BIN)/evbench voxel assets/recordings/bar-clockwise.dat --window 16 --as $$kind --filter hot-pixels \
	    --png assets/pictures/$$kind.png; \
	done
	$(BIN)/evbench demo
	$(BIN)/evbench profile
	$(BIN)/python -m evbench.tui.gallery assets/pictures

fuzz: .venv/installed-dev
	$(INSTALL) --editable '.[dev,ros,fuzz]'
	$(BIN)/python -m tests.benchmarks.fuzz.decoders --seconds 60

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing evbench into .venv (torch and compilers: a few minutes the first time)"
	$(INSTALL) --editable .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing evbench and its checks into .venv (a few minutes the first time)"
	$(INSTALL) --editable '.[dev,dask,peer,pixels,ros,serve,tonic]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv .evbench dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
