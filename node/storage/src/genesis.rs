//! The first block and its state.

use crate::{
    StorageError, StorageResult, blocks, history,
    tables::{Bytecodes, Meta, SCHEMA_VERSION, meta},
    trie::{self, HashedChanges, TrieView, genesis_account},
    tx::RwTx,
};
use alloy_eips::eip4895::Withdrawals;
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use reth_primitives_traits::Bytecode;
use std::collections::BTreeMap;
use wattline_primitives::{BlockBody, RecoveredBlock, SealedBlock, SealedHeader};

/// Which chain a database is for.
#[derive(Clone, Debug)]
pub struct ChainIdentity<'a> {
    /// Header of block 0.
    pub genesis_header: &'a SealedHeader,
    /// State after block 0.
    pub alloc: &'a BTreeMap<Address, GenesisAccount>,
    /// The chain configuration as JSON, kept for whoever opens the database later.
    pub config_json: String,
}

/// Fills an empty database.
pub(crate) fn write(tx: &RwTx, chain: ChainIdentity<'_>) -> StorageResult<()> {
    let header = chain.genesis_header;
    let changes = HashedChanges::of_genesis(chain.alloc);
    let updates = trie::compute(
        &[TrieView::stored(tx)],
        header.parent_hash,
        EMPTY_ROOT_HASH,
        changes,
    )?;
    if updates.root() != header.state_root {
        return Err(StorageError::StateRootMismatch {
            number: header.number,
            expected: header.state_root,
            computed: updates.root(),
        });
    }
    updates.write(tx)?;
    for (address, account) in chain.alloc {
        write_account(tx, address, account)?;
    }

    let body = BlockBody {
        withdrawals: header.withdrawals_root.map(|_| Withdrawals::default()),
        ..BlockBody::default()
    };
    let block = SealedBlock::from_sealed_parts(header.clone(), body);
    let block = RecoveredBlock::new_sealed(block, Vec::new());
    blocks::put_canonical(tx, &block, &[])?;

    tx.put::<Meta>(&meta::SCHEMA, &SCHEMA_VERSION.to_be_bytes().to_vec())?;
    tx.put::<Meta>(&meta::GENESIS, &header.hash().to_vec())?;
    tx.put::<Meta>(&meta::CHAIN_CONFIG, &chain.config_json.into_bytes())
}

fn write_account(tx: &RwTx, address: &Address, account: &GenesisAccount) -> StorageResult<()> {
    let plain = genesis_account(account);
    history::put_account(tx, address, Some(&plain))?;
    for (slot, value) in account.storage.iter().flatten() {
        history::put_slot(tx, address, *slot, U256::from_be_bytes(value.0))?;
    }
    if let (Some(hash), Some(code)) = (plain.bytecode_hash, &account.code) {
        let code = Bytecode::new_raw_checked(code.clone()).map_err(|error| {
            StorageError::InvalidGenesisCode {
                address: *address,
                reason: error.to_string(),
            }
        })?;
        tx.put::<Bytecodes>(&hash, &code)?;
    }
    Ok(())
}

/// Hash that [`write`] stored.
pub(crate) fn hash(bytes: &[u8]) -> StorageResult<B256> {
    B256::try_from(bytes).map_err(|_| StorageError::Decode {
        table: "Meta",
        reason: format!("the genesis hash has {} bytes instead of 32", bytes.len()),
    })
}
