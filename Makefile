# make demo       train on the built-in corpus, evaluate, translate (no network after the install)
# make test       lint, types, tests
# make test-cpus  run the numeric tests with the kernels of older processors (x86 only)
# make lint       ruff and mypy only
# make docs       the documentation as a site: build/docs/index.html
# make faults     long fault-injection and fuzzing campaigns
# make bench      speed of training and decoding

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
INSTALLED := .venv/.installed

.PHONY: demo test test-cpus test-cpu-oldest test-cpu-avx2 test-cpu-native lint docs faults bench

demo: $(INSTALLED)
	$(BIN)/nmt demo

# One process per core; pytest without these options runs the tests in one process.
test: lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

# torch and oneDNN choose their kernels by the processor. These variables select older ones.
# Tests of graphs compare the same kernels, recorded or compiled, with themselves.
NUMERIC := $(BIN)/python -m pytest -k "not _graph" --ignore tests/decoding/test_workers.py \
	tests/model tests/kernels tests/decoding \
	$(addprefix tests/training/test_,objective.py loop.py muon.py optimizer.py resume.py)
test-cpus: test-cpu-oldest test-cpu-avx2 test-cpu-native
test-cpu-oldest test-cpu-avx2 test-cpu-native: $(INSTALLED)
	$(NUMERIC)
test-cpu-oldest: export ATEN_CPU_CAPABILITY = default
test-cpu-oldest: export DNNL_MAX_CPU_ISA = SSE41
test-cpu-avx2: export ATEN_CPU_CAPABILITY = avx2
test-cpu-avx2: export DNNL_MAX_CPU_ISA = AVX2

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo "The site is build/docs/index.html"

faults: $(INSTALLED)
	NMT_FUZZ=5000 $(BIN)/python -m pytest -m faults -vv

bench: $(INSTALLED)
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench_decoding.py

# The install is repeated only if pyproject.toml or constraints.txt has changed.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing torch and the other dependencies into .venv (once) ..."
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	@touch $@
