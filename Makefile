# make run: the environment, then the whole chain on the embedded data and model.
# make test: the environment, then lint and tests.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready
DOCS_READY := .venv-docs/.ready

export PATH := $(BIN):$(PATH)
export DO_NOT_TRACK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: run test test-exhaustive lint stages tables experiments repro docs wheel postgres lock clean

run: $(READY)
	kedro run

test: $(READY) lint
	pytest -n 2 --dist loadfile --no-loadscope-reorder

# What 'make test' leaves out: more cases of what it tests by one of each kind.
test-exhaustive: $(READY)
	pytest -n 2 --dist loadfile -m exhaustive

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache
	codespell -D - -D scripts/plain_words.txt src docs README.md CONTRIBUTING.md SECURITY.md .github benchmarks conf schedules scripts
	python scripts/check_docstrings.py

# dvc.yaml and compare/dvc.yaml, after a change of pipelines, the catalog or imports.
stages: $(READY)
	python scripts/make_dvc_yaml.py

# The tables of docs/ and the lines of conf/base that are written from the registries.
tables: $(READY)
	python scripts/make_tables.py

repro: $(READY)
	dvc repro

# The documentation has a small environment of its own: it reads the code and never imports it.
docs: $(DOCS_READY)
	.venv-docs/bin/mkdocs build --strict --quiet

experiments: $(READY)
	dvc exp show --only-changed --drop '^src/'

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

$(DOCS_READY): requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	touch $(DOCS_READY)

# After a change of dependencies in pyproject.toml: resolve anew, names and versions only.
lock:
	rm -rf .venv
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check setuptools '.[dev]'
	pip freeze --all --exclude quantline --exclude pip > requirements.lock
	rm -rf .venv-docs
	$(PYTHON) -m venv .venv-docs
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	  | xargs .venv-docs/bin/pip install --quiet --disable-pip-version-check
	.venv-docs/bin/pip freeze > requirements-docs.lock

clean:
	rm -rf .venv .venv-docs site build dist
