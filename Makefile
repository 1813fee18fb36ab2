# Everything a new machine needs is set up by the targets themselves; Python >= 3.11, git and make must be there.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
export DVC_NO_ANALYTICS := 1

.PHONY: help setup engine demo postgres test lint bench lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

setup: .venv/ready  ## the virtual environment with every locked dependency

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "python 3.11 or newer is needed, got " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	awk '/^uv==/ {on = 1; print; next} /^[^ ]/ {on = 0} on' requirements.lock > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q replay
	touch $@

engine: setup  ## a Docker Engine that answers
	$(BIN)/replay doctor --fix -q > /dev/null

demo: engine  ## record, replay and diff a real model (in $(DEMO)/)
	$(BIN)/replay demo $(DEMO)

lint: setup  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

postgres:  ## the programs of a PostgreSQL server, where a test can find them
	@if test -n "$$REPLAY_TEST_POSTGRES" || command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; \
	then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; \
	then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql > /dev/null; \
	fi  # else the tests that need it fail, and say so

test: engine lint postgres  ## every test, Docker ones included
	$(BIN)/python -m pytest --require-docker -m "not alone" -n 3 tests
	$(BIN)/python -m pytest --require-docker -m alone tests

bench: engine  ## performance ratios: tests/bench/results.json and the table in README.md
	$(BIN)/python tests/bench/run.py

lock: setup  ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --python-version 3.11 --quiet --upgrade -o requirements.lock

clean:  ## remove what the targets made
	rm -rf .venv $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
