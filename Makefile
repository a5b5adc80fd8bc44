# Countersign. `make run` and `make test` need Python 3.11 or newer and nothing else; they install what they use into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WITH_POSTGRES := $(BIN)/python -m config.with_postgres --
PORT ?= 8000
DATA ?= ../shared/data/adventureworks
N ?= 2000

# Dozens of processes start the same modules; compiling them each time would cost each a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check bench chaos verify replay clients requirements browser clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.runtime  ## start everything (PostgreSQL, web, worker, sealer) with sample data; Ctrl-C stops it
	@exec $(BIN)/python -m config.supervisor --sample --port $(PORT)

test: $(VENV)/.development browser  ## run every test, browser included
	$(WITH_POSTGRES) $(BIN)/pytest -n 2 --dist loadgroup $(TESTS)

check: $(VENV)/.development  ## lint, format, types, templates, spelling, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/djlint --check --lint --quiet templates
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(WITH_POSTGRES) $(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.development  ## measure every target beside references of the same run, with SIZE=full at the design's sizes
	SIZE=$(SIZE) $(BIN)/python -m bench

chaos: $(VENV)/.development  ## N=2000 proposals under seeded faults (SEED=…); the last line says what came of it
	@$(BIN)/python -m tests.chaos --number $(N) $(if $(SEED),--seed $(SEED))

verify: $(VENV)/.runtime  ## verify the whole audit chain of the running installation
	@$(BIN)/python manage.py audit_verify

replay: $(VENV)/.runtime  ## replay the purchase orders of DATA=<directory> through agent, approvers and ERP
	@$(BIN)/python -m examples.replay $(DATA) --port $(PORT)

clients: $(VENV)/.development  ## connect clients nobody here wrote (installs them into .data/clients); ONLY=<text> picks some
	$(BIN)/python -m tests.clients --only '$(ONLY)'

requirements:  ## compile requirements*.in into pinned and hashed requirements*.txt
	$(BIN)/python -m pip --quiet install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.txt
	$(BIN)/python deploy/annotate_requirements.py requirements.in requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.in -o requirements-dev.txt
	$(BIN)/python deploy/annotate_requirements.py requirements-dev.in requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-tracing.in -o requirements-tracing.txt
	$(BIN)/python deploy/annotate_requirements.py requirements-tracing.in requirements-tracing.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Countersign needs Python 3.11 or newer; set PYTHON=<path>."; exit 1; }
	@# Debian ships venv apart from Python.
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { apt-get -qq update && apt-get -qq install -y python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing packages …"
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt requirements-verifiers.txt $(VENV)/.runtime
	@echo "Installing packages for tests and checks …"
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --no-deps --ignore-requires-python --require-hashes -r requirements-verifiers.txt
	@touch $@

# The headless shell is Chromium without its windows: a quarter less work for the same pages. Where no package has it, the whole browser does.
browser: $(VENV)/.development
	@command -v chromium-headless-shell >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update \
	  && apt-get -qq install -y chromium-headless-shell fonts-noto-core >/dev/null 2>&1; } \
	|| command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	|| $(BIN)/playwright install --only-shell chromium

clean:  ## remove what make installed and every test database; keeps .data/postgres
	rm -rf $(VENV) .data/test-postgres .pytest_cache .mypy_cache .ruff_cache test-artifacts
