# make run: the environment, then the whole chain on the embedded data and model.
# make test: the environment, then lint and tests.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready

export PATH := $(BIN):$(PATH)
export DO_NOT_TRACK := 1

.PHONY: run test lint repro wheel postgres lock clean

run: $(READY)
	kedro run

test: $(READY) lint
	pytest -n 2 --dist loadfile

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

repro: $(READY)
	dvc repro

wheel: $(READY)
	python -m build --no-isolation

# The tests of a release once more, on an MLflow server with PostgreSQL behind it.
postgres: $(READY)
	scripts/test_on_postgres.sh

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -r requirements.lock
	pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

# After a change of dependencies in pyproject.toml: resolve anew, names and versions only.
lock:
	rm -rf .venv
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check setuptools '.[dev]'
	pip freeze --all --exclude quantline --exclude pip > requirements.lock

clean:
	rm -rf .venv
