# Everything here needs only Python 3.11 or newer and make. `make up` starts an exchange; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# `make up ARGS="--brokers 3"`, `make test ARGS="-k book"`
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install page up down test test-containers lint faults bench schemas lock lock-kafka clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 17

install: $(INSTALLED) page ## make .venv from the lock file, and build the trading page

# The stamp is made last, so that an installation that was broken off starts again.
# editable_mode=compat: a package that appears later is found without installing again.
# uv installs in seconds; where it can't (a proxy or an index that only pip was told of), pip does the same, slower.
$(INSTALLED): requirements/lock.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Glassbook needs Python 3.11 or newer: say which with 'make PYTHON=/path/to/python3'" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "could not make $(VENV): this Python lacks its venv module (on Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "installing from requirements/lock.txt into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/lock.txt || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
	  --config-settings editable_mode=compat --editable .
	@touch $@

# Does nothing where the page is built already, and only says so where it can't be: the exchange runs without one.
page: $(INSTALLED)
	@$(BIN)/python -m glassbook.page_build

up: $(INSTALLED) page ## start the exchange, or go on where it stopped (Ctrl-C stops it)
	@exec $(BIN)/glassbook up $(ARGS)

down: $(INSTALLED) ## stop the exchange from elsewhere
	@$(BIN)/glassbook down $(ARGS)

test: lint page ## lint, types and the whole test suite, real broker included
	$(BIN)/python -m glassbook.quick_start
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-containers: $(INSTALLED) ## integration tests on the official images of Kafka and ClickHouse, where Docker runs
	GLASSBOOK_TEST_CONTAINERS=1 $(BIN)/python -m pytest tests/integration $(ARGS)

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

faults: $(INSTALLED) ## the long fault runs: seeded simulations, then kills of the real thing
	$(BIN)/python -m simulator faults
	$(BIN)/python -m simulator broker-faults

bench: $(INSTALLED) ## all benchmarks
	$(BIN)/python -m benchmarks all $(ARGS)

schemas: $(INSTALLED) ## write the checked-in JSON schemas and the AsyncAPI document anew
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m glassbook.client.vectors

# --universal: one lock for every system and Python; --no-header and no index options: nothing of this machine in it.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)
lock: ## resolve the lock files anew (ARGS="--upgrade" for newer versions)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) pyproject.toml --group build --group dev -o requirements/lock.txt
	$(LOCK) --group peers --constraint requirements/lock.txt -o requirements/peers.txt

# Another Kafka: change WANTED in glassbook/kafka_dist.py, then this writes every jar's checksum anew.
lock-kafka: $(INSTALLED)
	$(BIN)/python -m glassbook.kafka_dist

clean: ## remove .venv and caches; data/ stays
	rm -rf $(VENV) build *.egg-info web/dist web/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
