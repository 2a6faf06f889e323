# What a person runs: `make demo`, `make setup` and `make test`. Each check of `make test` is a target of its own.

PYTHON ?= python3
BIN = .venv/bin
export REDOCLY_TELEMETRY = off

.DELETE_ON_ERROR:
.PHONY: demo help setup test format lint types contract drift change imports tests defects chaos mutants models-long \
	languages languages-quick contract-long contract-live contract-prism generate release lock node-tools redis-server

demo: .venv/demo-ready  ## one image with each model, against the double (ARGS=--live: the service)
	@$(BIN)/python scripts/demo.py $(ARGS)

# `make generate` and `make test` run without a network then, but for languages-quick the first time.
setup: .venv/dev-ready node-tools redis-server  ## install all that the other targets need

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' Makefile | expand -t 18

test: format lint types contract drift change imports languages-quick tests  ## every check and every test
	@echo "Every check passed."

format: .venv/dev-ready  ## check the format of the Python files
	$(BIN)/ruff format --check .

lint: .venv/dev-ready  ## ruff
	$(BIN)/ruff check .

types: .venv/dev-ready node-tools  ## mypy and pyright
	$(BIN)/mypy
	node_modules/.bin/pyright

contract: .venv/dev-ready node-tools  ## the linters of the contract and of its editions
	node_modules/.bin/redocly lint segmind generated/segmind_openapi/*.json
	node_modules/.bin/spectral lint --fail-severity=hint openapi/segmind.yaml
	$(BIN)/openapi-spec-validator openapi/segmind.yaml

drift: .venv/dev-ready node-tools  ## check that generated/ is what the contract makes
	$(BIN)/python scripts/generate.py --check

change: .venv/dev-ready node-tools  ## what changed in the contract since its last release, and whether its version fits
	$(BIN)/python scripts/change.py

imports: .venv/dev-ready  ## check which package may import which
	$(BIN)/lint-imports --no-cache

tests: .venv/dev-ready node-tools redis-server  ## pytest, with coverage
	$(BIN)/pytest --cov=segmind_client --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

languages-quick: .venv/dev-ready  ## TypeScript, Go and Java call the double through generated clients
	PYTHONPATH=scripts $(BIN)/python -m languages --quick

# Not part of `make test`: what takes minutes, or another seed each time, or money.
defects: .venv/dev-ready  ## every known defect of a double, made one at a time
	PYTHONPATH=scripts $(BIN)/python -m tests.contract.defects $(ARGS)

chaos: .venv/dev-ready  ## 20,000 submits while everything goes wrong
	$(BIN)/python -m tests.client.chaos $(ARGS)

mutants: .venv/dev-ready  ## small mistakes in a module (ARGS=src/…), and whether its tests notice
	PYTHONPATH=scripts $(BIN)/python -m tests.mutants $(ARGS)

languages: .venv/dev-ready  ## all languages of clients/, and docs/languages.md (ARGS="php ruby": some)
	PYTHONPATH=scripts $(BIN)/python -m languages $(ARGS)

models-long: .venv/dev-ready node-tools  ## 200 drawn contracts: generated classes, double and jsonschema agree
	PYTHONPATH=scripts $(BIN)/python -m tests.generated.differential $(ARGS)

contract-long: .venv/dev-ready  ## Schemathesis for long, with another seed each time
	PYTHONPATH=scripts $(BIN)/python -m tests.contract.long $(ARGS)

contract-live: .venv/dev-ready  ## the contract against the service itself; asks before it sends anything
	@PYTHONPATH=scripts $(BIN)/python -m tests.contract.live $(ARGS)

contract-prism: .venv/dev-ready benchmarks/node_modules/.package-lock.json  ## the contract against Prism
	PYTHONPATH=scripts $(BIN)/python -m tests.contract.prism

benchmarks/node_modules/.package-lock.json: benchmarks/package-lock.json
	npm ci --prefix benchmarks --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

generate: .venv/dev-ready node-tools  ## write generated/ from the contract
	$(BIN)/python scripts/generate.py

release: drift change  ## build dist/ from the commit (VERSION=0.2.0), twice and alike, and install what was built
	$(BIN)/python scripts/release.py $(VERSION)

lock: .venv/dev-ready  ## resolve the newest versions into requirements/
	$(BIN)/uv pip compile $(LOCK) --extra mock --group build --output-file requirements/demo.txt
	$(BIN)/uv pip compile $(LOCK) --extra mock --group dev --output-file requirements/dev.txt

LOCK = pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links

.venv/python-ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"Python 3.11 or later is needed. Name one with: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo-ready: .venv/python-ready requirements/demo.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev-ready: .venv/demo-ready requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# The tests start it where it is installed; on CI it has to be.
redis-server:
	@command -v redis-server >/dev/null || { [ "$$CI" = true ] || exit 0; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq redis-server >/dev/null; }

node-tools: node_modules/.package-lock.json

node_modules/.package-lock.json: package-lock.json
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
		2>/dev/null && command -v npm >/dev/null || { echo \
		"Node.js 20.19 or later and npm are needed for the contract's linters, the down-converter and pyright." \
		"Install them from https://nodejs.org or your system's packages, then run this again." >&2; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
