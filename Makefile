# make demo   train on the built-in corpus, evaluate, translate (no network after the install)
# make test   lint, types, tests
# make lint   ruff and mypy only
# make faults long fault-injection and fuzzing campaigns
# make bench  speed of training and decoding

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
INSTALLED := .venv/.installed

.PHONY: demo test lint faults bench

demo: $(INSTALLED)
	$(BIN)/nmt train --config configs/demo.yaml
	$(BIN)/nmt evaluate --model runs/demo
	$(BIN)/nmt translate --model runs/demo \
	  "The old man is reading a book." \
	  "Where is the small dog?" \
	  "I do not want to buy the red car."

test: lint
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

faults: $(INSTALLED)
	NMT_FUZZ=5000 $(BIN)/python -m pytest -m faults -s

bench: $(INSTALLED)
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench_decoding.py

# Installs again only when what is to be installed has changed.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing torch and the rest into .venv (once) ..."
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	@touch $@
