# Every target sets up what it needs, in .venv of this folder, and says what it does. A second run is fast.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

NEEDS_CUDA := $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || \
	{ echo "this needs a CUDA device, and PyTorch sees none here: see benchmarks/GPU.md" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-gpu check format lint types e2e e2e-nvim e2e-vscode vsix vscode-check train-debug \
	train-embedded ladder bench-model bench-int8 bench-engine bench-gpu bench-trainer bench-replay bench-drafts \
	bench-recall bench-suggestions bench-personal bench-vscode clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(SETUP) ## make .venv with everything Python needs

$(SETUP): pyproject.toml constraints.txt
	@echo "== setting up Python in $(VENV) (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Parrotlet needs Python 3.10 or later; choose one with: make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "this Python has no venv module; install it with: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(SETUP) ## the embedded model completes Python, on this machine
	@examples/demo.sh $(BIN)/parrotlet

test: $(SETUP) ## all tests but those in real editors
	@echo "== tests (the editors' own run by: make e2e)"
	$(BIN)/python -m pytest -m 'not e2e and not gpu'

test-gpu: $(SETUP) ## the tests that need a CUDA device
	@$(NEEDS_CUDA)
	@echo "== tests on the GPU (about a minute)"
	$(BIN)/python -m pytest -m gpu

check: format lint types test ## format, lint, types, tests

format: $(SETUP) ## format the Python
	$(BIN)/ruff format .

lint: $(SETUP) ## lint the Python, and check its format
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(SETUP) ## mypy, strict
	$(BIN)/mypy

e2e: e2e-nvim e2e-vscode ## ghost text in the real Neovim and the real VS Code workbench

e2e-nvim: $(SETUP)
	@echo "== end to end: Neovim 0.12"
	tests/e2e/nvim/run.sh

e2e-vscode: $(SETUP)
	@echo "== end to end: the VS Code workbench in a headless browser"
	tests/e2e/vscode/run.sh

vscode-check: ## types, lint and unit tests of the VS Code extension
	cd vscode-extension && npm ci --silent --no-audit --no-fund --ignore-scripts && npm run --silent check

vsix: ## build the VS Code extension as a VSIX
	cd vscode-extension && npm ci --silent --no-audit --no-fund --ignore-scripts && npm run --silent package

train-debug: $(SETUP) ## the whole training chain on a small corpus, under two minutes
	@echo "== the whole chain on the debug recipe: corpus, tokenizer, pack, fit, export, evaluate, card"
	$(BIN)/parrotlet-train run --recipe debug --run runs/debug

ladder: $(SETUP) ## bigrams, a recurrent network and GPT-2s compared on the standard library, under 15 minutes
	@echo "== the ladder: table, JSON and plot in runs/ladder"
	$(BIN)/parrotlet-train ladder --run runs/ladder

train-embedded: $(SETUP) ## train the embedded model again, about five hours on two cores
	$(BIN)/parrotlet-train run --recipe embedded-cpu --run runs/embedded
	$(BIN)/parrotlet-train run --recipe embedded-more --run runs/embedded-more --set model.pretrained=runs/embedded/bundle
	$(BIN)/parrotlet-train run --recipe embedded-more --run runs/embedded-again \
		--set model.pretrained=runs/embedded-more/bundle --set seed=3 \
		--set fit.minutes=78 --set fit.learning_rate=3e-3 --set fit.schedule=linear

bench-model: $(SETUP) ## the embedded model's figures; BENCHMARKS=DIR with HumanEval's files, FULL=--full for all of it
	$(BIN)/python -m benchmarks.model $(if $(BENCHMARKS),--benchmarks $(BENCHMARKS)) $(FULL)

bench-int8: $(SETUP) ## what int8 costs in bits per byte; MODEL=RUN/bundle, with the weights before they were quantised
	$(BIN)/python -m benchmarks.int8 $(if $(MODEL),--model $(MODEL))

bench-engine: $(SETUP) ## our engine beside transformers, llama.cpp and CTranslate2, on this machine
	$(BIN)/python -m benchmarks.engine.install
	$(BIN)/python -m benchmarks.engine

bench-gpu: $(SETUP) ## our engine beside transformers on a GPU, and what decoding cannot beat there
	$(BIN)/python -m benchmarks.gpu

bench-recall: $(SETUP) ## what the memory of one's own code is worth, and whether its constants still hold
	$(BIN)/python -m benchmarks.recall

bench-drafts: $(SETUP) ## what guessing ahead saves, and whether its constants still hold
	$(BIN)/python -m benchmarks.drafts

bench-trainer: $(SETUP) ## the trainer's stages beside their peers, on this machine
	$(BIN)/python -m benchmarks.trainer

bench-personal: $(SETUP) ## what training on REPOS="a b c" brings, by each way to tune (METHODS=full,blocks,lora): 10 minutes each
	@test -n "$(REPOS)" || { echo 'name repositories: make bench-personal REPOS="~/code/a ~/code/b"' >&2; exit 1; }
	$(BIN)/python -m benchmarks.personal $(REPOS) $(if $(METHODS),--methods $(METHODS))

bench-replay: $(SETUP) ## how many keystrokes of a typing session find their prompt read already
	$(BIN)/python -m benchmarks.replay

bench-suggestions: $(SETUP) ## what suggestions save somebody who types, and what each rule is worth (half an hour)
	$(BIN)/python -m benchmarks.suggestions

bench-vscode: $(SETUP) ## what the VS Code extension adds to the server's answer, in the real workbench
	$(BIN)/python -m benchmarks.vscode

clean: ## remove what the targets made, but no trained model
	rm -rf $(VENV) .bench .e2e .mypy_cache .ruff_cache .pytest_cache vscode-extension/node_modules vscode-extension/dist
