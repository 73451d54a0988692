# One list of what a person can do here. Needs nothing but Python 3.11 and make: the first target that needs the
# virtual environment makes it, from hash-checked pins.
#
#   make demo ARGS=--headless      arguments for the command behind a target
#   make test ARGS="-k money -x"
#   make city LAMPS=2000           a smaller city
#   make setup PYTHON=/path/to/python3.12

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
UV ?= $(shell command -v uv)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

ARGS ?=
WORKERS ?= 2
# `ci`: drawn tests draw the same examples for the same code, so a commit passes or fails for good. `default`: new ones.
DRAWN ?= ci
LAMPS ?= 200000
DAYS ?= 1
LAKE ?= out/city

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
NOTEBOOKS = $(wildcard notebooks/*.ipynb)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## one virtual environment, every package pinned and hash-checked
	@$(BIN)/python -c 'import duckdb, sys, workbench; print(f"ready: Python {sys.version.split()[0]}, DuckDB {duckdb.__version__}; next: make demo")'

.PHONY: live
live: $(STAMP) ## fleets on the wire, a page that moves (ARGS="--devices 300": fewer)
	$(BIN)/workbench live $(ARGS)

.PHONY: demo
demo: $(STAMP) ## a small city, billed and proven, then shown in the browser (ARGS=--headless: no pages)
	$(BIN)/workbench demo $(ARGS)

.PHONY: city
city: $(STAMP) ## the reference case: 200,000 lamps for a day, 288 million events
	$(BIN)/workbench city --lamps $(LAMPS) --days $(DAYS) --lake $(LAKE) $(ARGS)

.PHONY: lab
lab: $(STAMP) ## JupyterLab with the notebooks; every output shows without internet
	$(BIN)/workbench lab $(ARGS)

.PHONY: test
test: $(STAMP) ## tests, doctests and notebooks: everything but the slow, browser, broker and fault suites
	$(PYTEST) -n $(WORKERS) --dist loadfile --hypothesis-profile=$(DRAWN) $(ARGS)
	@$(MAKE) --no-print-directory notebooks

.PHONY: notebooks
notebooks: $(STAMP) ## run every notebook from top to bottom
ifeq ($(NOTEBOOKS),)
	@echo "notebooks: none in notebooks/ yet"
else
	$(PYTEST) --nbmake --nbmake-timeout=180 -p no:cacheprovider -n $(WORKERS) $(NOTEBOOKS)
endif

.PHONY: test-all
test-all: test ## make test, then the same with new draws, and the slow, browser, broker and fault suites
	$(PYTEST) -n $(WORKERS) --dist loadfile --hypothesis-profile=default $(ARGS)
	$(PYTEST) -m "slow or browser or broker or faults" $(ARGS)

.PHONY: lint
lint: $(STAMP) ## ruff, format, types, floors
	@status=0; \
	for tool in "ruff check ." "ruff format --check ." "mypy" "lint-imports --no-logo"; do \
	  echo "$$tool"; $(BIN)/$$tool || status=1; \
	done; exit $$status

.PHONY: bench
bench: $(STAMP) ## measurements in benchmarks/, not part of CI
	@for each in benchmarks/[a-z]*.py; do each=$$(basename $$each .py); echo "benchmarks.$$each"; $(BIN)/python -m benchmarks.$$each $(ARGS); done

.PHONY: docs
docs: $(STAMP) ## rewrite the tables in docs/ that are made from the code
	$(BIN)/python -m tests.house.pages

.PHONY: lock
lock: $(STAMP) ## resolve pyproject.toml again into requirements.lock, keeping pins that still fit
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --quiet -o requirements.lock

.PHONY: clean
clean: ## remove what commands here made: out/, demo-lake/, caches (never lake/ or .venv/)
	rm -rf out demo-lake live-lake build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# uv installs the pins in seconds. Where there is none, the lock's own pinned uv is fetched first; where that cannot
# be, pip does it all. The package goes in last and without build isolation: its build tool, setuptools, is pinned in
# the lock too, so nothing that runs here comes unpinned.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}. Try: make setup PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment here; on Debian or Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "installing the pinned packages into $(VENV)"
	@uv="$(UV)"; \
	if [ -z "$$uv" ]; then \
	  awk '/^uv==/ { inside = 1; print; next } /^[^ ]/ { inside = 0 } inside' requirements.lock > $(VENV)/uv.lock; \
	  if $(PIP) --require-hashes -r $(VENV)/uv.lock; then uv=$(BIN)/uv; fi; \
	fi; \
	if [ -n "$$uv" ] && "$$uv" pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock; then \
	  "$$uv" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  echo "uv could not; pip takes two or three minutes"; \
	  $(PIP) --require-hashes -r requirements.lock; \
	  $(PIP) --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
