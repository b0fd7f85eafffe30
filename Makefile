# make run   set up .venv and run the whole pipeline on the embedded default
# make test  set up .venv and run the linter, the type checker and all tests
# make fast  the tests without the end-to-end ones

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: run test fast lint

run: $(VENV)/.installed
	dvc repro

test: lint
	pytest

fast: lint
	pytest -m "not e2e"

lint: $(VENV)/.installed
	ruff format --check .
	ruff check .
	mypy

$(VENV)/.installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --disable-pip-version-check -e '.[dev]'
	touch $@
