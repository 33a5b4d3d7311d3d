# Wattline: one target per habit. `make` alone lists them.

.DEFAULT_GOAL := help
FORGE := npx --prefix contracts forge

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: dev
dev: ## Run the chain, the meters and the neighbourhood on this machine
	cargo run --release -- dev

.PHONY: tools
tools: contracts/node_modules/.package-lock.json ## Install the Solidity tools from the lock file

contracts/node_modules/.package-lock.json: contracts/package-lock.json
	cd contracts && npm ci --no-audit --no-fund

.PHONY: contracts
contracts: tools ## Compile the contracts
	cd contracts && npm run --silent build

.PHONY: test
test: contracts ## Run every test: Solidity, Rust, end to end
	cd contracts && npm run --silent test
	cargo test --workspace --no-fail-fast

.PHONY: lint
lint: tools ## Check formatting and lints of Rust and Solidity
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cd contracts && npm run --silent lint

.PHONY: fmt
fmt: tools ## Format Rust and Solidity
	cargo fmt --all
	cd contracts && npx forge fmt

.PHONY: genesis
genesis: contracts ## Rebuild the committed genesis files from the contracts
	cargo run --release -p wattline-genesis -- build genesis/dev.toml --out genesis/dev.json
	cargo run --release -p wattline-genesis -- build genesis/devnet.toml --out genesis/devnet.json

.PHONY: bench
bench: contracts ## Run the benchmarks and print their ratios
	cargo bench -p wattline-precompiles --bench auction
	cargo bench -p wattline-storage --bench state_root
	cargo bench -p wattline-storage --bench logs
	cargo bench -p wattline-producer --bench slots

.PHONY: bench-node
bench-node: tools ## Compare the node with anvil on this machine and print ratios
	cargo bench -p wattline --bench node

.PHONY: fuzz
fuzz: ## Fuzz the precompile's calldata for a minute (needs a nightly toolchain and cargo-fuzz)
	cd precompiles && cargo +nightly fuzz run calldata fuzz/corpus/calldata fuzz/seeds -- -max_total_time=60
