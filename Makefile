# DayDreaming on Airflow. `make demo` runs it, `make test` tests it, `make down` stops it.
PYTHON ?= python3
LLM ?= local
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
UV_VERSION := 0.13.9

.PHONY: setup demo test test-browser test-compose test-faults fuzz check format up down bench docs lock secrets audit sbom clean

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

# Both kinds at once: those on one Airflow mostly wait, for the scheduler and for answers. Theirs is the turn
# first, so that no waiting time in them runs out; what they print comes at the end. Integration tests with
# processes of their own are among the others, first of all for they take longest.
test: setup $(VENV)/.demo-installed
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(BIN)/pytest -m "not own_processes" tests/integration >"$$log" 2>&1 & integration=$$!; \
	nice $(BIN)/pytest -n 2 --dist worksteal -m "own_processes or not integration" tests/integration tests/unit tests/dags; unit=$$?; \
	echo "The integration tests:"; wait $$integration; real=$$?; cat "$$log"; \
	exit $$(( unit ? unit : real ))

# Builds the image and runs docker-compose.yaml for real; needs Docker or podman (tests/compose).
test-compose: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-compose.lock
	$(BIN)/pytest -s tests/compose

# Kills processes and servers in the midst of runs; about an hour. FIGURES=docs/reliability.md writes its table.
test-faults: setup
	@command -v redis-server >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || \
	{ echo "Redis is not installed, and only root can: apt-get install redis-server" >&2; exit 1; }
	@command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-faults.lock
	$(BIN)/pytest -s tests/faults

# Tries broken and hostile inputs, and says how many (docs/hostile-input.md). SECONDS is for each target;
# ONLY="yaml template" leaves out the others.
SECONDS ?= 30
fuzz: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-fuzz.lock
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(ONLY),--only $(ONLY))

# Keys and passwords of docker-compose.yaml, made for this deployment; what is set already stays.
secrets:
	@$(PYTHON) deploy/make_secrets.py

# In an environment of its own: the one that is audited stays as it is locked.
$(AUDIT)/.installed: $(VENV)/.installed requirements-audit.lock
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AUDIT)
	$(BIN)/uv pip install --quiet --python $(AUDIT)/bin/python --require-hashes -r requirements-audit.lock
	@touch $@

# Every lock, by PyPI's advisories; fails where they cannot be had. IGNORE="ID ID" for what is of no concern here.
audit: $(AUDIT)/.installed
	@$(AUDIT)/bin/python deploy/audit.py $(if $(IGNORE),--ignore $(IGNORE))

# The bill of materials of requirements.lock, as CycloneDX JSON.
sbom: $(AUDIT)/.installed
	@$(AUDIT)/bin/python deploy/sbom.py --installed $(BIN)/python --output build/sbom.cdx.json

# Our pages in a real browser, which nothing else needs: Debian's Chromium. PICTURES=docs/images takes the
# pictures of the docs anew.
test-browser: setup
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || \
	{ echo "Chromium is not installed, and only root can: apt-get install chromium" >&2; exit 1; }
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	$(BIN)/pytest tests/browser

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python -m tests.bench

# The pages of docs/reference, which are made of the code; a test fails where one is old.
docs: setup
	@$(BIN)/python -m tests.support.references

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-s3.txt -c requirements.lock -o requirements-s3.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-demo.txt -c requirements.lock -o requirements-demo.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-batch.txt -c requirements.lock -o requirements-batch.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-notify.txt -c requirements.lock -o requirements-notify.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-openlineage.txt -c requirements.lock -o requirements-openlineage.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-faults.txt -c requirements-dev.lock -o requirements-faults.lock
	@mkdir -p build # what the image shares with the other locks
	@sed -n 's/^\([a-z0-9][^ ]*==[^\]*[^ \]\) *\\*$$/\1/p' requirements.lock requirements-batch.lock requirements-s3.lock | sort -u >build/constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-deploy.txt -c build/constraints.txt -o requirements-deploy.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-compose.txt -c requirements-dev.lock -o requirements-compose.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-fuzz.txt -c requirements-dev.lock -o requirements-fuzz.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" requirements-audit.txt -o requirements-audit.lock

clean: down
	rm -rf $(VENV) $(AUDIT) .airflow
