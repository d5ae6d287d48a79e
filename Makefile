# Each alone on a fresh machine with Python 3.11 or newer:
#   make run    the calibration report of the shipped catalog (report.html in runs/)
#   make test   style, types and tests, in minutes; make test-slow: the tests that take longer
#   make docs   the documentation as a site (build/site/index.html)
#   make dist-check   wheel and sdist, built and used away from the clone
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A Linux machine without an NVIDIA GPU takes the pinned CPU build of torch; every other machine chooses freely.
CONSTRAINT := $(shell [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 && echo "-c constraints.txt")

# Commands start many processes: each reads compiled code, whatever the environment says of writing it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow docs dist-check setup clean
setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINT) -e '.[dev,docs,gguf]'
	@touch $@

run: setup
	$(BIN)/python -m benchmark run

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -n 2 -m slow

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/docs docs build/site
	@echo "build/site/index.html"

dist-check: setup
	$(BIN)/python -m tests.distribution

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
