# Everyday commands; `make help` lists them.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# To build a package from its sources, pip runs code that no hash holds. Linux on ARM has no wheel of faust-streaming: there
# `make setup PIP_ONLY_BINARY=:none:`.
export PIP_ONLY_BINARY ?= :all:

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench drill docs screenshots pins sbom image-digests secrets clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 15

setup: .venv/.done ## make the environment and fetch the servers (900 MB once, into ~/.cache/lakehouse); starts nothing

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes -r constraints.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(PIP) check
	$(BIN)/lakehouse fetch
	@touch $@

demo: setup ## start the stack, send 200,000 events of five sources through the whole line, show what arrives
	$(BIN)/lakehouse demo

test: setup ## run all tests, on real servers that the tests start and end
	$(BIN)/python -m pytest

lint: setup ## ruff, mypy --strict, import rules, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit/test_style.py

bench: setup ## the worker against a hand-written loop, builds of few events against full ones, many workers on one table (15 min)
	$(BIN)/python -m bench.calls
	$(BIN)/python -m bench.build
	$(BIN)/python -m bench.commits
	$(BIN)/python -m bench.windows

docs: setup ## write the generated reference pages anew
	$(BIN)/python docs/generate.py

screenshots: setup ## pictures of the dashboard for the docs; the stack is up and a demo's events are in it
	$(BIN)/python docs/screenshots.py

drill: setup ## break the line under load in every way we know, and prove it whole again (an hour and more; on a stack of its own)
	$(BIN)/python -m drills --report drills.ndjson

pins: ## lock the dependencies of pyproject.toml anew, with hashes, into constraints.txt; what is there keeps its version
	$(PYTHON) -m supply.pins

sbom: setup ## write sbom.cdx.json, the bill of materials: what is installed and what is fetched from Maven (CycloneDX)
	$(BIN)/python -m supply.sbom

image-digests: setup ## pin compose.yaml's images by digest, in compose.digests.yaml; needs Docker and its registry
	$(BIN)/python -m supply.digests

# Containers run under users of their own, so the files may be read by all, in a folder that nobody else can enter.
secrets: ## make the passwords for compose.yaml, each a file in secrets/; those that are there stay
	@mkdir -p secrets && chmod 700 secrets
	@for file in $$(sed -n 's|.*{file: \./\(secrets/[A-Z0-9_]*\)}|\1|p' compose.yaml); do \
	  test -s $$file || { openssl rand -hex 24 > $$file && chmod 444 $$file && echo made $$file; } || exit 1; \
	done

clean: ## remove the environment and caches; data in .lakehouse stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
