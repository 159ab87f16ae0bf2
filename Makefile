PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip's own options (an index, a proxy) come from the environment, as everywhere.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# A process of tests for each processor; the tests of a file share what they have set up, and the
# files are taken in the order of tests/conftest.py.
AT_ONCE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Or each of the processes that tests start would compile the service anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo serve test quick lint format types client reference image-check torture bench bench-peers constraints clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/run ## Train the reference network on MNIST and classify a few digits
	$(BIN)/traind demo

serve: $(VENV)/run ## Start the API and a worker, and stay up
	$(BIN)/traind serve

test: $(VENV)/dev lint types ## Check style, types and imports, and run the tests
	$(BIN)/python -m pytest $(AT_ONCE)

quick: $(VENV)/dev lint types ## Check style, types and imports, and run the fast tests
	$(BIN)/python -m pytest $(AT_ONCE) tests/unit tests/store

lint: $(VENV)/dev ## Check style, the import rules and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

types: $(VENV)/dev ## Check types, strictly
	$(BIN)/mypy

format: $(VENV)/dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

client: $(VENV)/dev ## Make the synchronous client of the asynchronous one
	$(BIN)/python -m scripts.sync_client

reference: $(VENV)/dev ## Write docs/reference anew from the code
	$(BIN)/python -m scripts.reference

image-check: $(VENV)/dev ## Lint the container files and run the images' steps
	scripts/image-check

torture: $(VENV)/dev ## Run the long tests at their full counts, over four hours (replay with SEED=N)
	$(BIN)/python -m tests.torture.resume_matrix
	$(BIN)/python -m pytest tests/torture tests/diagnosis tests/service/test_ray.py --torture -s $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m pytest tests/torture tests/service tests/client tests/cli --torture -s \
		--database postgresql $(if $(SEED),--seed $(SEED))

bench: $(VENV)/dev ## Run the benchmarks beside their peers (one to two hours)
	$(PIP) --editable '.[dev,peers]'
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.client
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.options
	$(BIN)/python -m benchmarks.products --write
	$(BIN)/python -m benchmarks.history
	$(BIN)/python -m benchmarks.scale --write
	$(BIN)/python -m benchmarks.idle
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.training --write
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.two_jobs
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.own_pictures ../shared/data/emoji
	$(BIN)/python -m benchmarks.picture_training
	$(BIN)/python -m benchmarks.tables
	$(BIN)/python -m benchmarks.estimate
	$(BIN)/python -m benchmarks.diagnosis --write
	$(BIN)/python -m benchmarks.serving --write
	$(BIN)/python -m benchmarks.api_processes
	$(BIN)/python -m benchmarks.load --plot benchmarks/load.svg

bench-peers: ## Install the other servers that benchmarks.serving measures, each by itself
	for peer in litserve mlserver bentoml; do \
		$(PYTHON) -m venv .venv-peers/$$peer && \
		.venv-peers/$$peer/bin/python -m pip install --quiet $$peer onnxruntime numpy || exit 1; \
	done

constraints: $(VENV)/dev ## Choose the pinned versions anew
	$(PIP) uv
	$(BIN)/uv pip compile --universal --no-emit-index-url --no-annotate --no-header \
		--extra dev --extra mlflow --extra peers --python-version 3.11 --upgrade --constraint constraints.in \
		--output-file constraints.txt pyproject.toml

clean: ## Remove what the targets made, trained models excepted
	rm -rf $(VENV) .venv-3.* .venv-peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "traind needs Python 3.11 or newer; try: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[api,worker,cli]'
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/run
