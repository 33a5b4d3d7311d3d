//! Proofs of accounts and slots in the state of any block (EIP-1186).

use crate::{
    StateReader, StorageError, StorageResult, blocks, history, prune,
    tables::{CanonicalHashes, Headers},
    trie::{self, HashedChanges},
    tx::RoTx,
};
use alloy_primitives::{Address, B256, BlockNumber, Bytes, U256, keccak256};
use reth_primitives_traits::Account;
use std::sync::Arc;

/// How much a proof may cost, and whether it is still wanted.
#[derive(Clone, Copy)]
pub struct ProofBudget<'a> {
    /// Changes of accounts and slots since the block that may be undone for it.
    pub changes: usize,
    /// Asked now and then whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for ProofBudget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofBudget")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

/// An account with the nodes of the state trie that prove it, from the root down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account; None if there is none, which the nodes prove then.
    pub account: Option<Account>,
    /// Root of its storage trie.
    pub storage_root: B256,
    /// RLP of the nodes, without those that are part of their parent.
    pub nodes: Vec<Bytes>,
    /// The slots that were asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// A slot with the nodes of the storage trie that prove it, from the root down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot.
    pub slot: B256,
    /// Its value; zero if it was never set, which the nodes prove then.
    pub value: U256,
    /// RLP of the nodes, without those that are part of their parent; none if the storage is empty.
    pub nodes: Vec<Bytes>,
}

pub(crate) fn prove(
    tx: &Arc<RoTx>,
    number: BlockNumber,
    address: Address,
    slots: &[B256],
    budget: ProofBudget<'_>,
) -> StorageResult<AccountProof> {
    let head = blocks::head(tx)?.number;
    if tx.get::<CanonicalHashes>(&number)?.is_none() {
        return Err(StorageError::MissingBlock { number, head });
    }
    prune::check(tx, number)?;
    let check = || {
        if (budget.stop)() {
            Err(StorageError::Stopped)
        } else {
            Ok(())
        }
    };
    let changes = if number == head {
        HashedChanges::default()
    } else {
        changes_back_to(tx, number, budget, &check)?
    };
    let hashed: Vec<_> = slots.iter().map(keccak256).collect();
    let proof = trie::prove(tx, changes, keccak256(address), &hashed, &check)?;
    let expected = tx.expect::<Headers>(&number)?.state_root;
    if proof.root != expected {
        return Err(StorageError::StateRootMismatch {
            number,
            expected,
            computed: proof.root,
        });
    }
    let state = StateReader::new(Arc::clone(tx), number, head);
    let slots = slots.iter().zip(proof.slots).map(|(slot, nodes)| {
        Ok(SlotProof {
            slot: *slot,
            value: state.storage_at(&address, *slot)?,
            nodes,
        })
    });
    Ok(AccountProof {
        account: state.account(&address)?,
        storage_root: proof.storage_root,
        nodes: proof.account,
        slots: slots.collect::<StorageResult<_>>()?,
    })
}

/// What turns the state of the head into that after block `number`.
fn changes_back_to(
    tx: &RoTx,
    number: BlockNumber,
    budget: ProofBudget<'_>,
    check: trie::Check<'_>,
) -> StorageResult<HashedChanges> {
    let mut left = budget.changes;
    let undone = history::before(tx, number, |_| {
        left = left.checked_sub(1).ok_or(StorageError::ProofTooFar {
            number,
            limit: budget.changes,
        })?;
        if left.is_multiple_of(1_024) {
            check()?;
        }
        Ok(())
    })?;
    Ok(HashedChanges::of_plain(&undone.accounts, &undone.slots))
}
