# Everything runs in .venv, made on first use and kept. Needs make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml

.PHONY: demo test peers lab lint docs bench notebooks clean

demo: $(VENV)/.ready            ## stream a story from the embedded model in this terminal
	@$(BIN)/nbinfer demo

lab: $(VENV)/.lab               ## open the quickstart in JupyterLab
	@$(BIN)/nbinfer lab

test: $(VENV)/.test             ## all tests, and every notebook
	@$(BIN)/python -m pytest
	@$(BIN)/python -m pytest --nbval-lax --nbval-kernel-name=python3 notebooks

peers: $(VENV)/.test $(VENV)/.peers  ## against servers and clients that need environments of their own (some GB)
	@NBINFER_REQUIRE=jinja,transformers,text-generation $(BIN)/python -m pytest tests/peers

lint: $(VENV)/.lint             ## style, types, layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --package nbinfer
	@$(BIN)/mypy tests/typing/api.py
	@$(BIN)/lint-imports --no-cache

docs: $(VENV)/.docs             ## the documentation, warnings are errors
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.test            ## speed and memory, as ratios measured in one run
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

notebooks: $(VENV)/.lab         ## run the notebooks again and keep their outputs
	@$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

clean:                          ## forget the environment and everything built
	rm -rf $(VENV) build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("nbinfer needs Python 3.11 or newer; try make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@echo "Making the environment in $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: $(SOURCES) | $(VENV)/bin/python
	@echo "Installing nbinfer (once) …"
	@$(PIP) install --upgrade pip
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.lab: $(VENV)/.ready
	@echo "Installing JupyterLab (once) …"
	@$(PIP) install --editable '.[lab]'
	@touch $@

# pip before 25.1 knows no dependency groups, so pip itself is upgraded first.
$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.ready
	@echo "Installing what '$(subst .,,$(notdir $@))' needs (once) …"
	@$(PIP) install --editable . --group $(subst .,,$(notdir $@))
	@touch $@

$(VENV)/.peers: $(wildcard tests/peers/*.txt tests/peers/jinja/*.json) | $(VENV)/bin/python
	@for list in tests/peers/*.txt; do \
		peer=$(VENV)/peers/$$(basename $$list .txt); \
		echo "Making the environment $$peer (once) …"; \
		$(PYTHON) -m venv $$peer && $$peer/bin/python -m pip --disable-pip-version-check --quiet install -r $$list || exit 1; \
	done
	@mkdir -p $(VENV)/peers/jinja/bin && cp tests/peers/jinja/package*.json $(VENV)/peers/jinja
	@npm ci --prefix $(VENV)/peers/jinja --ignore-scripts --no-audit --no-fund --silent
	@ln -sfn "$$(command -v node)" $(VENV)/peers/jinja/bin/node
	@touch $@
