//! The committees of the epochs that this node knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::Arc,
};

use alloy_primitives::{Address, B256};
use commonware_consensus::types::{Epoch, Epocher as _, FixedEpocher, Height};
use commonware_cryptography::{
    certificate::{Provider, Scoped},
    ed25519::PublicKey,
};
use parking_lot::RwLock;
use revm::DatabaseRef;
use tracing::error;
use wattline_chain::Chain;
use wattline_clique::Snapshot;

use super::{Committee, CommitteeError};
use crate::Scheme;

/// Committees that are kept at hand, besides those in the database.
const AT_HAND: usize = 8;

/// The committees that follow from the blocks that are stored, and the schemes by which their
/// certificates are checked.
#[derive(Clone)]
pub(crate) struct Committees {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Chain,
    epocher: FixedEpocher,
    /// What every vote is signed with besides its content: no vote counts on another chain.
    namespace: Vec<u8>,
    /// This node's key: the committee of a chain of one signer without a Consortium contract. Who
    /// only checks what others signed has none.
    me: Option<PublicKey>,
    at_hand: RwLock<BTreeMap<Epoch, Known>>,
}

#[derive(Clone)]
struct Known {
    committee: Arc<Committee>,
    scheme: Arc<Scheme>,
}

impl Committees {
    pub(crate) fn new(chain: Chain, me: Option<PublicKey>) -> Self {
        let spec = chain.spec();
        let epoch = NonZeroU64::new(spec.clique().epoch).unwrap_or(NonZeroU64::MAX);
        let epocher = FixedEpocher::new(epoch);
        let namespace = [b"wattline:", spec.chain_hash().as_slice()].concat();
        Self {
            inner: Arc::new(Inner {
                chain,
                epocher,
                namespace,
                me,
                at_hand: RwLock::default(),
            }),
        }
    }

    /// The committee of `epoch`, if the block before it is stored.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub(crate) fn get(&self, epoch: Epoch) -> Result<Option<Arc<Committee>>, CommitteeError> {
        Ok(self.known(epoch)?.map(|known| known.committee))
    }

    /// The committee of `epoch`, of which the block before is stored.
    ///
    /// # Errors
    ///
    /// [`CommitteeError::Unknown`] if it is not.
    pub(crate) fn expect(&self, epoch: Epoch) -> Result<Arc<Committee>, CommitteeError> {
        let unknown = CommitteeError::Unknown { epoch: epoch.get() };
        self.get(epoch)?.ok_or(unknown)
    }

    /// The signers of the committee that decides the block after the one of `after` in `epoch`:
    /// that of the epoch, or the next one after its last block, by the state after `block`.
    ///
    /// # Errors
    ///
    /// A [`CommitteeError`] if there is none.
    pub(crate) fn deciding(
        &self,
        epoch: Epoch,
        after: &Snapshot,
        block: B256,
    ) -> Result<BTreeSet<Address>, CommitteeError> {
        let committee = self.expect(epoch)?;
        if after.number < self.last(epoch) {
            return Ok(committee.signers());
        }
        let state = self.inner.chain.overlay(block)?;
        Ok(self.after(Some(&committee), after, &state)?.signers())
    }

    /// The committee of `epoch`, of which the block before is the head unless it is known already.
    ///
    /// # Errors
    ///
    /// A [`CommitteeError`] if there is none.
    pub(crate) fn enter(&self, epoch: Epoch) -> Result<Arc<Committee>, CommitteeError> {
        if let Some(committee) = self.get(epoch)? {
            return Ok(committee);
        }
        let chain = &self.inner.chain;
        let head = chain.head();
        let expected = self.first(epoch).saturating_sub(1);
        if head.number != expected {
            return Err(CommitteeError::NotAtHead {
                epoch: epoch.get(),
                expected,
                head: head.number,
            });
        }
        let former = match epoch.previous() {
            Some(former) => self.get(former)?,
            None => None,
        };
        let snapshot = chain.snapshot(head.hash())?;
        let committee = self.after(former.as_deref(), &snapshot, &chain.storage().state()?)?;
        let mut writer = chain.storage().writer()?;
        writer.put_committee(epoch.get(), &committee.encode())?;
        writer.commit()?;
        Ok(self.keep(epoch, committee).committee)
    }

    /// The committee that follows `former` if an epoch ends with `snapshot` and `state`.
    ///
    /// # Errors
    ///
    /// A [`CommitteeError`] if there is none.
    pub(crate) fn after(
        &self,
        former: Option<&Committee>,
        snapshot: &Snapshot,
        state: &impl DatabaseRef,
    ) -> Result<Committee, CommitteeError> {
        let chain = &self.inner.chain;
        if chain.spec().consortium().is_none() {
            let mut signers = snapshot.signers.iter();
            return match (signers.next(), signers.next(), &self.inner.me) {
                (Some(signer), None, Some(me)) => Ok(Committee::alone(*signer, me.clone())),
                _ => Err(CommitteeError::NoConsortium {
                    signers: snapshot.signers.len(),
                }),
            };
        }
        Committee::derive(former, snapshot, &chain.evm().members(state)?)
    }

    /// The number of the first block of `epoch` that is not the genesis block.
    pub(crate) fn first(&self, epoch: Epoch) -> u64 {
        let first = self
            .inner
            .epocher
            .first(epoch)
            .map_or(u64::MAX, Height::get);
        first.max(1)
    }

    /// The epoch of block `number`.
    pub(crate) fn epoch(&self, number: u64) -> Epoch {
        let bounds = self.inner.epocher.containing(Height::new(number));
        bounds.map_or(Epoch::new(u64::MAX), |bounds| bounds.epoch())
    }

    /// The number of the last block of `epoch`.
    pub(crate) fn last(&self, epoch: Epoch) -> u64 {
        self.inner.epocher.last(epoch).map_or(u64::MAX, Height::get)
    }

    pub(crate) fn epocher(&self) -> FixedEpocher {
        self.inner.epocher.clone()
    }

    pub(crate) fn namespace(&self) -> &[u8] {
        &self.inner.namespace
    }

    fn known(&self, epoch: Epoch) -> Result<Option<Known>, CommitteeError> {
        if let Some(known) = self.inner.at_hand.read().get(&epoch) {
            return Ok(Some(known.clone()));
        }
        let Some(stored) = self
            .inner
            .chain
            .storage()
            .reader()?
            .committee(epoch.get())?
        else {
            return Ok(None);
        };
        let committee = Committee::decode(epoch.get(), &stored)?;
        Ok(Some(self.keep(epoch, committee)))
    }

    fn keep(&self, epoch: Epoch, committee: Committee) -> Known {
        let known = Known {
            scheme: Arc::new(Scheme::verifier(&self.inner.namespace, committee.keys())),
            committee: Arc::new(committee),
        };
        let mut at_hand = self.inner.at_hand.write();
        at_hand.insert(epoch, known.clone());
        while at_hand.len() > AT_HAND {
            at_hand.pop_first();
        }
        known
    }
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        match self.known(epoch) {
            Ok(known) => known.map(|known| Scoped::scheme(known.scheme)),
            Err(error) => {
                error!(%error, %epoch, "the committee cannot be read");
                None
            }
        }
    }
}
