# Everything a developer does here, with Python >= 3.11, git and make only. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint format types docs docs-serve wheel bench clean
# Without its bytecode every start of `lin` would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
# mkdocs tells its users about its successor at each build.
export NO_MKDOCS_2_WARNING := 1

BIN := .venv/bin
PYTEST_ARGS ?= -n auto -r s

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Run the whole way on 336,776 real flights: put, split, train, evaluate, trace, ask
	@./.ci/environment demo
	@$(BIN)/python demo/demo.py

test: ## Set up all that the tests need, and run them (PYTEST_ARGS="-k store" to choose)
	@./.ci/environment all
	$(BIN)/pytest $(PYTEST_ARGS)

coverage: ## Run the tests and print which branches they leave out
	@./.ci/environment all
	$(BIN)/pytest -n auto --cov --cov-report=term

lint: ## Check style, formatting and the layers
	@./.ci/environment all
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: ## Format the code and correct what can be corrected by itself
	@./.ci/environment all
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

types: ## Check the types, with mypy and pyright
	@./.ci/environment all
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: ## Build the documentation into site/, warnings as errors
	@./.ci/environment all
	$(BIN)/mkdocs build --strict

docs-serve: ## Serve the documentation while writing it
	@./.ci/environment all
	$(BIN)/mkdocs serve

wheel: ## Build sdist and wheel into dist/, and try the wheel in an environment of its own
	@./.ci/environment all
	@./.ci/wheel

bench: ## Measure against cp and plain BLAKE3 (BENCH_ARGS="--smoke" for a short one)
	@./.ci/environment all
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean: ## Remove everything that is made here, environments included
	rm -rf .venv .tools .nox dist build site demo/work benchmarks/results .coverage* coverage.xml
	rm -f lineage/tables/_kernel.*
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
