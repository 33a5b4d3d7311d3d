use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use tempfile::TempDir;
use wattline_chainspec::{SEAL_LENGTH, VANITY_LENGTH};
use wattline_clique::{NONCE_ADD, NONCE_DROP, seal};
use wattline_evm::NextBlock;
use wattline_primitives::{Block, Millis, RecoveredBlock, RecoveredTransaction, SealedBlock};
use wattline_storage::ExecutedBlock;

use super::{Signers, TestGenesis};
use crate::Chain;

/// What a test decides about a block; the rest follows from the chain.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// The block to stand on, which must be here; `None`: the head.
    pub parent: Option<B256>,
    /// Index of the signer; `None`: the one in turn.
    pub signer: Option<usize>,
    /// `None`: a period after the parent.
    pub time: Option<Millis>,
    /// Executed in this order; each must apply.
    pub transactions: Vec<RecoveredTransaction>,
    /// A vote on an account: whether it should be a signer.
    pub vote: Option<(Address, bool)>,
    /// First byte of the vanity: makes blocks that are otherwise the same differ.
    pub salt: u8,
}

impl Template {
    /// A block of the signer at `index`.
    pub fn by(index: usize) -> Self {
        Self {
            signer: Some(index),
            ..Self::default()
        }
    }

    /// The same on another parent.
    #[must_use]
    pub const fn on(mut self, parent: B256) -> Self {
        self.parent = Some(parent);
        self
    }

    /// The same with these transactions.
    #[must_use]
    pub fn with(mut self, transactions: Vec<RecoveredTransaction>) -> Self {
        self.transactions = transactions;
        self
    }
}

/// Makes really executed and really signed chains: a chain of its own on disk, whose signers' keys
/// it has.
#[derive(Debug)]
pub struct Forge {
    chain: Chain,
    signers: Signers,
    _dir: TempDir,
}

impl Forge {
    /// A chain that holds the genesis block only. `signers` must be those of `genesis`, all of
    /// them or more.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "most tests make one for this call"
    )]
    pub fn new(genesis: TestGenesis, signers: Signers) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let chain = genesis.open(&dir);
        Self {
            chain,
            signers,
            _dir: dir,
        }
    }

    /// The chain that this forge made.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The final blocks after the genesis block, oldest first.
    pub fn blocks(&self) -> Vec<SealedBlock> {
        let reader = self.chain.storage().reader().expect("the database reads");
        (1..=self.chain.head().number)
            .map(|number| {
                let block = reader.block(number).expect("the database reads");
                block
                    .expect("a canonical block is stored")
                    .into_sealed_block()
            })
            .collect()
    }

    /// Makes the block that `template` describes, without keeping it.
    pub fn build(&self, template: Template) -> SealedBlock {
        self.build_executed(template).block.into_sealed_block()
    }

    /// The same with all that executing it led to.
    pub fn build_executed(&self, template: Template) -> ExecutedBlock {
        let parent = match template.parent.and_then(|hash| self.chain.executed(&hash)) {
            Some(parent) => parent.block.clone_sealed_header(),
            None => (*self.chain.head()).clone(),
        };
        let expected = template.parent.unwrap_or_else(|| parent.hash());
        assert_eq!(parent.hash(), expected, "the parent is here");
        let snapshot = self
            .chain
            .snapshot(parent.hash())
            .expect("the parent has a snapshot");
        let number = parent.number + 1;
        let signer = template.signer.unwrap_or_else(|| {
            (0..self.signers.len())
                .find(|index| snapshot.in_turn(number, self.signers.address(*index)))
                .expect("the signer in turn is known here")
        });
        let account = self.signers.address(signer);
        let clique = self.chain.spec().clique();
        let next = NextBlock {
            time: template
                .time
                .unwrap_or_else(|| Millis::of(&parent).saturating_add(self.chain.spec().period())),
            gas_limit: parent.gas_limit,
            signer: account,
        };
        let state = self
            .chain
            .overlay(parent.hash())
            .expect("the database reads");
        let mut builder = self
            .chain
            .evm()
            .builder(state.clone(), &parent, next)
            .expect("the block can be begun");
        for transaction in template.transactions {
            builder
                .execute(transaction)
                .expect("the transaction applies");
        }
        let built = builder.finish().expect("the block can be finished");
        let (state_root, trie) = state
            .state_root(&built.output.state)
            .expect("the state has a root");

        let mut extra_data = vec![0; VANITY_LENGTH];
        extra_data[0] = template.salt;
        if number.is_multiple_of(clique.epoch) {
            extra_data.extend(
                snapshot
                    .signers
                    .iter()
                    .flat_map(|signer| signer.into_array()),
            );
        }
        extra_data.extend([0; SEAL_LENGTH]);
        let (beneficiary, nonce) = match template.vote {
            Some((account, authorize)) => (account, if authorize { NONCE_ADD } else { NONCE_DROP }),
            None => (Address::ZERO, NONCE_DROP),
        };
        let header = Header {
            state_root,
            extra_data: Bytes::from(extra_data),
            difficulty: U256::from(snapshot.difficulty(number, account)),
            beneficiary,
            nonce,
            ..built.header
        };
        let block = self.reseal(
            Block {
                header,
                body: built.body,
            },
            signer,
        );
        ExecutedBlock {
            block: RecoveredBlock::new_sealed(block, built.senders),
            receipts: built.output.receipts,
            state: built.output.state,
            trie,
        }
    }

    /// Seals `block`, which a test may have changed, with the key of the signer at `index`.
    pub fn reseal(&self, mut block: Block, index: usize) -> SealedBlock {
        let sign = |hash| Ok::<_, std::convert::Infallible>(self.signers.seal(index, hash));
        block.header = seal(block.header, sign).expect("the extra data has room for a seal");
        SealedBlock::seal_slow(block)
    }

    /// Makes the block that `template` describes and keeps it, without making it final.
    pub fn add(&self, template: Template) -> Arc<ExecutedBlock> {
        self.chain
            .adopt(self.build_executed(template))
            .expect("a forged block is valid")
    }

    /// Makes the block that `template` describes the new head, and returns it.
    pub fn extend(&self, template: Template) -> SealedBlock {
        let block = self.add(template).block.sealed_block().clone();
        self.chain
            .finalize(block.hash(), &|_| Ok(()))
            .expect("the database takes a forged block");
        block
    }

    /// Extends the chain by `count` blocks without transactions, each of the signer in turn.
    pub fn extend_in_turn(&self, count: usize) -> Vec<SealedBlock> {
        (0..count)
            .map(|_| self.extend(Template::default()))
            .collect()
    }
}
