# Every target sets itself up. Data root, release version and port may be given:
#   make release DATA=/somewhere VERSION=0.2.0
#   make backup BACKUPS=s3://bucket/prefix
DATA ?= data
VERSION ?= 0.1.0
PORT ?= 8501
# Folder or s3://BUCKET/PREFIX of the backups.
BACKUPS ?= backups
PYTHON ?= python3
# Index of PyTorch's CPU builds, for a machine without a GPU (README.md, Start).
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: release validate portal backup restore-drill test suite test-fast lint bench schema-lock clean help

help:
	@echo "make release   mock survey, every stage, release $(VERSION) below $(DATA)/"
	@echo "make portal    show the newest release in the browser, port $(PORT)"
	@echo "make test      lint, types and every test"
	@echo "make validate  check the release"
	@echo "make backup    models, ledger and releases to $(BACKUPS); make restore-drill proves them"
	@echo "make bench     measurements against named alternatives"

# Extras as they stand in pyproject.toml.
EXTRAS := pipeline,release,portal,tune,tracking,export,dev
export TORCH_INDEX

$(READY): constraints.txt pyproject.toml deploy/install-dependencies.sh
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	deploy/install-dependencies.sh $(BIN)/python $(EXTRAS)
	$(BIN)/pip install -qq --build-constraint constraints.txt --no-deps -e .
	@touch $@

release: $(READY)
	$(BIN)/qad run --source mock --root $(DATA) --version $(VERSION)
	$(BIN)/qad release validate $(DATA)/releases/$(VERSION)
	@echo
	@echo "Release:  $(DATA)/releases/$(VERSION)  (README.md says what is in it and how to open it)"
	@echo "Next:     make portal                                shows it in the browser"
	@echo "          $(BIN)/qad status --root $(DATA)           says where every row went"
	@echo "          $(BIN)/qad run --source TREE --root DIR --version X.Y.Z   does the same for DESI spectra"

validate: $(READY)
	$(BIN)/qad release validate $(DATA)/releases/$(VERSION)

portal: $(READY)
	$(BIN)/qad portal $(DATA) --port $(PORT)

backup: $(READY)
	$(BIN)/qad backup $(BACKUPS) --root $(DATA)

# The latest backup as a root of its own, every release of it checked, and away again.
restore-drill: $(READY)
	rm -rf build/restored
	$(BIN)/qad restore $(BACKUPS) --root build/restored
	for release in build/restored/releases/*/; do $(BIN)/qad release validate $$release || exit 1; done
	rm -rf build/restored

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# mypy takes one core for a minute and a half.
test: $(READY)
	$(MAKE) -j 2 lint suite

# More workers than cores: many tests wait for a server. Each process that they start would compile
# the project anew where Python is told not to keep bytecode.
suite: $(READY)
	$(BIN)/python -m compileall -qq catalog_schema pipeline release portal
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

test-fast: $(READY)
	$(BIN)/pytest -m "not slow"

# Each prints ratios against named alternatives, measured in the same run; other people's tools only
# where QAD_BENCH_PYTHON names the python of an environment that has them (docs/performance.md).
bench: $(READY)
	$(BIN)/python benchmarks/read_coadd.py
	$(BIN)/python benchmarks/resample.py
	$(BIN)/python benchmarks/chain.py
	$(BIN)/python benchmarks/lake_layout.py
	$(BIN)/python benchmarks/dr1_plan.py
	$(BIN)/python benchmarks/stream_catalogue.py
	$(BIN)/python benchmarks/dr1_rehearsal.py --rows 50000 --shards 400 --sources 1000000
	$(BIN)/python benchmarks/training_windows.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/recall.py
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/calibration.py --surveys 10
	$(BIN)/python benchmarks/classify.py
	$(BIN)/python benchmarks/crossmatch.py
	$(BIN)/python benchmarks/build_release.py
	$(BIN)/python benchmarks/portal_queries.py

schema-lock: $(READY)
	$(BIN)/python -m catalog_schema.lock

clean:
	rm -rf build *.egg-info .mypy_cache .ruff_cache
