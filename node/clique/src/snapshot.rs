use crate::{CliqueError, NONCE_ADD, NONCE_DROP, json, recover_signer};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wattline_chainspec::ChainSpec;
use wattline_primitives::SealedHeader;

/// Difficulty of a block whose signer is in turn (EIP-225, `DIFF_INTURN`).
pub const DIFFICULTY_IN_TURN: u64 = 2;
/// Difficulty of a block whose signer is out of turn (EIP-225, `DIFF_NOTURN`).
pub const DIFFICULTY_OUT_OF_TURN: u64 = 1;

/// One signer's standing vote on an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who voted.
    pub signer: Address,
    /// The block that carries the vote.
    pub block: u64,
    /// The account voted on.
    pub address: Address,
    /// Whether to add the account or to drop it.
    pub authorize: bool,
}

/// The standing votes on one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Whether the votes are to add the account or to drop it.
    pub authorize: bool,
    /// How many signers vote so.
    pub votes: u64,
}

/// Who may sign the child of a block, and which votes are standing: the state of EIP-225 after
/// that block. Its JSON form is that of `clique_getSnapshot`.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
///
/// use alloy_primitives::{Address, B256};
/// use wattline_clique::Snapshot;
///
/// let [first, second, third] = [1, 2, 3].map(Address::with_last_byte);
/// let snapshot = Snapshot {
///     number: 6,
///     hash: B256::ZERO,
///     signers: BTreeSet::from([first, second, third]),
///     recents: BTreeMap::from([(6, first)]),
///     votes: Vec::new(),
///     tally: BTreeMap::new(),
/// };
/// // Block 7 is the second signer's by turn; the first, who signed the block before, may not.
/// assert!(snapshot.in_turn(7, second));
/// assert_eq!(snapshot.difficulty(7, third), 1);
/// assert!(snapshot.signed_recently(7, first));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// The accounts that may sign, ascending.
    #[serde(with = "json::signers")]
    pub signers: BTreeSet<Address>,
    /// Who signed the latest blocks, by block number.
    pub recents: BTreeMap<u64, Address>,
    /// Standing votes, oldest first.
    #[serde(deserialize_with = "json::null_as_empty")]
    pub votes: Vec<Vote>,
    /// Standing votes counted by account.
    pub tally: BTreeMap<Address, Tally>,
}

