PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo

.PHONY: help demo test test-slow check format lint types imports docs bench peers browser clean

help:
	@echo "make demo       install, run the main job on the bundled model, and say where the report is"
	@echo "make test       install and run the tests (six minutes on two cores)"
	@echo "make test-slow  the tests that take longer, such as training the bundled model again"
	@echo "make check      everything that CI runs: format, lint, types, imports, tests, doctests, docs"
	@echo "make bench      timings side by side with the plain way, as ratios"
	@echo "make peers      the libraries that bench compares with, each in an environment of its own"
	@echo "make docs       check every link of the documents and run the README's code"

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: .venv/installed
	@rm -rf $(RUN)
	$(BIN)/tiltmeter study examples/facts.yaml --out $(RUN)

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not hub and not gpu"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m "slow"

format: .venv/installed-dev
	$(BIN)/ruff format --check .

lint: .venv/installed-dev
	$(BIN)/ruff check .

types: .venv/installed-dev
	$(BIN)/mypy

imports: .venv/installed-dev
	$(BIN)/lint-imports

docs: .venv/installed-dev
	$(BIN)/python -m pytest tests/test_documents.py

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.collect
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.lat_against_mean_difference
	$(BIN)/python -m benchmarks.logistic_sweep
	$(BIN)/python -m benchmarks.ccs
	$(BIN)/python -m benchmarks.erasure
	$(BIN)/python -m benchmarks.rlace --part six
	$(BIN)/python -m benchmarks.steering
	$(BIN)/python -m benchmarks.cde
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.dictionaries --part throughput
	$(BIN)/python -m benchmarks.thresholds
	$(BIN)/python -m benchmarks.evidence

peers: .venv/installed-dev
	$(BIN)/python -m benchmarks.peers.install

# The tests that open a page skip where there is no browser; CI must not.
browser:
	@if [ -n "$$CI" ] && ! command -v chromedriver >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium chromium-driver >/dev/null; fi

check: format lint types imports browser test doctest

.PHONY: doctest
doctest: .venv/installed-dev
	$(BIN)/python -m pytest --doctest-modules src

clean:
	rm -rf .venv runs build dist
