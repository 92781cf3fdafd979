# Everything that this project does on a machine with Python 3.11 or newer and make.
#   make demo    the whole system, with sample agents and the reviewer's page
#   make test    the tests
#   make check   format, lint, types, import layers, and the tests
#   make model   the model for names, trained anew
#   make fast    the installed commands with their hot modules compiled, as wheels are; `make slow` goes back to the sources
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: model demo test check lint format lock fast slow clean
.DEFAULT_GOAL := test

$(READY): pyproject.toml requirements.lock hatch_build.py $(wildcard engine/c/*) clients/python/pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable ./clients/python \
	  --editable '.[dev,integrations,model]'
	$(BIN)/python -m engine.native
	touch $@

demo: $(READY)
	$(BIN)/sluicegate demo $(ARGS)

test: $(READY)
	$(BIN)/pytest $(ARGS)

check: lint test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pins every package to the version that is installed now: versions only, no addresses.
lock: $(READY)
	$(BIN)/pip freeze --exclude-editable > requirements.lock

# Trains the model for names again, on one core in five to fifteen minutes; the same bytes on the same machine.
model: $(READY)
	$(BIN)/python -m models.ner.make

fast: $(READY)
	SLUICEGATE_NATIVE=require $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .

slow: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall --editable .

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
