# Two commands for a newcomer: `make demo` and `make test`. Everything else is listed by `make help`.

PYTHON ?= python3
BIN := .venv/bin
FILE ?=
RECIPE ?=
META ?=
RUNS ?= 10
MINUTES ?=
ONLY ?=
SUITE ?= tests
CHECKOV ?= build/checkov/bin/checkov

.PHONY: help setup demo up test test-long test-clients test-page screenshots check fix lock chaos stress bench package deploy check-terraform \
  terraform-mutations terraform-plans terraform-checkov clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: .venv/ready $(BIN)/dropsight ## create .venv with all packages and the command dropsight (once)

.venv/ready: requirements.txt requirements.lock tests/requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Dropsight's packages into .venv (once; takes a minute or two) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -c requirements.lock
	@touch $@

# Runs the tree that contains this .venv, from any folder. An editable install would tie a shared .venv to one tree.
$(BIN)/dropsight: Makefile | .venv/ready
	@printf '%s\n' '#!/bin/sh' 'PYTHONPATH="$$(cd "$$(dirname "$$0")/../.." && pwd)" && export PYTHONPATH' \
	  'exec "$$(dirname "$$0")/python" -P -m local "$$@"' > $@ && chmod +x $@

demo: setup ## drop the samples (or RECIPE=…, FILE=…, META=…) and show their answers
	@$(BIN)/dropsight demo $(if $(RECIPE),--recipe $(RECIPE)) $(if $(META),--meta "$(META)") $(FILE)

up: setup ## serve the whole system on this machine until Ctrl-C
	@$(BIN)/dropsight up

# Each worker runs whole files, so that what a file's tests share (a wired function, a local system) is made once.
NEAR := --dist loadfile --durations 5 --ignore tests/chaos --ignore tests/page

test: setup ## run the tests but for the long ones, those of the page and chaos (three or four minutes on two quiet cores)
	@$(BIN)/python -m pytest -n 3 $(NEAR) -m "not long" tests
	@echo "Not run: the long tests (make test-long), the page's (make test-page), and chaos (make chaos)."

test-long: setup ## run the tests that take long: whole systems, hundreds of files, conversions
	@$(BIN)/python -m pytest -n 4 $(NEAR) -m long tests

test-page: setup ## drive the page with a real Chromium (Debian's package chromium, or `playwright install chromium`)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --durations 5 tests/page

screenshots: setup ## make the pictures of the page in docs/images, light and dark
	@$(BIN)/python -m tests.page.screenshots

test-clients: setup .venv-clients/ready ## let clients of other makers do their jobs (installs them; with Node, openai-node and ai too)
	@if command -v npm >/dev/null; then cd tests/clients/node && npm install --silent --no-fund --no-audit; else echo "Node is missing: its clients are skipped"; fi
	@$(BIN)/python -m pytest tests/clients

.venv-clients/ready: tests/clients/requirements.txt
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@touch $@

chaos: setup ## test the promises under kills, faults, duplicates and losses (a quarter of an hour)
	@$(BIN)/python -m pytest -n 3 --dist loadfile tests/chaos

stress: setup ## run the tests 10 times in random order on busy cores (RUNS=3, SUITE=long, SUITE=chaos, MINUTES=60)
	@$(BIN)/python -m tests.stress --runs $(RUNS) --suite $(SUITE) $(if $(MINUTES),--minutes $(MINUTES))

check: setup ## check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## format, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew requirements.lock: every deployed package with its version
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@build/lock/bin/python -m pip freeze --disable-pip-version-check --exclude pip --exclude setuptools > build/lock/freeze
	@{ printf '%s\n' '# Every package that is deployed, as `make lock` resolved requirements.txt. Do not edit.'; \
	  LC_ALL=C sort -f build/lock/freeze; } > requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages"

bench: setup ## compare speed and cost with the documented pattern (ONLY=cpu,transfer)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

package: setup ## build the source archive that is deployed; the same tree gives the same bytes
	@$(BIN)/dropsight package --out build/dropsight.zip

# Recipe files in terraform/, and those elsewhere that the configuration names.
NAMED := $(shell sed -nE 's/^[^\#]*recipes *= *"([^"]+)".*/\1/p' terraform/*.tfvars 2>/dev/null)
RECIPES := $(sort $(wildcard terraform/*.toml) $(foreach file,$(NAMED),$(if $(filter /%,$(file)),$(file),terraform/$(file))))

deploy: package ## apply terraform/ (the first time: GEMINI_API_KEY=… make deploy)
	$(if $(RECIPES),$(BIN)/dropsight recipes check $(RECIPES))
	@cd terraform && terraform init -input=false && \
	  { [ -z "$$GEMINI_API_KEY" ] || export TF_VAR_gemini_api_key="$$GEMINI_API_KEY"; } && terraform apply

check-terraform: setup ## check terraform/: format, tests, plan, mutations, checkov (a few minutes)
	@$(MAKE) --no-print-directory -j 3 --output-sync=target terraform-mutations terraform-plans terraform-checkov

terraform-mutations:
	$(BIN)/python -m tests.terraform.mutations

terraform-plans:
	$(BIN)/python -m pytest tests/terraform

terraform-checkov: $(CHECKOV)
	$(CHECKOV) --config-file terraform/.checkov.yaml -d terraform

build/checkov/bin/checkov: terraform/requirements.txt
	@$(PYTHON) -m venv build/checkov
	@build/checkov/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## delete .venv, caches and builds
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
