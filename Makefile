# Each alone on a fresh machine with Python 3.11 or newer:
#   make run    the calibration report of the shipped catalog (report.html in runs/)
#   make test   style, types and tests, in minutes; make test-thorough and make test-slow: the tests that take longer
#   make docs   the documentation as a site (build/site/index.html)
#   make dist-check   wheel and sdist, built and used away from the clone
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A Linux machine without an NVIDIA GPU takes the pinned CPU build of torch; every other machine chooses freely.
CONSTRAINT := $(shell [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 && echo "-c constraints.txt")

# Commands start many processes: each reads compiled code, whatever the environment says of writing it.
unexport PYTHONDONTWRITEBYTECODE

# `make LOCK=requirements/ci.lock …` installs exactly the packages of that file, each by its hash.
LOCK :=

.PHONY: run test test-thorough test-slow docs dist-check lock setup clean
setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
ifdef LOCK
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINT) -e '.[dev,docs,gguf]'
endif
	@touch $@

run: setup
	$(BIN)/python -m benchmark run

# Types are checked beside the tests, on what these leave of two cores, and told at the end.
test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build
	@$(BIN)/mypy >build/types.txt 2>&1 & types=$$!; \
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not thorough"; tests=$$?; \
	wait $$types; types=$$?; cat build/types.txt; exit $$((tests || types))

test-thorough: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "thorough and not slow"

test-slow: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/docs docs build/site
	@echo "build/site/index.html"

dist-check: setup
	$(BIN)/python -m tests.distribution

# Needs uv, and an index that has the CPU build of torch (UV_FIND_LINKS or UV_INDEX).
lock:
	uv pip compile pyproject.toml --extra dev --extra docs --extra gguf --constraints constraints.txt --upgrade \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --output-file requirements/ci.lock

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
