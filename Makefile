# Two commands for a newcomer: `make demo` and `make test`. Everything else is listed by `make help`.

PYTHON ?= python3
BIN := .venv/bin
FILE ?=
RECIPE ?=
META ?=
RUNS ?= 10
SUITE ?= tests
CHECKOV ?= build/checkov/bin/checkov

.PHONY: help setup demo up test check chaos stress bench package deploy check-terraform clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: .venv/ready ## make .venv from both requirements files (once)

.venv/ready: requirements.txt tests/requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what Dropsight needs into .venv (once; a minute or two) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

demo: setup ## drop the samples (or RECIPE=…, FILE=…, META=…) and watch them being understood
	@$(BIN)/python -m functions.local demo $(if $(RECIPE),--recipe $(RECIPE)) $(if $(META),--meta "$(META)") $(FILE)

up: setup ## serve the whole system on this machine until Ctrl-C
	@$(BIN)/python -m functions.local up

# A file at a time to each worker: what a file's tests share (a wired function, a local system) is made once and undone
# at its end.
test: setup ## the tests (three minutes on two cores)
	@$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --durations 5 --ignore tests/chaos tests

chaos: setup ## the promises, under kills, faults, duplicates and losses (ten minutes)
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/chaos

stress: setup ## the tests 10 times in random order on busy cores (RUNS=3, SUITE=chaos)
	@$(BIN)/python -m tests.stress --runs $(RUNS) --suite $(SUITE)

check: setup ## format, lint, types, layering
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure against the pattern of the public docs, in ratios
	@$(BIN)/python -m tests.bench

package: setup ## the source archive that is deployed: the same tree, the same bytes
	@$(BIN)/python -m functions.local package --out build/dropsight.zip

# Recipe files beside the configuration, and those that it names elsewhere.
NAMED := $(shell sed -nE 's/^[^\#]*recipes *= *"([^"]+)".*/\1/p' terraform/*.tfvars 2>/dev/null)
RECIPES := $(sort $(wildcard terraform/*.toml) $(foreach file,$(NAMED),$(if $(filter /%,$(file)),$(file),terraform/$(file))))

deploy: package ## apply terraform/ (the first time: GEMINI_API_KEY=… make deploy)
	$(if $(RECIPES),$(BIN)/python -m functions.local recipes check $(RECIPES))
	@cd terraform && terraform init -input=false && \
	  { [ -z "$$GEMINI_API_KEY" ] || export TF_VAR_gemini_api_key="$$GEMINI_API_KEY"; } && terraform apply

check-terraform: setup $(CHECKOV) ## Terraform: format, tests, the plan, mutations, checkov (up to 10 minutes)
	$(BIN)/python -m tests.terraform.mutations
	$(BIN)/python -m pytest tests/terraform
	$(CHECKOV) --config-file terraform/.checkov.yaml -d terraform

build/checkov/bin/checkov: terraform/requirements.txt
	@$(PYTHON) -m venv build/checkov
	@build/checkov/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## forget .venv, caches and builds
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
