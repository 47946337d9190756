PYTHON ?= python3
BIN := .venv/bin
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile
RUN := runs/demo

.PHONY: help demo test test-long test-slow check format lint types imports docs site bench peers browser clean wheel minimal newest

help:
	@echo "make demo       install, run the main job on the bundled model, and say where the report is"
	@echo "make test       install and run the tests (four minutes on two cores)"
	@echo "make test-long  the tests that take a second or more each (four minutes as well)"
	@echo "make test-slow  the tests that take longer, such as training the bundled model again"
	@echo "make check      everything that CI runs: format, lint, types, imports, tests, doctests, docs"
	@echo "make bench      timings side by side with the plain way, as ratios"
	@echo "make peers      the libraries that bench compares with, each in an environment of its own"
	@echo "make wheel      build wheel and sdist, install the wheel in a clean environment, run the demo from it"
	@echo "make minimal    the smoke tests with the lowest versions that are allowed"
	@echo "make newest     the smoke tests with the newest versions there are"
	@echo "make docs       follow the tutorials as a reader would; build the site and try its links and its search"
	@echo "make site       the documents as a site that opens from the disk: site/index.html"

.venv/bin/python:
	$(PYTHON) -m venv .venv
	@echo "PyTorch and the rest come into .venv, more than 1 GB; this takes minutes, once, and says nothing meanwhile"

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "what tests and documents need comes into .venv too; this takes a minute or more, once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: .venv/installed
	@rm -rf $(RUN)
	$(BIN)/tiltmeter study examples/facts.yaml --out $(RUN)

test: .venv/installed-dev
	$(TESTS) -m "not long and not slow and not docs and not hub and not gpu"

test-long: .venv/installed-dev
	$(TESTS) -m "long and not slow and not docs and not hub and not gpu"

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup -m "docs and not slow" tests/docs tests/test_tutorials.py tests/test_docs_site.py

# The theme's note on its successor is not for whoever builds a site.
site: .venv/installed-dev
	@echo "building the site; every page is read and every link tried, which takes a minute or more"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean
	@echo "$(CURDIR)/site/index.html"

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

# What a release is made of. Each has an environment of its own, made anew.
wheel:
	rm -rf dist .venv-build
	$(PYTHON) -m venv .venv-build
	.venv-build/bin/python -m pip install --quiet --disable-pip-version-check build
	.venv-build/bin/python -m build --outdir dist .
	$(PYTHON) -m venv --clear .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	release/try_wheel.sh .venv-wheel

# by name, for other files of tests need what the extras bring
SMOKE = -m pytest -q -m smoke -p no:cacheprovider $$(grep -rl --include="*.py" "pytest.mark.smoke" tests)
SMOKE_NEEDS = pytest hypothesis beartype

minimal:
	$(PYTHON) -m venv --clear .venv-minimal
	.venv-minimal/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-minimal.txt . $(SMOKE_NEEDS)
	@# what newer releases of other libraries say of the old ones is no news
	OMP_NUM_THREADS=1 .venv-minimal/bin/python $(SMOKE) -W ignore::DeprecationWarning -W ignore::FutureWarning

# PyTorch stays the one of constraints.txt: a newer one brings gigabytes of libraries for GPUs
newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check \
		$$(grep '^torch==' constraints.txt) . $(SMOKE_NEEDS)
	OMP_NUM_THREADS=1 .venv-newest/bin/python $(SMOKE)

# The tests that open a page skip where there is no browser; CI must not.
browser:
	@if [ -n "$$CI" ] && ! command -v chromedriver >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium chromium-driver >/dev/null; fi

check: format lint types imports browser test test-long docs doctest

.PHONY: doctest
doctest: .venv/installed-dev
	$(BIN)/python -m pytest --doctest-modules src

clean:
	rm -rf .venv .venv-build .venv-wheel .venv-minimal .venv-newest runs build dist site
