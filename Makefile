# A developer's everyday commands. On a fresh machine they need only Python 3.11 or newer, with venv.

# The distribution's own Python comes first: it is built with profile-guided optimization, pyenv's rarely is.
PYTHON ?= $(shell for name in /usr/bin/python3.1[1-4] python3.11 python3.12 python3.13 python3.14 python3; do \
	$$name -c 'import ensurepip' 2>/dev/null && command -v $$name && break; done || command -v python3)
PY := .venv/bin/python
INSTALLED := .venv/installed
DEVELOPING := .venv/installed-for-development
ARGS ?=
CODE := manage.py analytics benchmarks consent dashboards ingest postgres telemetry_site tests

# What `manage.py check --deploy` sees: a production start. Nothing connects to these addresses.
PRODUCTION := env -u DEBUG -u CANDID_EMBEDDED -u PUBLIC_URL \
	DATABASE_URL=postgres://candid@127.0.0.1:1/candid \
	ANALYTICS_DATABASE_URL=postgres://candid@127.0.0.1:1/candid_analytics \
	REDIS_URL=redis://127.0.0.1:1/0 TRUSTED_PROXIES=127.0.0.1 \
	OPERATOR_TOKEN=lint-only-7d1b0e4f92c83a65d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f \
	SECRET_KEY=lint-only-3f0c9d1e7b5a48269c0d7e8f1a2b3c4d5e6f708192a3b4c5 \
	ID_HASH_KEY=lint-only-5c4b3a291807f6e5d4c3b2a1f8e7d0c9628485ab7e1d9c0f

.PHONY: run test lint lock bench proofs

run: $(INSTALLED)  ## Candid with demo data; ARGS="--port 8001" passes options on
	@$(PY) manage.py up --demo $(ARGS)

test: $(DEVELOPING)  ## the whole suite; ARGS="tests/consent -k barrier" chooses
	@$(PY) -m pytest $(ARGS)

lint: $(DEVELOPING)
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)
	@.venv/bin/djangofmt --quiet --check templates
	@! LC_ALL=C.UTF-8 grep -rnE --include='*.html' '.{121}' templates || { echo "Template lines end at 120 characters."; exit 1; }
	@$(PY) -m mypy
	@$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

bench: $(DEVELOPING)  ## ingest under load, compared with COPY of the same rows
	@$(PY) -m benchmarks.ingest $(ARGS)

proofs: $(DEVELOPING)  ## the long proofs before a release; ARGS="faults bare" chooses
	@$(PY) -m benchmarks.proofs $(ARGS)

LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet

lock: $(DEVELOPING)  ## resolve pyproject.toml again, for every platform: what runs Candid, what develops it, and its tests' apps
	@$(PY) -m $(LOCK) pyproject.toml --extra embedded --output-file requirements.lock $(ARGS)
	@$(PY) -m $(LOCK) pyproject.toml --all-extras --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)
	@$(PY) -m $(LOCK) tests/ingest/frameworks/requirements.in --output-file tests/ingest/frameworks/requirements.lock $(ARGS)

# $(1): the lock to install
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Candid needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@echo "Installing the dependencies of $(1) into .venv (a minute or two, once) …"
	@$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(1)
endef

$(INSTALLED): requirements.lock
	$(call install,requirements.lock)
	@touch $@

$(DEVELOPING): requirements-dev.lock
	$(call install,requirements-dev.lock)
	@touch $@ $(INSTALLED)
