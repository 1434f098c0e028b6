# DayDreaming on Airflow. `make demo` runs it, `make test` tests it, `make down` stops it.
PYTHON ?= python3
LLM ?= local
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

.PHONY: setup demo test check format up down bench lock clean

# Installed anew only where a lock has changed since. Compiled at once: each task is a process of its
# own, and where PYTHONDONTWRITEBYTECODE is set each would compile what it imports.
setup: $(VENV)/.installed

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed; got {v.major}.{v.minor}. Set PYTHON, e.g. make setup PYTHON=python3.12.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q include dags plugins
	@touch $@

# The demo model is an extra: without it the demo says so and uses the simulator.
$(VENV)/.demo-installed: $(VENV)/.installed requirements-demo.lock
	-$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-demo.lock && touch $@

demo: setup
ifeq ($(LLM),local)
	@$(MAKE) --no-print-directory $(VENV)/.demo-installed
endif
	@$(BIN)/daydreaming demo --llm $(LLM)

up: setup
	@$(BIN)/daydreaming up

down: setup
	@$(BIN)/daydreaming down

# Both kinds at once: those with real processes mostly wait, for the scheduler and for answers. Theirs is
# the turn first, so that no waiting time in them runs out; what they print comes at the end.
test: setup $(VENV)/.demo-installed
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(BIN)/pytest tests/integration >"$$log" 2>&1 & integration=$$!; \
	nice $(BIN)/pytest -n 2 tests/unit tests/dags; unit=$$?; \
	echo "The integration tests:"; wait $$integration; real=$$?; cat "$$log"; \
	exit $$(( unit ? unit : real ))

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python -m tests.bench

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-demo.txt -c requirements.lock -o requirements-demo.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-batch.txt -c requirements.lock -o requirements-batch.lock

clean: down
	rm -rf $(VENV) .airflow
