# make run   set up .venv and run the whole pipeline on the embedded default
# make test  set up .venv and run the linter, the type checker and all tests
# make fast  the same with the quick tests alone

PYTHON ?= python3
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)
# Two processes share the tests, the longest first, and each fetches one when it has done one: they end together.
PYTEST := pytest -n 2 --dist load --maxschedchunk 1

.PHONY: run test fast lint

run: $(VENV)/.run
	dvc repro
	@head -n 6 metrics/tables/summary.md
	@echo 'Table I: metrics/tables/table1.md. Everything: open plots/report.html in a browser.'

test: lint
	$(PYTEST)

fast: lint
	$(PYTEST) -m "not e2e and not takes"

lint: $(VENV)/.test
	ruff format --check .
	ruff check .
	mypy

# what a run needs, and what tests need besides
$(VENV)/.run: EXTRA =
$(VENV)/.test: EXTRA = [dev]
$(VENV)/.run $(VENV)/.test: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --disable-pip-version-check -e '.$(EXTRA)'
	# weights that tests read; what this package requires are old versions of what is here
	$(if $(EXTRA),python -m pip install --disable-pip-version-check --no-deps aisfx==0.1.2)
	touch $@
