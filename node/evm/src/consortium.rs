use alloy_primitives::{Address, B256, U256, keccak256};
use revm::DatabaseRef;

use crate::EvmConfig;

/// Most members that are read: a contract that admitted more must not keep a node busy.
pub const MAX_MEMBERS: usize = 1_024;

/// Most bytes of a name or an endpoint that are read; the contract takes fewer.
const MAX_TEXT: usize = 320;

/// Slot of the array of the members' signers.
const SIGNERS: U256 = U256::ZERO;
/// Slot of the mapping from signer to member.
const MEMBERS: U256 = U256::ONE;
/// Slots of a member after its node key.
const PACKED: U256 = U256::ONE;
const NAME: U256 = U256::from_limbs([2, 0, 0, 0]);
const ENDPOINT: U256 = U256::from_limbs([3, 0, 0, 0]);

/// What a member's node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRole {
    /// It takes part in the agreement while its signer is one of the chain's signers.
    Validator,
    /// It follows the chain.
    Observer,
}

/// A member of the consortium, as its contract's storage has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The ed25519 public key of its node; never zero.
    pub node_key: B256,
    /// The account that changes the member's node and, for a validator, seals blocks.
    pub signer: Address,
    /// What its node does.
    pub role: MemberRole,
    /// Whether it belongs to the consortium still.
    pub active: bool,
    /// What people call it.
    pub name: String,
    /// Where its node is reached, `host:port`.
    pub endpoint: String,
}

/// Why the Consortium contract cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsortiumError {
    /// More members than a node reads.
    #[error("the consortium has {got} members: expected at most {MAX_MEMBERS}")]
    TooMany {
        /// How many were ever admitted.
        got: U256,
    },
    /// A member's role is none that this version knows.
    #[error("member {signer} of the consortium has role {got}: expected 0 or 1")]
    UnknownRole {
        /// The member's signer.
        signer: Address,
        /// The number stored.
        got: u8,
    },
    /// A member's name or endpoint is longer than the contract lets it be.
    #[error(
        "member {signer} of the consortium has a text of {got} bytes: expected at most {MAX_TEXT}"
    )]
    TooLong {
        /// The member's signer.
        signer: Address,
        /// Its length.
        got: U256,
    },
    /// The list names an account that is no member.
    #[error("the consortium lists {0}, of which it knows nothing")]
    Nobody(Address),
    /// The state could not be read; says nothing about the contract.
    #[error("the consortium cannot be read: {0}")]
    State(String),
}

impl EvmConfig {
    /// All members that the consortium ever admitted as of the state `db`, in order of admission;
    /// none on a chain without a consortium.
    ///
    /// # Errors
    ///
    /// A [`ConsortiumError`] for what the contract does not do, and if the state cannot be read.
    pub fn members<DB: DatabaseRef>(&self, db: &DB) -> Result<Vec<Member>, ConsortiumError> {
        let Some(contract) = self.spec().consortium() else {
            return Ok(Vec::new());
        };
        let storage = Storage { db, contract };
        let got = storage.word(SIGNERS)?;
        let count = usize::try_from(got)
            .ok()
            .filter(|count| *count <= MAX_MEMBERS)
            .ok_or(ConsortiumError::TooMany { got })?;
        let first: U256 = keccak256(SIGNERS.to_be_bytes::<32>()).into();
        (0..count)
            .map(|index| {
                let word = storage.word(first.wrapping_add(U256::from(index)))?;
                let signer = Address::from_word(word.into());
                storage
                    .member(signer)?
                    .ok_or(ConsortiumError::Nobody(signer))
            })
            .collect()
    }

    /// The member of `signer` as of the state `db`; `None` if it never was one, and on a chain
    /// without a consortium.
    ///
    /// # Errors
    ///
    /// As [`Self::members`].
    pub fn member<DB: DatabaseRef>(
        &self,
        db: &DB,
        signer: Address,
    ) -> Result<Option<Member>, ConsortiumError> {
        match self.spec().consortium() {
            Some(contract) => Storage { db, contract }.member(signer),
            None => Ok(None),
        }
    }
}

/// The contract's storage, laid out as `IConsortium` documents it.
struct Storage<'a, DB> {
    db: &'a DB,
    contract: Address,
}

impl<DB: DatabaseRef> Storage<'_, DB> {
    fn word(&self, slot: U256) -> Result<U256, ConsortiumError> {
        self.db
            .storage_ref(self.contract, slot)
            .map_err(|error| ConsortiumError::State(error.to_string()))
    }

    fn member(&self, signer: Address) -> Result<Option<Member>, ConsortiumError> {
        let key = [signer.into_word().0, MEMBERS.to_be_bytes()].concat();
        let record: U256 = keccak256(key).into();
        let node_key = B256::from(self.word(record)?);
        if node_key.is_zero() {
            return Ok(None);
        }
        let packed = self.word(record.wrapping_add(PACKED))?;
        let role = match packed.byte(20) {
            0 => MemberRole::Validator,
            1 => MemberRole::Observer,
            got => return Err(ConsortiumError::UnknownRole { signer, got }),
        };
        Ok(Some(Member {
            node_key,
            signer,
            role,
            active: packed.byte(21) != 0,
            name: self.text(signer, record.wrapping_add(NAME))?,
            endpoint: self.text(signer, record.wrapping_add(ENDPOINT))?,
        }))
    }

    /// A string as Solidity stores it: up to 31 bytes in its slot with twice its length behind
    /// them; of a longer one twice its length and one, and its bytes from the slot's hash on.
    fn text(&self, signer: Address, slot: U256) -> Result<String, ConsortiumError> {
        let word = self.word(slot)?;
        let bytes = if word.bit(0) {
            let got = word >> 1;
            let length = usize::try_from(got)
                .ok()
                .filter(|length| *length <= MAX_TEXT)
                .ok_or(ConsortiumError::TooLong { signer, got })?;
            let first: U256 = keccak256(slot.to_be_bytes::<32>()).into();
            let mut bytes = Vec::with_capacity(length.next_multiple_of(32));
            for index in 0..length.div_ceil(32) {
                let word = self.word(first.wrapping_add(U256::from(index)))?;
                bytes.extend(word.to_be_bytes::<32>());
            }
            bytes.truncate(length);
            bytes
        } else {
            let length = usize::from(word.byte(0) / 2).min(31);
            word.to_be_bytes::<32>()[..length].to_vec()
        };
        // The contract does not look at the encoding of names.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
