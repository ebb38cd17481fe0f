# Everything here makes its own environment; nothing is needed but Python 3.11 (with venv) and make.
.DEFAULT_GOAL := help
.PHONY: help run test test-all bench lint types clean dev lowest system npm base

VENV := .venv
LOWEST := .venv-lowest
BASE := .venv-base
BIN := $(VENV)/bin
# Old releases warn of themselves; that is no failure of ours.
OLD := $(LOWEST)/bin/python -m pytest -p no:cacheprovider -W ignore::DeprecationWarning
# Half of the time tests wait for real processes, terminals and browsers, hundreds of which share two cores here. What failed is said above and run once more, alone:
# what is broken fails again, what only lost a race for the machine is seen in both reports.
ALL := $(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"
AGAIN := $(BIN)/python -m pytest -m "not slow" --last-failed --last-failed-no-failures none
TESTS := pytest pytest-xdist hypothesis httptools opentelemetry-sdk prometheus-client fastapi aiohttp redis hiredis fpdf2 pypdf flask django gunicorn uvicorn-worker a2wsgi httpx httpx2 requests pymongo sqlalchemy aiosqlite openai anthropic textual cachetools

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

run: ## The examples with traffic and their dashboards, the first on http://127.0.0.1:8001/dashboard; options in ARGS=
	@sh scripts/venv.sh $(VENV) -e '.[demo]'
	@exec $(BIN)/fanlight demo $(ARGS)

test: dev lowest system npm lint types ## Lint, types, and all tests but the slow ones
	$(OLD) -q tests/capture/test_transparency.py
	$(ALL) || case $$? in 1) $(AGAIN);; 3) $(ALL);; *) exit 1;; esac # 1: it came to its end, some failed; 3: the runner itself did

test-all: dev lowest base system npm lint types ## Also the soaks, the oldest supported releases, and an install without extras
	$(BASE)/bin/python -c 'import fanlight; fanlight.Fanlight("base")'
	$(BASE)/bin/fanlight --help >/dev/null
	$(OLD) -n 2 -m "not slow and not browser" --ignore=tests/e2e
	$(BIN)/python -m pytest -n 2

bench: ## The comparisons with peers; prints their tables
	@sh scripts/venv.sh $(VENV) -e '.[bench]' -c constraints/highest.txt
	@status=0; for script in middleware wsgi calls memory slices history workers screen viewers hosts terminal console gateway tools; do echo "== $$script"; $(BIN)/python "bench/$$script.py" || status=1; done; exit $$status

lint: dev ## Ruff, formatting included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev ## mypy, strict
	$(BIN)/mypy

dev:
	@sh scripts/venv.sh $(VENV) -e '.[dev]' -c constraints/highest.txt

lowest:
	@sh scripts/venv.sh $(LOWEST) -e . $(TESTS) -c constraints/lowest.txt

base:
	@sh scripts/venv.sh $(BASE) .

system:
	@sh scripts/system.sh

npm: dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/npm.sh build/npm tests/gateway/mcp/package.json

clean: ## Remove what these commands made
	rm -rf $(VENV) $(LOWEST) $(BASE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples bench -name __pycache__ -type d -prune -exec rm -rf {} +
