# Wattline: one target per habit. `make` alone lists them.

.DEFAULT_GOAL := help
SOLIDITY := contracts/node_modules/.package-lock.json
TOOLS := node/wattline/tests/tools
JAVASCRIPT := $(TOOLS)/js/node_modules/.package-lock.json
PYTHON := $(TOOLS)/python/.venv/installed
FORGE := $(CURDIR)/contracts/tools/forge
ANALYSIS := contracts/tools/python/.venv/installed

# Every crate has one binary of in-process tests or one of end-to-end tests, or both. cargo nextest
# runs those of all crates side by side; cargo test gives the same result without it.
THREADS = $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
NEXTEST = cargo nextest run --test-threads $(THREADS)
RUN = $(if $(shell cargo nextest --version 2>/dev/null),$(NEXTEST),cargo test --no-fail-fast) --workspace
IN_PROCESS := --lib --bins --test it
END_TO_END := --test e2e
DOCTESTS := cargo test --workspace --doc

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: dev
dev: ## Run the chain, the meters and the neighbourhood on this machine
	cargo run --release -- dev

# The chain is kept; remove the directory for a new one.
DEVNET ?= wattline-network
.PHONY: devnet
devnet: ## Run a consortium of four validators and an observer on this machine, and the neighbourhood on it
	cargo run --release -- network --dir $(DEVNET) --validators 4 --observers 1 --market

.PHONY: tools
tools: $(SOLIDITY) $(JAVASCRIPT) $(PYTHON) ## Install the Solidity tools and what the tests of tools use, from lock files

$(SOLIDITY): contracts/package-lock.json
	cd contracts && npm ci --no-audit --no-fund

# Without install scripts: nothing is compiled, all of these packages do without.
$(JAVASCRIPT): $(TOOLS)/js/package-lock.json
	cd $(TOOLS)/js && npm ci --ignore-scripts --no-audit --no-fund

# Nobody needs Python for Wattline: where there is none, web3.py is left out and its test says so.
$(PYTHON): $(TOOLS)/python/requirements.txt
	@if python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
		set -e; cd $(TOOLS)/python; \
		python3 -m venv --clear .venv; \
		.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt; \
		touch .venv/installed; \
	else \
		echo "web3.py is left out: there is no Python 3.10 or newer with venv"; \
	fi

$(ANALYSIS): contracts/tools/python/requirements.txt
	cd contracts/tools/python && python3 -m venv --clear .venv && \
		.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt
	touch $@

.PHONY: lint-contracts
lint-contracts: $(SOLIDITY) $(ANALYSIS) ## Look for faults in the contracts with slither
	contracts/tools/python/.venv/bin/python contracts/tools/slither.py

.PHONY: prove
prove: $(SOLIDITY) $(ANALYSIS) ## Prove the arithmetic of money in the contracts with halmos
	contracts/tools/prove

.PHONY: contracts
contracts: $(SOLIDITY) ## Compile the contracts
	cd contracts && npm run --silent build

.PHONY: check lint
check lint: $(SOLIDITY) ## Check formatting and lints of Rust and Solidity
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cd contracts && npm run --silent lint
	cd $(TOOLS)/forge && $(FORGE) fmt --check && $(FORGE) lint

.PHONY: test-fast
test-fast: contracts ## Run the tests that start no other program: units, and crates by their public face
	$(RUN) $(IN_PROCESS)
	$(DOCTESTS)

.PHONY: test-e2e
test-e2e: tools contracts ## Run the tests that start the real programs, anvil and other people's tools
	$(RUN) $(END_TO_END)

.PHONY: test
test: tools contracts ## Run every test: Solidity, Rust, end to end
	cd contracts && npm run --silent test
	$(RUN) --tests
	$(DOCTESTS)

SEEDS ?= 10000
.PHONY: simulate
simulate: ## Let whole nodes agree on a simulated network: SEEDS=10000 stories, or SEED=n alone
	SEEDS=$(SEEDS) cargo test -p wattline-consensus --test it simulation::seeds::validators -- --nocapture

.PHONY: fmt
fmt: $(SOLIDITY) ## Format Rust and Solidity
	cargo fmt --all
	cd contracts && $(FORGE) fmt
	cd $(TOOLS)/forge && $(FORGE) fmt

.PHONY: genesis
genesis: contracts ## Rebuild the committed genesis files from the contracts
	cargo run --release -p wattline-genesis -- build genesis/dev.toml --out genesis/dev.json
	cargo run --release -p wattline-genesis -- build genesis/devnet.toml --out genesis/devnet.json

.PHONY: bench
bench: contracts ## Run the benchmarks and print their ratios
	cargo bench -p wattline-precompiles --bench auction
	cargo bench -p wattline-storage --bench state_root
	cargo bench -p wattline-storage --bench logs
	cargo bench -p wattline-pool --bench journal
	cargo bench -p wattline-producer --bench blocks -- --quick

.PHONY: bench-node
bench-node: $(SOLIDITY) ## Compare the node with anvil on this machine, then take its blocks apart
	cargo bench -p wattline --bench node
	cargo bench -p wattline-producer --bench blocks

.PHONY: bench-network
bench-network: ## Measure consortiums of 1, 4, 7 and 13 validators on this machine
	cargo bench -p wattline --bench network -- --outage

.PHONY: fuzz
fuzz: ## Fuzz calldata, JSON-RPC and peers' messages, a minute each (needs a nightly toolchain and cargo-fuzz)
	cd precompiles && mkdir -p fuzz/corpus/calldata && cargo +nightly fuzz run calldata fuzz/corpus/calldata fuzz/seeds -- -max_total_time=60
	cd node/rpc && mkdir -p fuzz/corpus/raw && cargo +nightly fuzz run -s none raw fuzz/corpus/raw fuzz/seeds/raw -- -max_total_time=60 -timeout=30 -rss_limit_mb=2048
	cd node/rpc && cargo +nightly fuzz run -s none structured -- -max_total_time=60 -timeout=30 -rss_limit_mb=2048 -len_control=0 -max_len=1024
	cd node/network && mkdir -p fuzz/corpus/messages && cargo +nightly fuzz run -s none messages fuzz/corpus/messages fuzz/seeds/messages -- -max_total_time=60 -timeout=30 -rss_limit_mb=2048 -max_len=131080
