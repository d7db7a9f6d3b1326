# The front door: `make` prints this help. Another lab: LAB=name, with its own SYSTEM_SUBNET and SANDBOX_SUBNET.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SETTINGS := LAB ENV SYSTEM_SUBNET SANDBOX_SUBNET CONFIRM JSON CORE FORCE KEEP KIND SECONDS
# HEYKEN_… of docs/reference/files.md go on to what reads them, which refuses what is mistyped.
UNKNOWN := $(filter-out $(SETTINGS) HEYKEN_%,$(foreach given,$(MAKEOVERRIDES),$(firstword $(subst =, ,$(given)))))
$(if $(UNKNOWN),$(error ✗ $(UNKNOWN): not a setting of make here; there are $(SETTINGS)))

# FORCE=0 and JSON=no mean what they say.
$(foreach flag,FORCE JSON,$(if $(filter-out 0 1 no yes false true,$($(flag))),$(error ✗ $(flag)=$($(flag)): it is 1 or 0)))
yes = $(filter 1 yes true,$(1))

ENV := $(or $(ENV),$(HEYKEN_ENV),lab)
LAB := $(or $(LAB),$(HEYKEN_LAB),$(ENV))
export HEYKEN_ENV := $(ENV)
export HEYKEN_LAB := $(LAB)
ifdef SYSTEM_SUBNET
export HEYKEN_SYSTEM_SUBNET = $(SYSTEM_SUBNET)
endif
ifdef SANDBOX_SUBNET
export HEYKEN_SANDBOX_SUBNET = $(SANDBOX_SUBNET)
endif
ifdef CONFIRM
export CONFIRM
endif
# What the person typed, for whoever has to say it back.
export TYPED := $(if $(SUDO_USER),sudo )make $(strip $(MAKECMDGOALS) $(MAKEOVERRIDES))
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- use ---
.PHONY: deploy status switch-core drill stop start destroy
deploy: bootstrap ## Make the lab, or bring it up to date, and prove it with a question
	@python -m tools deploy

status: bootstrap ## Show the truth: who is active, since when, why (JSON=1 for programs)
	@python -m tools.client status $(if $(call yes,$(JSON)),--json)

switch-core: bootstrap ## Move to the other core (CORE=1 or CORE=2 to name it, FORCE=1)
	@python -m tools.client switch $(CORE) $(if $(call yes,$(FORCE)),--force)

drill: bootstrap ## Break one thing on purpose and measure (KIND=core, SECONDS=10); asks first
	@python -m tools.client drill $(KIND) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(call yes,$(JSON)),--json)

stop: bootstrap ## Stop the lab's hosts; everything is kept
	@python -m tools stop

start: bootstrap ## Start them again
	@python -m tools start

destroy: bootstrap ## Remove the lab and its secrets (CONFIRM=lab answers the question)
	@python -m tools destroy

# --- check ---
.PHONY: check lint format validate test-unit test-clients molecule plan verify test ci-local docs bench
check: lint validate test-unit ## Everything that needs no lab

lint: bootstrap ## Style, types, shell, YAML, Ansible
	@nice tools/lint.sh

format: bootstrap ## Rewrite what can be formatted
	@ruff format --quiet . && ruff check --quiet --fix . && python -m tools.terraform_fmt -recursive terraform

validate: bootstrap ## Terraform modules against their tests
	@python -m tools.validate

test-unit: bootstrap ## Unit, template and contract tests
	@python -m tools equip
	@pytest tests/unit tests/templates tests/contract --numprocesses 4 --dist worksteal

test-clients: bootstrap ## The stand-ins before the products' official clients and a real browser
	@python -m tools equip
	@pytest tests/official tests/e2e -m "not lab"

molecule: bootstrap ## Deploy a lab of the tests' own, check it, break it, remove it
	@tools/molecule.sh

plan: bootstrap ## What Terraform would change
	@python -m tools plan

verify: bootstrap ## Check the deployed lab
	@python -m tools verify

# The linters need a processor and no deadline, so they run while the lab waits.
test: validate test-unit test-clients ## All tests: the README's second command
	@$(MAKE) --no-print-directory --jobs=2 lint molecule

ci-local: bootstrap ## List the pipeline's jobs and run its lint job on this machine
	@tools/ci_local.sh

docs: bootstrap ## Generate the reference tables
	@python -m tools.role_docs

bench: bootstrap ## Measure the lab; prints the table of docs/reference/figures.md
	@python -m bench

# --- inside ---
.PHONY: bootstrap lock
bootstrap:
	@tools/bootstrap.sh

lock: bootstrap ## Solve the locks anew
	@tools/lock.sh
