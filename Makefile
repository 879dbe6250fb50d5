# make run     start the service and print a first explanation (installs what it needs, once)
# make test    the fast test suite                                   make test-all   every test
# make test-browser   the pages in a real Chromium (Debian: chromium fonts-noto-cjk)
# make test-clients   client libraries (KServe, Triton, MLflow, Ray, …) and what reads deploy/ (Helm,
#              PromQL), each in an environment of its own
# make check   lint, format, types, import contracts, then the tests
# make sanitize   the oracle's tests of trees and networks, with the search compiled to watch its memory
# make lock    rewrite requirements/*.txt (UPGRADE=1: newest versions)
# make sbom    what the image installs, as CycloneDX: dist/ifonly.cdx.json
# make audit   known advisories against the lock (asks api.osv.dev)
#
# Tests run on all cores; PYTEST_ARGS='-n 0' runs them in one process (for a debugger).
# PYTHON=python3.12 picks the interpreter, VENV=dir the place, PYTEST_ARGS='-k name' the tests.
# Nothing but make, a Python >=3.11,<3.14 with venv, and pip's usual registry is assumed.

PYTHON ?=
VENV ?= .venv
PYTEST_ARGS ?=
CLIENTS := deploy events kserve mlflow mlserver openapi ray tritonclient
# A file's tests stay in one process: they share the services and databases that it starts. Some wait
# for these rather than compute: three processes for two cores.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$(((3 * n + 1) / 2)))
# In our own order, the longest first: xdist's has those of most tests first.
PYTEST := python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet
BUILD_FILES := pyproject.toml requirements/build.txt requirements/compiler.txt hatch_build.py \
    $(wildcard explainers/native/*.hpp explainers/native/*.cpp)
# The search is compiled as the project is installed; where no compiler is found, one is installed.
INSTALL_PROJECT = { $(BIN)/python hatch_build.py --compiler >/dev/null || \
    $(INSTALL) --require-hashes -r requirements/compiler.txt; } && \
    $(INSTALL) --no-build-isolation --no-deps --editable .

.DELETE_ON_ERROR:
.PHONY: help run test test-browser clients test-clients test-ci test-all check lint format sanitize lock audit sbom clean docker-steps FORCE

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

run: $(VENV)/.run
	$(BIN)/ifonly run

test: $(VENV)/.test
	$(BIN)/$(PYTEST) -m "not slow and not browser" $(PYTEST_ARGS)

# What `.ci/run` runs, in a quarter of an hour. Client libraries are among them: their tests wait for
# processes that start, and others run meanwhile.
test-ci: $(VENV)/.test clients
	IFONLY_CLIENTS=$(VENV)-clients $(BIN)/$(PYTEST) -m "not browser and not long" $(PYTEST_ARGS)
	$(BIN)/$(PYTEST) -m browser tests/browser $(PYTEST_ARGS)

test-browser: $(VENV)/.test
	$(BIN)/$(PYTEST) -m "browser and not slow" tests/browser $(PYTEST_ARGS)

# Apart: a browser's driver keeps an event loop running in its process.
test-all: $(VENV)/.test
	$(BIN)/$(PYTEST) -m "not browser" $(PYTEST_ARGS)
	$(BIN)/$(PYTEST) -m browser tests/browser $(PYTEST_ARGS)

# Their environments alone: pip waits for its registry, so that something else may run beside it.
clients: $(CLIENTS:%=$(VENV)-clients/%/.ready)

test-clients: $(VENV)/.test clients
	IFONLY_CLIENTS=$(VENV)-clients $(BIN)/python -m pytest -m clients tests/integration/clients $(PYTEST_ARGS)

check: lint test

lint: $(VENV)/.test
	$(BIN)/python -m pip check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

sanitize: $(VENV)/.test
	.ci/sanitize.sh $(BIN)/python build/sanitized $(PYTEST_ARGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock:
	python=$$(.ci/find-python.sh "$(PYTHON)") && .ci/lock.sh "$$python"

audit:
	python=$$(.ci/find-python.sh "$(PYTHON)") && .ci/audit.sh "$$python" $(VENV)-audit

sbom:
	python=$$(.ci/find-python.sh "$(PYTHON)") && .ci/sbom.sh "$$python" $(VENV)-sbom dist/ifonly.cdx.json

docker-steps:
	python=$$(.ci/find-python.sh "$(PYTHON)") && "$$python" .ci/docker_steps.py

clean:
	rm -rf $(VENV) $(VENV)-audit $(VENV)-sbom $(VENV)-clients build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp says: these locks are installed here. The run set is a part of the test set, the same
# versions, so either may be installed on top of the other.
$(VENV)/.run: $(BIN)/python requirements/run.txt $(BUILD_FILES)
	@echo "ifonly: installing what the service needs into $(VENV) (once)"
	$(INSTALL) --require-hashes -r requirements/run.txt -r requirements/build.txt
	$(INSTALL_PROJECT)
	@touch $@

$(VENV)/.test: $(BIN)/python requirements/run.txt requirements/test.txt $(BUILD_FILES)
	@echo "ifonly: installing what the tests need into $(VENV) (once, some minutes)"
	$(INSTALL) --require-hashes -r requirements/test.txt -r requirements/build.txt
	$(INSTALL_PROJECT)
	@touch $(VENV)/.run $@

# Each client's own dependencies, which would hold ours back.
$(VENV)-clients/%/.ready: requirements/clients/%.txt $(BIN)/python
	@echo "ifonly: installing the client $* (once)"
	$(BIN)/python -m venv --clear $(VENV)-clients/$*
	$(VENV)-clients/$*/bin/python -m pip --disable-pip-version-check --no-input install --quiet \
	    --require-hashes -r $<
	@touch $@

# Another PYTHON than the one the venv was made with: make it anew.
ifneq ($(PYTHON),)
ifneq ($(PYTHON),$(shell cat $(VENV)/.asked 2>/dev/null))
$(BIN)/python: FORCE
endif
endif

$(BIN)/python:
	@python=$$(.ci/find-python.sh "$(PYTHON)") && \
	    echo "ifonly: making $(VENV) with $$python" && \
	    "$$python" -m venv --clear $(VENV)
	@echo "$(PYTHON)" > $(VENV)/.asked
