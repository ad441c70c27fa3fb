# `make demo` and `make test` are all that a fresh machine with Python and make needs.
# Another interpreter: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test coverage lint docs pictures links compare speed speed-load selftest classify-campaign clean

demo: $(VENV)/demo
	@$(BIN)/threadserver demo

test: $(VENV)/test
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile -m "not long" $(TESTS)

# All tests, the long ones too, and how much of the code they run, in every process: about a quarter of an hour.
coverage: $(VENV)/test
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --numprocesses 4 --dist loadfile
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Write the reference of all commands from their help texts.
docs: $(VENV)/demo
	@$(BIN)/python docs/reference.py docs/commands.md

# Draw the pictures of the documents from a real run.
pictures: $(VENV)/demo
	@$(BIN)/python docs/draw.py docs/pictures

# Compare all models and well-known servers at length: on idle cores about three quarters of an hour.
compare: $(VENV)/test
	@$(BIN)/threadserver compare $$($(BIN)/python -m threadserver.comparison.contestants) --rounds 10 --output comparison

# Measure against socketserver and a bare loop: the table in docs/measurements.md. About ten minutes, on two idle cores.
speed: $(VENV)/test
	@$(BIN)/python -m tests.speed

# Judge everything that the labs ship, alone and beside four busy processes, and the solutions fifty times: an hour.
selftest: $(VENV)/test
	@$(BIN)/python -m tests.judge.campaign

# Check the load generator against an independent one in C. About five minutes, on two idle cores; needs gcc.
speed-load: $(VENV)/test
	@$(BIN)/python -m tests.speed.load

# Classify every known server twenty times, alone and then with two busy processes beside: some two hours, idle.
classify-campaign: $(VENV)/test
	@$(BIN)/python -m tests.inspection.campaign -n 20
	@$(BIN)/python -m tests.inspection.campaign -n 20 --busy 2

# Some zip programs drop links or unpack them as text. Without them threadserver.clients and threadserver.labs are missing.
links:
	@for name in clients labs; do test -d threadserver/$$name || ln -sfn ../$$name threadserver/$$name; done

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis demo/

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "threadserver needs Python 3.11 or later: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv: apt install python3-venv (Debian, Ubuntu), then again"; exit 1; }
	@echo "making a virtual environment in $(VENV) and installing what is needed: once, some ten seconds"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo: $(VENV)/python setup.cfg pyproject.toml | links
	@$(PIP) install --editable .
	@touch $@

$(VENV)/test: $(VENV)/python setup.cfg pyproject.toml | links
	@$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/demo

$(VENV)/lint: $(VENV)/test
	@$(PIP) install --editable '.[test,lint]'
	@touch $@
