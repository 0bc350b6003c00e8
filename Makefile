# make run            a venv from constraints.txt, then python train.py on the embedded data
# make run ARGS="strategy=lstm"
# make test           the tests, ruff, mypy and who imports whom (WORKERS=8: processes);  make test-slow  the long proofs
# make test-engines   nets trained by TensorFlow, JAX and MLX, in an environment of its own (1.9 GB more)
# make table          docs/table.md: strategies, features and markets with the verdict, four minutes of CPU; goes on where it was stopped
# make site           the documentation, into site/
# make rooms          rooms.dot, a picture of who imports whom
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
ENGINES := .venv-engines

.PHONY: run test test-slow test-engines lint rooms site table clean
run: $(VENV)/.ready
	$(BIN)/python train.py $(ARGS)

test: $(VENV)/.ready-test lint
	@$(BIN)/python -m compileall -q src  # each process that tests start cold would compile it, where no bytecode is written
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow"

test-slow: $(VENV)/.ready-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow

test-engines: $(ENGINES)/.ready-test
	for engine in tensorflow jax mlx; do \
	  BARWISE_ENGINE=$$engine OMP_NUM_THREADS=1 $(ENGINES)/bin/python -m pytest -q tests/strategies/test_engines.py \
	    tests/strategies/test_engine_runs.py || exit 1; \
	done

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

rooms: $(VENV)/.ready-test
	$(BIN)/import-linter drawgraph barwise --show-module-counts > rooms.dot
	@echo "rooms.dot: who imports whom; dot -Tsvg rooms.dot -o rooms.svg, or any viewer of Graphviz files"

table: $(VENV)/.ready-test
	OMP_NUM_THREADS=1 $(BIN)/python -m barwise benchmark table --page docs/table.md

site: $(VENV)/.ready-docs
	$(BIN)/zensical build --clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

$(ENGINES)/.ready-test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test,tensorflow,jax,mlx]'
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) $(ENGINES)
