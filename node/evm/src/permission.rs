use alloy_primitives::{Address, U256, keccak256, map::HashMap};
use revm::{Database, DatabaseRef, state::EvmState};

/// Bit of an account's entry that lets it send transactions.
const TRANSACT: usize = 0;
/// Bit of an account's entry that lets it create contracts too.
const DEPLOY: usize = 1;
/// Bit of an account's entry that makes it an operator, who may always send transactions.
const OPERATOR: usize = 2;

/// An account's entry in the Permissions contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission(U256);

impl Permission {
    /// Reads the word that the contract stores for an account.
    pub const fn from_word(word: U256) -> Self {
        Self(word)
    }

    /// Whether the account may send transactions: bit 0, or bit 2 of an operator, whom nobody can
    /// lock out.
    pub fn may_transact(self) -> bool {
        self.0.bit(TRANSACT) || self.0.bit(OPERATOR)
    }

    /// Whether the account may create contracts by transaction.
    pub fn may_deploy(self) -> bool {
        self.may_transact() && self.0.bit(DEPLOY)
    }

    /// Checks a transaction of `sender`.
    pub(crate) fn check(self, sender: Address, is_create: bool) -> Result<(), PermissionError> {
        if !self.may_transact() {
            Err(PermissionError::MayNotTransact { sender })
        } else if is_create && !self.may_deploy() {
            Err(PermissionError::MayNotDeploy { sender })
        } else {
            Ok(())
        }
    }
}

/// Why the chain does not take a transaction from this sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// The sender has no permission at all.
    #[error(
        "account {sender} may not send transactions on this chain: ask a permission operator to \
         grant it"
    )]
    MayNotTransact {
        /// The transaction's sender.
        sender: Address,
    },
    /// The sender may transact, but not create contracts.
    #[error(
        "account {sender} may send transactions but not create contracts on this chain: ask a \
         permission operator to grant it"
    )]
    MayNotDeploy {
        /// The transaction's sender.
        sender: Address,
    },
    /// The state could not be read; says nothing about the sender.
    #[error("permission of account {sender} cannot be read: {message}")]
    State {
        /// The transaction's sender.
        sender: Address,
        /// What the database said.
        message: String,
    },
}

/// Where the Permissions contract stores an account's entry: a Solidity mapping at slot 0.
pub fn permission_slot(account: Address) -> U256 {
    let mut key = [0; 64];
    key[..32].copy_from_slice(account.into_word().as_slice());
    keccak256(key).into()
}

/// Reads an account's entry from a state.
pub(crate) fn read<DB: DatabaseRef>(
    db: &DB,
    contract: Address,
    account: Address,
) -> Result<Permission, DB::Error> {
    db.storage_ref(contract, permission_slot(account))
        .map(Permission)
}

/// The Permissions contract's storage as of the parent block, seen from within a block.
///
/// The block's own state moves on with every transaction. A slot that no transaction of the block
/// has changed still reads as of the parent; of the others the value before their first change is
/// kept here.
#[derive(Debug)]
pub(crate) struct ParentPermissions {
    contract: Address,
    changed: HashMap<U256, U256>,
    known: HashMap<Address, Permission>,
}

impl ParentPermissions {
    pub(crate) fn new(contract: Address) -> Self {
        Self {
            contract,
            changed: HashMap::default(),
            known: HashMap::default(),
        }
    }

    /// An account's entry as of the parent block. `db` is the block's state.
    pub(crate) fn get<DB: Database>(
        &mut self,
        db: &mut DB,
        account: Address,
    ) -> Result<Permission, DB::Error> {
        if let Some(known) = self.known.get(&account) {
            return Ok(*known);
        }
        let slot = permission_slot(account);
        let word = match self.changed.get(&slot) {
            Some(before) => *before,
            None => db.storage(self.contract, slot)?,
        };
        let permission = Permission(word);
        self.known.insert(account, permission);
        Ok(permission)
    }

    /// Remembers what a transaction is about to overwrite.
    pub(crate) fn before_commit(&mut self, changes: &EvmState) {
        let Some(account) = changes.get(&self.contract) else {
            return;
        };
        for (slot, value) in &account.storage {
            if value.is_changed() {
                self.changed.entry(*slot).or_insert(value.original_value);
            }
        }
    }
}
