# `make` alone prints the targets.
.DEFAULT_GOAL := help
.PHONY: help setup explain test test-quick same lint notebooks book pdf linkcheck app lab bench record verify ledger train clean vendor a11y html-check

PROFILE ?= embedded
BASE ?= HEAD
SAMPLES ?= 1
BIN := .venv/bin

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.synced ## Make .venv from the lock file, with all extras; needs python3 and the package index alone

.venv/.synced: uv.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "segattr needs Python 3.11 or newer; python3 is " + sys.version.split()[0])'
	test -x $(BIN)/uv || { python3 -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check uv; }
	$(BIN)/uv sync --frozen --all-extras --compile-bytecode --quiet
	@touch $@

explain: setup ## Explain a photograph, or a folder of them: make explain PHOTO=photo.jpg, then open explained/index.html
	$(BIN)/segattr explain $(PHOTO) $(EXPLAIN)

test: setup ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test-quick: setup ## Run the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

same: setup ## Execute the smoke profile here and at the commit BASE, and compare all rows and cells
	$(BIN)/python tests/same.py --base $(BASE) $(SAME)

lint: setup ## Check format, style, types and what imports what
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

notebooks: setup ## Execute the notebooks of PROFILE (embedded, smoke or paper) into book/executed
	$(BIN)/python -m segattr_lib execute --profile $(PROFILE)

book: setup vendor notebooks ## Execute the notebooks of PROFILE and build the book into _build/html
	$(BIN)/jupyter-book build . -n -W --keep-going
	@echo "Read it at _build/html/index.html"

vendor: setup
	$(BIN)/python book/vendor.py
	$(BIN)/python book/live_assets.py

pdf: setup vendor notebooks ## Print the whole book, as PROFILE makes it, into _build/segattr.pdf; needs Chromium
	$(BIN)/python book/pdf.py

linkcheck: book ## Check every link of the book; those that leave it where there is internet
	$(BIN)/python book/links.py

html-check: setup ## Check the built book: ids, nesting, alternative texts, links, weight; with java by the HTML validator, too
	@test -f _build/html/index.html || { echo "The book is not built: make book builds it."; exit 1; }
	-$(BIN)/python book/vendor.py checks
	$(BIN)/python -m pytest tests/test_built_book.py -k "whole or bars or weighs or raw or validator or role"

a11y: setup ## Check every page of the built book by axe-core in Chromium, light and dark, and that it needs no network
	@test -f _build/html/index.html || { echo "The book is not built: make book builds it."; exit 1; }
	$(BIN)/python book/vendor.py checks
	$(BIN)/python -m pytest tests/test_built_book.py -k "reader or network"

app: setup ## Open the explorer as a page of its own, in a browser; APP="-p model=... --port 8866" for settings
	$(BIN)/python book/app.py $(APP)

lab: setup ## Open the notebooks in JupyterLab, with a live kernel for the explorer
	$(BIN)/python -m segattr_lib generate
	$(BIN)/jupyter lab build/notebooks

bench: setup ## Time all beside the same work by other packages (minutes, quiet machine) into book/evidence/bench.json
	$(BIN)/python -m tests.bench $(BENCH)

record: setup ## Do the recorded run NAME of params/recorded.yaml into book/evidence; gone on with where it stopped, ROOT=where VOC lies
	OMP_NUM_THREADS=1 $(BIN)/python -m segattr_lib record $(NAME) $(if $(ROOT),-p root=$(ROOT))

verify: setup ## Compute SAMPLES samples of every record again and compare; K=of several k this one; ROOT=where VOC lies
	OMP_NUM_THREADS=1 $(BIN)/python -m segattr_lib verify $(NAME) --samples $(SAMPLES) $(if $(K),--k $(K)) $(if $(ROOT),-p root=$(ROOT))

ledger: setup ## Write the ledger's table into README.md and index.md anew, and the crates of book/evidence, from its records
	$(BIN)/python book/ledger.py

train: setup ## Train the embedded models anew (hours on 2 cores); SUITE=benchmark, arcc, in_domain or wsss, PROFILE=paper for the paper's
	$(BIN)/python -m segattr_lib train --profile $(PROFILE) $(if $(SUITE),--suite $(SUITE))

clean: ## Remove what was built: book, notebooks, results
	rm -rf _build build book/executed results
