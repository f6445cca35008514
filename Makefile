# Bare `make` lists what there is: every target with a `##` behind it.

PYTHON ?= python3
BIN := .venv/bin
# The stamp says that .venv holds what pyproject.toml and constraints.txt ask for.
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One thread a process: two test processes with two threads each only wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
PYTEST_OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench lessons soak clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up .venv (the first time takes a few minutes)"
	@$(PYTHON) -m venv .venv
	@$(PIP) --upgrade "pip>=25.1"
	@$(PIP) -c constraints.txt -e . --group dev
	@touch $(STAMP)

demo: $(STAMP) ## Fit one real table in three coordinates and compare the paths
	@STEEPEST=$(BIN)/steepest PYTHON=$(BIN)/python sh examples/demo.sh

test: check ## Format, lint, types and all tests
	$(PYTEST) -n 2 $(PYTEST_OPTIONS)

check: $(STAMP) ## Format, lint and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyrefly check

bench: $(STAMP) ## Measure: correct digits, time a step, time an epoch
	@for script in $(sort $(wildcard benchmarks/*.py)); do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

lessons: $(STAMP) ## Run every lesson from its first line to its last
	@$(if $(wildcard lessons/*.py),,echo "There are no lessons yet.")
	@for lesson in $(sort $(wildcard lessons/*.py)); do echo "$$lesson"; $(BIN)/python "$$lesson" || exit 1; done

soak: $(STAMP) ## All tests, the long ones too, and the property tests with far more examples
	$(PYTEST) -n 2 -m "soak or not soak" --hypothesis-profile=soak $(PYTEST_OPTIONS)

clean: ## Remove what was built or measured; .venv stays
	rm -rf build dist runs .benchmarks .hypothesis .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
