# make demo and make test need nothing done before them but Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= demo,dev
EDITABLE ?= --editable
BIN := $(VENV)/bin
comma := ,
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))

.PHONY: install demo test check bench faults soak clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "algosync needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(EDITABLE) '.[$(EXTRAS)]'
	@touch $@

demo: install
	$(BIN)/algosync demo

test: install
	$(BIN)/pytest --numprocesses auto --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

bench: install
	$(BIN)/python benchmarks/run.py

faults: install
	$(BIN)/python tests/faults/run.py --all

soak: install
	$(BIN)/python benchmarks/soak.py --minutes 30

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
