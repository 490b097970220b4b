# Two commands: `make run` and `make test`. Both need only Python 3.11 and make.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes

.PHONY: run test check bench soak demo-tamper demo-crash lock format

run: $(VENV)/run
	@$(PY) manage.py up --demo --port $(PORT)

test: $(VENV)/test
	@$(PY) -m tests

check: $(VENV)/test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint templates --lint --quiet
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check

bench: $(VENV)/test
	@$(PY) -m tests.bench

soak: $(VENV)/test
	@$(PY) -m tests.simulation

demo-tamper: $(VENV)/run
	@SOAR_PORT=$(PORT) $(PY) manage.py demo_tamper

demo-crash: $(VENV)/run
	@SOAR_PORT=$(PORT) $(PY) manage.py demo_crash

format: $(VENV)/test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Needs uv; everything else needs only pip.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q pyproject.toml --extra sso --group dev -o tests/requirements.lock
	echo "python-ldap>=3.4" | uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q - -o tests/ldap.lock
	echo "setuptools>=61" | uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q - -o tests/ldap-build.lock

# pip comes from the outer Python, so that Debian without python3-venv works too.
$(VENV)/pip:
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(PY) install --quiet --disable-pip-version-check --upgrade pip
	@touch $@

$(VENV)/run: $(VENV)/pip requirements.lock
	@$(PY) $(INSTALL) -r requirements.lock
	@touch $@

$(VENV)/test: $(VENV)/run tests/requirements.lock
	@$(PY) $(INSTALL) -r tests/requirements.lock
	@touch $@

# For the tests of a directory alone: needs a compiler and OpenLDAP's headers, since python-ldap has no wheels.
$(VENV)/ldap: $(VENV)/test tests/ldap.lock tests/ldap-build.lock
	@$(PY) $(INSTALL) -r tests/ldap-build.lock
	@$(PY) $(INSTALL) --no-binary python-ldap --no-build-isolation -r tests/ldap.lock
	@touch $@