impl Snapshot {
    /// The snapshot of the genesis block.
    pub fn genesis(spec: &ChainSpec) -> Self {
        Self {
            number: 0,
            hash: spec.genesis_hash(),
            signers: spec.genesis_signers().iter().copied().collect(),
            recents: BTreeMap::new(),
            votes: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// The snapshot after `header`, a child of this snapshot's block.
    ///
    /// # Errors
    ///
    /// [`CliqueError::Number`] or [`CliqueError::ParentHash`] if the header is no child,
    /// [`CliqueError::InvalidVote`] for a nonce that is none, an error of [`recover_signer`],
    /// [`CliqueError::UnauthorizedSigner`] or [`CliqueError::RecentlySigned`].
    pub fn apply(&self, header: &SealedHeader, epoch: u64) -> Result<Self, CliqueError> {
        check_child(header, self.number, self.hash)?;
        let authorize = vote_direction(header)?;
        let signer = recover_signer(header)?;
        let number = header.number;

        let mut next = self.clone();
        next.number = number;
        next.hash = header.hash();
        if is_checkpoint(number, epoch) {
            next.votes.clear();
            next.tally.clear();
        }
        next.forget_recents(number);
        next.check_signer(number, signer)?;
        next.recents.insert(number, signer);

        let account = header.beneficiary;
        next.withdraw_votes(|vote| vote.signer == signer && vote.address == account);
        if next.is_valid_vote(account, authorize) {
            let tally = next.tally.entry(account).or_insert(Tally {
                authorize,
                votes: 0,
            });
            tally.votes = tally.votes.saturating_add(1);
            next.votes.push(Vote {
                signer,
                block: number,
                address: account,
                authorize,
            });
        }
        next.settle_votes_on(account, number);
        Ok(next)
    }

    /// Whether `signer` is in turn at block `number`.
    pub fn in_turn(&self, number: u64, signer: Address) -> bool {
        let count = self.signers.len() as u64;
        self.index_of(signer)
            .is_some_and(|index| number % count == index as u64)
    }

    /// The difficulty of block `number` if `signer` signs it.
    pub fn difficulty(&self, number: u64, signer: Address) -> u64 {
        if self.in_turn(number, signer) {
            DIFFICULTY_IN_TURN
        } else {
            DIFFICULTY_OUT_OF_TURN
        }
    }

    /// Whether `signer` signed so recently that it may not sign block `number`.
    pub fn signed_recently(&self, number: u64, signer: Address) -> bool {
        self.last_recent(number, signer).is_some()
    }

    /// Whether a vote would change anything: only a stranger can be added, only a signer dropped.
    pub fn is_valid_vote(&self, account: Address, authorize: bool) -> bool {
        self.signers.contains(&account) != authorize
    }

    /// Whether nobody but `account` may sign. EIP-225 lets it vote itself out, after which nobody
    /// could seal a block ever again.
    pub fn is_only_signer(&self, account: Address) -> bool {
        self.signers.len() == 1 && self.signers.contains(&account)
    }

    /// The position of `signer` among the signers in ascending order.
    pub fn index_of(&self, signer: Address) -> Option<usize> {
        self.signers.iter().position(|other| *other == signer)
    }

    /// Of any so many consecutive blocks a signer may sign one: `floor(n / 2) + 1`.
    pub fn signer_limit(&self) -> u64 {
        self.signers.len() as u64 / 2 + 1
    }

    /// Checks that `signer` may sign block `number`.
    pub(crate) fn check_signer(&self, number: u64, signer: Address) -> Result<(), CliqueError> {
        if !self.signers.contains(&signer) {
            return Err(CliqueError::UnauthorizedSigner { signer, number });
        }
        match self.last_recent(number, signer) {
            Some(last) => Err(CliqueError::RecentlySigned {
                signer,
                number,
                last,
            }),
            None => Ok(()),
        }
    }

    /// The block, if any, by which `signer` is kept from signing block `number`.
    fn last_recent(&self, number: u64, signer: Address) -> Option<u64> {
        let limit = self.signer_limit();
        self.recents
            .iter()
            .rev()
            .find(|(block, recent)| **recent == signer && block.saturating_add(limit) > number)
            .map(|(block, _)| *block)
    }

    /// Drops the recent signature that block `number` shifts out.
    fn forget_recents(&mut self, number: u64) {
        if let Some(shifted) = number.checked_sub(self.signer_limit()) {
            self.recents.remove(&shifted);
        }
    }

    /// Takes back the votes that `which` selects.
    fn withdraw_votes(&mut self, which: impl Fn(&Vote) -> bool) {
        let tally = &mut self.tally;
        self.votes.retain(|vote| {
            let withdrawn = which(vote);
            if withdrawn && let Some(count) = tally.get_mut(&vote.address) {
                count.votes = count.votes.saturating_sub(1);
                if count.votes == 0 {
                    tally.remove(&vote.address);
                }
            }
            !withdrawn
        });
    }

    /// Changes the signers if more than half of them vote so about `account`.
    fn settle_votes_on(&mut self, account: Address, number: u64) {
        let Some(tally) = self.tally.get(&account).copied() else {
            return;
        };
        if tally.votes <= self.signers.len() as u64 / 2 {
            return;
        }
        if tally.authorize {
            self.signers.insert(account);
        } else {
            self.signers.remove(&account);
            // With fewer signers one block fewer counts as recent.
            self.forget_recents(number);
            self.withdraw_votes(|vote| vote.signer == account);
        }
        self.votes.retain(|vote| vote.address != account);
        self.tally.remove(&account);
    }
}

/// Whether votes are reset and signers listed at block `number`.
pub(crate) fn is_checkpoint(number: u64, epoch: u64) -> bool {
    number.is_multiple_of(epoch)
}

/// Checks that the header follows the block of that number and hash.
pub(crate) fn check_child(
    header: &SealedHeader,
    number: u64,
    hash: B256,
) -> Result<(), CliqueError> {
    let expected = number.saturating_add(1);
    if header.number != expected {
        return Err(CliqueError::Number {
            got: header.number,
            expected,
        });
    }
    if header.parent_hash != hash {
        return Err(CliqueError::ParentHash {
            got: header.parent_hash,
            expected: hash,
        });
    }
    Ok(())
}

/// Whether the header's nonce votes to add or to drop its beneficiary.
pub(crate) fn vote_direction(header: &SealedHeader) -> Result<bool, CliqueError> {
    match header.nonce {
        NONCE_ADD => Ok(true),
        NONCE_DROP => Ok(false),
        got => Err(CliqueError::InvalidVote { got }),
    }
}
