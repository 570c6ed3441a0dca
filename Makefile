# One environment for everything: `make demo` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Packages of plugins, installed as anybody would install them.
PLUGINS := $(dir $(wildcard plugins/*/pyproject.toml))

.PHONY: demo test check format soak bench docs evaluators clean

demo: $(READY)  ## run the quick start and print its verdicts
	$(BIN)/ganbench run suites/quickstart.yaml
	$(BIN)/ganbench report quickstart

test: $(READY)  ## the whole test suite, under 6 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: $(READY)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

soak: $(READY)  ## what is too long for `make test`
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m soak

bench: $(READY)  ## speed, as ratios; never part of a test
	$(BIN)/python -m benchmarks

docs: $(READY)  ## check that pages, links, commands and suites in the documentation are true
	$(BIN)/python -m pytest tests/test_docs.py

evaluators: $(READY)  ## train the small pinned evaluators of faces and blocks again
	$(BIN)/python -m ganbench_zoo.evaluators.train

$(READY): pyproject.toml $(addsuffix pyproject.toml,$(PLUGINS))
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ganbench needs Python 3.11 or newer; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' $(addprefix --editable ,$(PLUGINS))
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
