# Two commands matter: `make run` and `make test`. Both need only Python >= 3.11 (with venv) and make.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 5000
export HOST PORT

VENV := .venv
BIN := $(VENV)/bin
FLASK := $(BIN)/flask --app wsgi
PO := translations/zh_Hans_CN/LC_MESSAGES/messages
ASSETS := static/dist/manifest.json
SOURCES := $(shell find static/src -type f 2>/dev/null) package-lock.json

ON_POSTGRESQL := --database postgresql -m "not browser and not slow"
# Many tests use real sockets and real time: what failed beside the others is tried once more, alone.
ALONE := $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

.DEFAULT_GOAL := help
.PHONY: help run demo test check audit fix assets bench messages

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/runtime $(ASSETS) $(PO).mo  ## Set up what is missing and start Patchbay (HOST, PORT)
	@$(FLASK) init
	@exec $(BIN)/gunicorn --config gunicorn.conf.py wsgi:app

demo: $(VENV)/runtime $(ASSETS) $(PO).mo  ## Start Patchbay with sample services on a pretend vendor
	@exec $(FLASK) demo

test: $(VENV)/dev $(ASSETS) $(PO).mo tests/ui/node_modules/.stamp tests/peers/node_modules/.stamp  ## Run every test this machine can run
	$(BIN)/python -m pytest -n auto || $(ALONE)
	$(BIN)/python -m pytest -n auto $(ON_POSTGRESQL) || $(ALONE) $(ON_POSTGRESQL)

check: $(VENV)/dev $(PO).mo  ## Lint, types, layers, security, templates, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r adapters webapp -ll
	$(BIN)/djlint --lint --quiet templates

# Ends with 2 when no index of vulnerabilities answers: that is no clean bill. Not part of `check`, which needs no network.
audit: $(VENV)/audit/.stamp $(VENV)/runtime  ## Compare what is locked with known vulnerabilities (asks the network)
	@$(BIN)/python -m webapp.commands.advisories $(VENV)/audit/bin/pip-audit

fix: $(VENV)/dev  ## Format and repair what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench  ## Measure calls beside other ways to make them (FULL=1 takes longer)
	@mkdir -p build
	$(BIN)/python -m bench.call_overhead $(if $(FULL),--rounds 9 --calls 2000) --json build/call_overhead.json

assets: $(ASSETS)  ## Build the static files

# Neither places nor dates go into the catalogue, so that a difference shows what changed for readers.
messages: $(VENV)/dev  ## Collect the strings for translation
	@mkdir -p build
	$(BIN)/pybabel -q extract -F babel.cfg -k N_ -k _l --no-location --no-wrap --sort-output --omit-header -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d translations --no-wrap --no-fuzzy-matching --omit-header --ignore-obsolete

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Patchbay needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.lock webapp/commands/plugin.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m webapp.commands.plugin
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# in an environment of its own: it brings a pip along
$(VENV)/audit/.stamp: requirements-audit.lock | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

$(VENV)/bench: requirements-bench.lock $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

# npm comes from the PATH, else from PyPI.
$(VENV)/npm: requirements-node.lock $(VENV)/runtime
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.lock
	@touch $@

$(ASSETS): $(SOURCES) | $(VENV)/npm
	$(FLASK) assets build

# A catalogue without a header counts as fuzzy as a whole; tests/test_translations.py finds single fuzzy entries.
$(PO).mo: $(PO).po | $(VENV)/runtime
	$(BIN)/pybabel -q compile --use-fuzzy -d translations

# axe-core and the HTML checker, for the browser tests only
tests/ui/node_modules/.stamp: tests/ui/package-lock.json | $(VENV)/npm
	$(BIN)/python -c 'from webapp.web.npm import npm; npm(["ci", "--prefix", "tests/ui"])'
	@touch $@

# the provider of OpenID Connect that accounts are linked at, for the tests only
tests/peers/node_modules/.stamp: tests/peers/package-lock.json | $(VENV)/npm
	$(BIN)/python -c 'from webapp.web.npm import npm; npm(["ci", "--prefix", "tests/peers"])'
	@touch $@
