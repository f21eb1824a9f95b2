# The commands of the house. A fresh clone needs Python >= 3.10 and this file; the rest is brought along.
#
#   make lab      JupyterLab with the Compute panel, on this computer
#   make test     every test: TypeScript, Python, browser
#   make check    every linter and type checker
#   make fix      what the linters can mend by themselves
#   make clouds   the simulated clouds, for JupyterLab or any client to point at
#   make conformance  clients of clouds that others have written, against the simulated clouds
#   make bench    the benchmarks, one JSON line each
#   make dist     a wheel and an sdist in dist/, which install without node
#   make clean    as cloned
#
# Wishes: PYTHON=python3.12   LAB_ARGS="--port 8890"   PYTEST_ARGS="-k carriers"
#         WORKERS=0           one test after the other, in one process (auto, without it: a few at a time)
#         BENCH=roundtrip,start (all, without it)
#         ALLOW_MISSING=1     run what can be run where chromium or sshd cannot be installed

PYTHON ?= python3
WORKERS ?= auto
VENV := .venv
STAMPS := $(VENV)/stamps
BUNDLE := jupyter_gpu_bridge/labextension
PACKAGES := labextension/node_modules/.yarn-state.yml
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SIDEBAR := $(shell find labextension/src labextension/style labextension/schema -type f -not -path '*/__tests__/*' 2>/dev/null) \
	labextension/package.json labextension/yarn.lock labextension/tsconfig.json
TYPED := $(wildcard jupyter_gpu_bridge tests benchmarks)

.DEFAULT_GOAL := help
.PHONY: help lab test clouds conformance test-python test-typescript check check-python check-typescript fix bench dist clean
.DELETE_ON_ERROR:

help:
	@sed -n '3,15s/^# \{0,1\}//p' Makefile

lab: $(STAMPS)/installed
	@scripts/lab.sh $(LAB_ARGS)

test: test-typescript test-python # Python last: its closing line sums up

test-typescript: $(PACKAGES)
	cd labextension && jlpm test

test-python: $(STAMPS)/installed $(STAMPS)/tools
	@scripts/test_programs.sh
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

clouds: $(STAMPS)/installed $(STAMPS)/tools
	@$(VENV)/bin/python -m tests.clouds.all

conformance: $(STAMPS)/tools
	@scripts/conformance.sh $(PYTHON) $(VENV)/conformance
	$(VENV)/bin/python -m pytest -n 0 tests/conformance $(PYTEST_ARGS)

check: check-python check-typescript

check-python: $(STAMPS)/tools
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy $(TYPED)
	$(VENV)/bin/lint-imports --no-logo

check-typescript: $(PACKAGES)
	cd labextension && jlpm lint

fix: $(STAMPS)/tools $(PACKAGES)
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .
	cd labextension && jlpm fix

bench: $(STAMPS)/installed $(STAMPS)/tools
	$(VENV)/bin/python -m benchmarks.peers
	$(VENV)/bin/python -m benchmarks $(if $(BENCH),--only $(BENCH)) $(BENCH_ARGS)

# A bundle left from development would be packed as it is, source maps and all; so it goes first.
dist: $(STAMPS)/node
	rm -rf dist $(BUNDLE)
	$(VENV)/bin/python -m pip install --quiet build
	$(VENV)/bin/python -m build

clean:
	rm -rf $(VENV) $(BUNDLE) dist labextension/lib labextension/node_modules labextension/*.tsbuildinfo

# What has been done is remembered in stamps, so that doing it again costs nothing. ----------------------------------

$(STAMPS)/venv:
	@scripts/make_venv.sh $(PYTHON) $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/node: $(STAMPS)/venv
	@scripts/bring_node.sh $(VENV)
	@touch $@

# The install builds the sidebar. It keeps a bundle that is there, however old; so the old one goes first.
$(STAMPS)/installed: pyproject.toml install.json $(wildcard jupyter-config/*/*) $(SIDEBAR) | $(STAMPS)/node
	@echo "Installing JupyterLab and the sidebar into $(VENV): two to three minutes the first time"
	@rm -rf $(BUNDLE)
	@$(VENV)/bin/python -m pip install --quiet --editable '.[lab]'
	@touch $@

$(STAMPS)/tools: pyproject.toml | $(STAMPS)/installed
	$(VENV)/bin/python -m pip install --quiet --editable '.[lab,test,check]'
	@touch $@

$(PACKAGES): labextension/package.json labextension/yarn.lock | $(STAMPS)/installed
	cd labextension && jlpm install
	@touch $@
