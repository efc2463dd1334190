# Two commands: `make run` and `make test`. Each makes .venv when it is missing and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# One thread per process: two intra-op threads collapse on a busy machine.
export OMP_NUM_THREADS ?= 1
# Nothing is fetched from a model hub by a test.
test: export HF_HUB_OFFLINE = 1
ifneq ($(wildcard ../shared/data),)
test: export GNOMON_DATA_DIR ?= $(abspath ../shared/data)
endif

# The page's own tests need Node. Without it they are skipped, and say so.
ifneq ($(shell command -v npm),)
PAGE := ui/node_modules/.package-lock.json
endif

.PHONY: run test page format clean

run: .venv/installed
	$(BIN)/gnomon quickstart

test: .venv/installed-dev $(PAGE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

# Build the web page from ui/ into the package; needs Node. What it makes is committed.
page: $(PAGE)
	cd ui && npm run build

format: .venv/installed-dev $(PAGE)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd ui && npm run format

clean:
	rm -rf .venv ui/node_modules

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,segment,story]'
	touch $@ .venv/installed

ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund --loglevel error
	touch $@
