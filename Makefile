# Bare `make` lists what there is: every target with a `##` behind it.

# The first Python of this machine that is new enough and has venv.
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c "$(NEW_ENOUGH)" 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# The stamp says that .venv holds what pyproject.toml and constraints.txt ask for.
STAMP := .venv/.installed
DOCS_STAMP := .venv/.installed-docs
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# One thread a process: two test processes with two threads each only wait for one another.
# Compiled modules are kept, whatever the shell says: many tests start a process, and each would compile them anew.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
PYTEST_OPTIONS ?=

# The peers of the benchmarks live in an environment of their own, so that the tests' stays as it is.
BENCH := .venv-bench/bin/python
BENCH_STAMP := .venv-bench/.installed
BENCH_PARTS := epoch answer answer_others growth sweep step startup sgd search recorder trackers
BENCH_OPTIONS ?=

# So do the tools of the examples, of which some want other versions.
EXAMPLES := .venv-examples/bin/python
EXAMPLES_STAMP := .venv-examples/.installed

.DEFAULT_GOAL := help
.PHONY: help demo examples test browser check bench sick others lessons docs dist soak clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up .venv: about a hundred packages, PyTorch the largest; once, in a minute or a few"
	@test -n "$(PYTHON)" || { echo "No Python of 3.11 or newer with venv was found. Name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(PIP) --quiet --upgrade "pip>=25.1"
	@$(PIP) -c constraints.txt -e . --group dev
	@touch $(STAMP)

demo: ## Fit one real table in three coordinates and compare the paths
	@echo "Demo: one real table is fitted in three coordinates of the descent, and the paths are compared."
	@$(MAKE) --no-print-directory $(STAMP)
	@STEEPEST=$(BIN)/steepest PYTHON=$(BIN)/python sh examples/demo.sh

$(EXAMPLES_STAMP): pyproject.toml examples/constraints.txt
	@echo "Setting up .venv-examples (the first time takes a few minutes)"
	@$(PYTHON) -m venv .venv-examples
	@$(EXAMPLES) -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(EXAMPLES) -m pip install --quiet --disable-pip-version-check -c examples/constraints.txt -e . \
		lightning transformers accelerate mlflow onnx onnxruntime pandas
	@touch $(EXAMPLES_STAMP)

examples: $(EXAMPLES_STAMP) ## Run an example each with scikit-learn, Lightning, Hugging Face, MLflow and ONNX
	@failed=; for example in $(wildcard examples/pipeline.py examples/*_run.py); do \
		echo "== $$example"; OMP_NUM_THREADS=1 $(EXAMPLES) $$example || failed="$$failed $$example"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

test: check browser ## Format, lint, types and all tests; sets up everything they need
	$(PYTEST) -n 2 $(PYTEST_OPTIONS)

browser: $(STAMP) ## Find a browser for the tests of pages, or install Chromium where that needs no password
	@$(BIN)/python tests/plots/browser.py

check: $(STAMP) ## Format, lint and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyrefly check

$(BENCH_STAMP): pyproject.toml constraints.txt benchmarks/constraints.txt
	@echo "Setting up .venv-bench (the first time takes a few minutes)"
	@$(PYTHON) -m venv .venv-bench
	@$(BENCH) -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BENCH) benchmarks/install.py
	@touch $(BENCH_STAMP)

bench: $(BENCH_STAMP) ## Measure beside every peer, and write benchmarks/RESULTS.md (BENCH_OPTIONS=--quick: a trial)
	@mkdir -p .benchmarks
	@failed=; for part in $(BENCH_PARTS); do \
		echo "== $$part"; $(BENCH) benchmarks/$$part.py $(BENCH_OPTIONS) || failed="$$failed $$part"; \
	done; \
	echo "== nist"; $(BENCH) benchmarks/nist.py > .benchmarks/nist.txt || failed="$$failed nist"; cat .benchmarks/nist.txt; \
	$(BENCH) benchmarks/results.py $(BENCH_OPTIONS) || failed="$$failed results"; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

sick: $(STAMP) ## Diagnose every sick fit, treat it as printed, and write docs/sick_fits.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/sick_fits.py

others: $(STAMP) ## Diagnose other people's mistakes, treat them as printed, and write docs/others_cases.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/others_cases.py

$(DOCS_STAMP): $(STAMP)
	@echo "Setting up what pages and notebooks need, in .venv"
	@$(PIP) --quiet -c constraints.txt --group docs
	@touch $(DOCS_STAMP)

lessons: $(DOCS_STAMP) ## Execute the lessons, and write them as notebooks and pages to build/lessons
	OMP_NUM_THREADS=1 $(BIN)/python lessons/build.py

dist: $(STAMP) ## Build the wheel that a notebook installs, in dist/
	@$(BIN)/python -m pip --quiet --disable-pip-version-check wheel --no-deps --wheel-dir dist .
	@ls dist/*.whl

docs: $(DOCS_STAMP) ## Build the documentation into build/docs: open build/docs/index.html
	@$(BIN)/python -m sphinx -q -E -W --keep-going -n -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

soak: $(DOCS_STAMP) browser ## All tests, the long ones too, and the property tests with far more examples
	$(PYTEST) -n 2 -m "soak or not soak" --hypothesis-profile=soak $(PYTEST_OPTIONS)

clean: ## Remove what was built or measured; .venv stays
	rm -rf build dist runs .benchmarks .hypothesis .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
