# Everything a developer runs. `make` alone lists it.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
PYTHON3 ?= python3
PODS ?= 1000
NODES ?= 8
STAMP := $(VENV)/.installed
LEFT_OUT := .local/tests-left-out.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup check fmt unit test crds chart docs lock test-containers kind cluster-up cluster-down demo demo-down bench helm

help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) \
		| while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## make .venv from requirements.lock (done again only when it changes)

# The stamp comes last, so an interrupted installation is repeated.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON3) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

check: $(STAMP) ## lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP) ## format the code and apply safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

unit: $(STAMP) ## tests that need no cluster
	$(PYTHON) -m pytest -m "not cluster"

# The binaries come first so that a long build is seen: pytest would hide it. If there is no way to
# get them, pytest says what it therefore leaves out.
test: check ## everything: check, then all tests, with a control plane of their own
	-$(PYTHON) -m tools.localcluster binaries
	$(PYTHON) -m pytest
	@cat $(LEFT_OUT)

# Apart from `test`: it needs root, and its netfilter rules hold for the whole machine meanwhile.
test-containers: $(STAMP) ## tests of the images, the waiter and the chart on a real node (root)
	-$(PYTHON) -m tools.localcluster binaries
	GROVE_TEST_CONTAINERS=1 $(PYTHON) -m pytest -s tests/containers
	@cat $(LEFT_OUT)

kind: $(STAMP) ## images, chart and an example on kind; needs Docker
	$(PYTHON) -m tools.kind

crds: $(STAMP) ## write crds/*.yaml from the API models
	$(BIN)/grove-operator crds

chart: $(STAMP) ## write the chart's roles, webhooks, CRDs and settings' schema from the code
	$(PYTHON) -m tools.chart

helm: $(STAMP) ## find or build helm and link it into .local/bin
	$(PYTHON) -m tools.localcluster binaries --with helm

docs: $(STAMP) ## write docs/metrics.md, docs/settings.md and the chart's dashboard from the code
	$(PYTHON) -m tools.metrics_doc
	$(PYTHON) -m tools.settings_doc
	$(PYTHON) -m tools.dashboard

lock: $(STAMP) ## resolve requirements.lock anew
	$(PYTHON) -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --group dev pyproject.toml --python-version 3.11 --universal \
		--generate-hashes --no-header -o requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --python-version 3.11 --universal \
		--generate-hashes --no-header -c requirements.lock -o requirements-image.lock

cluster-up: $(STAMP) ## start a local control plane with NODES simulated GPU nodes
	$(PYTHON) -m tools.localcluster up --nodes $(NODES) --racks 2

cluster-down: $(STAMP) ## remove it
	$(PYTHON) -m tools.localcluster down --all

demo: $(STAMP) ## local cluster, operator and an example, ready to look at
	$(PYTHON) -m tools.demo

demo-down: $(STAMP) ## remove the demo
	$(PYTHON) -m tools.demo --down

bench: $(STAMP) ## measure this operator with PODS pods (default 1000)
	$(PYTHON) -m bench --pods $(PODS)
