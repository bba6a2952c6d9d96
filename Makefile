# `make demo` and `make test` are all a newcomer needs: Python 3.11 or later, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# More than cores: tests wait for servers as long as they work.
JOBS ?= 3
CHAOS = tests/chaos tests/rollback tests/leases tests/plans/test_applying_plans.py tests/rollouts \
	$(addprefix tests/cli/test_,accounts_pushed.py dropped_connections.py story.py)

.PHONY: help demo test chaos check powershell-profile schemas bench clean packages

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "iea-fleet needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lab: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -c requirements/development.txt -e '.[lab]'
	@touch $@

$(VENV)/.development: requirements/development.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install -r requirements/development.txt -e '.[lab]'
	@touch $@ $(VENV)/.lab

demo: $(VENV)/.lab  ## The whole product on a simulated network of this machine, in a minute.
	@PATH="$(abspath $(BIN)):$$PATH" scripts/demo

packages:
	@scripts/packages

test: $(VENV)/.development packages  ## The whole suite.
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

chaos: $(VENV)/.development  ## Kill controllers and workstations at every request, and 200 times at random.
	CHAOS_KILLS=$${CHAOS_KILLS:-200} CHAOS_SEED=$${CHAOS_SEED:-20260301} $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(CHAOS) --durations=0 --durations-min=5 $(ARGS)

check: $(VENV)/.development  ## Style, types, contracts, schemas and docs.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/fresh.py
	$(BIN)/python scripts/powershell_check.py

powershell-profile: $(VENV)/.development  ## Fetch anew what Windows PowerShell 5.1 offers, as far as the scripts use it.
	$(BIN)/python scripts/powershell_profile.py

schemas: $(VENV)/.development  ## Write schemas/ and docs/commands.md anew from the code.
	$(BIN)/python scripts/fresh.py --write

bench: $(VENV)/.development packages  ## Figures beside a bare paramiko script, on a real sshd.
	$(BIN)/python scripts/bench.py $(ARGS)

clean:  ## Remove what make made.
	rm -rf $(VENV) .lab dist
