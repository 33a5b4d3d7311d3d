//! Certificates as the engine keeps them.

use commonware_codec::Decode as _;
use commonware_consensus::{marshal::store::Certificates, types::Height};
use commonware_cryptography::certificate::Verifier as _;
use commonware_runtime::{Handle, Spawner};
use commonware_storage::archive::Identifier;

use super::{Keeper, Store, StoreError};
use crate::{BlockHash, Finalization, Scheme};

/// The engine's store of certificates that blocks are final.
pub(crate) struct FinalCertificates<E> {
    store: Store<E>,
}

impl<E> FinalCertificates<E> {
    pub(super) const fn new(store: Store<E>) -> Self {
        Self { store }
    }
}

impl Keeper {
    /// The certificate of block `number`; a block that became final through a child has none.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub(crate) fn finalization(&self, number: u64) -> Result<Option<Finalization>, StoreError> {
        if let Some(pending) = self.pending.lock().certificates.get(&number) {
            return Ok(Some(pending.clone()));
        }
        let stored = self.chain.storage().reader()?.certificate(number)?;
        let Some((_, encoded)) = stored else {
            return Ok(None);
        };
        decode(number, encoded).map(Some)
    }

    /// The newest certificate of a block up to number `number`.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub(crate) fn finalization_to(
        &self,
        number: u64,
    ) -> Result<Option<(u64, Finalization)>, StoreError> {
        let stored = self.chain.storage().reader()?.certificate_to(number)?;
        let Some((number, _, encoded)) = stored else {
            return Ok(None);
        };
        Ok(Some((number, decode(number, encoded)?)))
    }

    /// The heights of which there is a certificate, in runs, those that are not durable yet alone.
    fn certified(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut runs = self.chain.storage().reader()?.certified_ranges()?;
        let pending = self.pending.lock();
        runs.extend(pending.certificates.keys().map(|number| (*number, *number)));
        Ok(runs)
    }

    /// The greatest height of which there is a certificate.
    fn last_certified(&self) -> Result<Option<u64>, StoreError> {
        let stored = self.chain.storage().reader()?.certificate_to(u64::MAX)?;
        let pending = self.pending.lock().certificates.keys().next_back().copied();
        Ok(pending.max(stored.map(|(number, ..)| number)))
    }
}

/// A certificate from its bytes in the database, which nobody else writes.
pub(crate) fn decode(number: u64, encoded: Vec<u8>) -> Result<Finalization, StoreError> {
    Finalization::decode_cfg(encoded, &Scheme::certificate_codec_config_unbounded())
        .map_err(|source| StoreError::Certificate { number, source })
}

impl<E: Spawner> Certificates for FinalCertificates<E> {
    type BlockDigest = BlockHash;
    type Commitment = BlockHash;
    type Scheme = Scheme;
    type Error = StoreError;

    async fn put(
        self,
        height: Height,
        digest: BlockHash,
        finalization: &Finalization,
    ) -> Result<Self, StoreError> {
        let keeper = &self.store.keeper;
        keeper.accept_certificate(height.get(), digest.0, finalization)?;
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StoreError> {
        self.store.start_sync().await?;
        Ok(self)
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), StoreError> {
        let handle = self.store.start_sync();
        Ok((self, handle))
    }

    async fn get(&self, id: Identifier<'_, BlockHash>) -> Result<Option<Finalization>, StoreError> {
        let keeper = &self.store.keeper;
        let number = match id {
            Identifier::Index(number) => number,
            Identifier::Key(hash) => match keeper.number(hash.0)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        keeper.finalization(number)
    }

    async fn has(&self, height: Height) -> Result<bool, StoreError> {
        Ok(self.store.keeper.finalization(height.get())?.is_some())
    }

    /// The chain keeps its certificates for ever.
    async fn prune(self, _: Height) -> Result<Self, StoreError> {
        Ok(self)
    }

    fn last_index(&self) -> Option<Height> {
        or_end(self.store.keeper.last_certified()).map(Height::new)
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        or_end(self.store.keeper.certified())
            .into_iter()
            .filter(move |(_, end)| *end >= from.get())
            .map(|(start, end)| (Height::new(start), Height::new(end)))
    }
}

/// The engine's interface has no way to say here that the disk fails. The engine ends when it does.
fn or_end<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the certificates cannot be read: {error}"))
}
