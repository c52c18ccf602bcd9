# make help tells what there is. Works from a bare clone with Python 3.11 and a package index, nothing else set.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-e2e chromium nginx check bench chaos lock env devenv example

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

# pip takes seconds to find that it has nothing to do, so a stamp keeps the hash of what was installed last.
define install
	@want="$$(cat $(1) <($(PYTHON) -V) | sha256sum | cut -d' ' -f1)"; \
	if [ "$$(cat .venv/stamp-$(2) 2>/dev/null)" != "$$want" ] || [ ! -x $(BIN)/python ]; then \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'; \
		[ -x $(BIN)/python ] || { echo "making .venv"; $(PYTHON) -m venv .venv; }; \
		echo "installing $(1)"; \
		$(PIP) install $(foreach file,$(1),-r $(file)); \
		echo "$$want" > .venv/stamp-$(2); \
	fi
endef

help:  ## this list
	@grep -hE '^[a-z0-9-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /make \1\t/' | expand -t 16

env:
	$(call install,requirements.txt,run)

devenv:
	$(call install,requirements.txt requirements-dev.txt,dev)

run: env  ## install, migrate, seed, serve; ARGS=--debug reloads
	@exec $(BIN)/python run.py $(ARGS)

test: devenv  ## every test; ARGS="tests/unit -k name" for some
	@$(BIN)/python -m pytest $(ARGS) || { code=$$?; [ $$code -ne 5 ] || echo "pytest found no test" >&2; exit $$code; }

test-e2e: devenv chromium  ## the page in a real browser, which is installed where there is none
	@REQUIRE_SERVICES=1 $(BIN)/python -m pytest tests/e2e $(ARGS)

# Debian's, by apt. CHROMIUM names another one.
chromium:
	@[ -n "$${CHROMIUM:-}" ] || command -v chromium >/dev/null || { \
		echo "installing chromium"; \
		as="$$([ "$$(id -u)" = 0 ] || echo 'sudo -n')"; \
		$$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	}

# For the test of streams behind a proxy that buffers.
nginx:
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || { \
		echo "installing nginx"; \
		as="$$([ "$$(id -u)" = 0 ] || echo 'sudo -n')"; \
		$$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null; \
	}

check: devenv  ## lint, types, import rules, make test
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

chaos: devenv  ## a thousand chats while a third of a provider's calls fail; ARGS=200 asks fewer
	@$(BIN)/python bench/chaos.py $(ARGS)

bench: devenv  ## measure the server beside a bare one, into bench/REPORT.md (wants gcc and wrk)
	@$(BIN)/python bench/measure.py $(ARGS)

example: env  ## write .env.example anew from the settings
	@$(BIN)/python -m app.settings > .env.example

lock:  ## resolve requirements*.in anew into requirements*.txt
	@rm -rf .cache/lock && $(PYTHON) -m venv .cache/lock
	@.cache/lock/bin/pip --disable-pip-version-check -q install -r requirements.in
	@.cache/lock/bin/pip freeze > .cache/run.txt
	@.cache/lock/bin/pip --disable-pip-version-check -q install -c .cache/run.txt -r <(grep -v '^-c' requirements-dev.in)
	@.cache/lock/bin/pip freeze | grep -vxFf .cache/run.txt > .cache/dev.txt
	@{ echo "-c requirements.txt"; cat .cache/dev.txt; } > requirements-dev.txt
	@mv .cache/run.txt requirements.txt && rm -rf .cache/lock .cache/dev.txt
