# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes

.DEFAULT_GOAL := help
.PHONY: help run test bench soak lint format docs setup lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.sandbox  ## the service with a stand-in gateway, identity provider and cache; Ctrl-C ends it
	@exec $(BIN)/python -m app sandbox --serve $(ARGS)

test: $(VENV)/.develop  ## the whole test suite
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.develop  ## what a read of the cache costs, and a request while the cache is away
	@PYTHONPATH=. $(BIN)/python tests/bench/reads.py $(ARGS)
	@echo
	@PYTHONPATH=.:tests $(BIN)/python tests/bench/outages.py
	@echo
	@PYTHONPATH=.:tests $(BIN)/python tests/bench/hanging.py
	@echo
	@PYTHONPATH=.:tests $(BIN)/python tests/bench/telemetry.py
	@echo
	@PYTHONPATH=.:tests $(BIN)/python -m bench.misses
	@echo
	@PYTHONPATH=.:tests $(BIN)/python -m bench.compare

soak: $(VENV)/.develop  ## ten minutes of load while everything around the service fails at random
	@PYTHONPATH=.:tests $(BIN)/python -m chaos.soak $(ARGS)

lint: $(VENV)/.develop  ## formatting, lint, types, layering
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.develop  ## format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.develop  ## write the failure table into app/README.md
	@PYTHONPATH=. $(BIN)/python tests/documentation.py

setup: $(VENV)/.develop  ## only the set-up, in .venv

lock: $(VENV)/.develop  ## resolve the dependencies anew and write the locks under deploy/
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	@for lock in service: sandbox:--extra=sandbox 'develop:--extra=test --extra=lint'; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate $${lock#*:} pyproject.toml \
	    --output-file deploy/requirements-$${lock%%:*}.txt; done

clean:  ## remove .venv and all caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find app tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "badges-bff needs Python 3.11 or newer; choose one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make a virtual environment (Debian: its venv package is missing)" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.sandbox: deploy/requirements-sandbox.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..."
	@$(PIP) -r $<
	@touch $@

$(VENV)/.develop: deploy/requirements-develop.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..."
	@$(PIP) -r $<
	@touch $@
