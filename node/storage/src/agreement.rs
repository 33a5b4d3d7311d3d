//! What the agreement keeps beside the chain: blocks that are final and not executed yet,
//! certificates, committees, evidence, and which epochs this node voted in. All of it in the
//! encoding of whoever stores it.

use crate::{
    Reader, StorageResult, Writer,
    tables::{
        AheadBlocks, Certificates, CertifiedRanges, Committees, Evidence, Table, VotedEpochs,
    },
    tx::RwTx,
};
use alloy_primitives::{B256, BlockNumber};

/// How many pieces of evidence are kept. A committee that keeps contradicting itself must not fill
/// the disk, so the oldest make room.
pub(crate) const MAX_EVIDENCE: u64 = 1 << 16;

/// A certificate: the block's number and hash, and the certificate itself.
type Certificate = (BlockNumber, B256, Vec<u8>);

#[allow(clippy::missing_errors_doc, reason = "stated once on the type")]
impl Reader {
    /// A block that is final and not part of the stored chain yet, with its hash.
    pub fn ahead_block(&self, number: BlockNumber) -> StorageResult<Option<(B256, Vec<u8>)>> {
        self.tx.get::<AheadBlocks>(&number)
    }

    /// Numbers of all blocks that are final and not part of the stored chain yet, ascending.
    pub fn ahead_numbers(&self) -> StorageResult<Vec<BlockNumber>> {
        self.tx.keys_with_prefix::<AheadBlocks>(&[])
    }

    /// The certificate of a block, with the block's hash.
    pub fn certificate(&self, number: BlockNumber) -> StorageResult<Option<(B256, Vec<u8>)>> {
        self.tx.get::<Certificates>(&number)
    }

    /// The first certificate of a block at or after `number`.
    pub fn certificate_from(&self, number: BlockNumber) -> StorageResult<Option<Certificate>> {
        let found = self.tx.cursor::<Certificates>()?.seek(&number)?;
        Ok(found.map(flat))
    }

    /// The last certificate of a block at or before `number`.
    pub fn certificate_to(&self, number: BlockNumber) -> StorageResult<Option<Certificate>> {
        let found = self.tx.cursor::<Certificates>()?.seek_back(&number)?;
        Ok(found.map(flat))
    }

    /// First and last number of each run of blocks that all have a certificate, ascending.
    pub fn certified_ranges(&self) -> StorageResult<Vec<(BlockNumber, BlockNumber)>> {
        self.tx.with_prefix::<CertifiedRanges>(&[])
    }

    /// The committee of an epoch.
    pub fn committee(&self, epoch: u64) -> StorageResult<Option<Vec<u8>>> {
        self.tx.get::<Committees>(&epoch)
    }

    /// The last epoch whose committee is known, with that committee.
    pub fn latest_committee(&self) -> StorageResult<Option<(u64, Vec<u8>)>> {
        self.tx.last::<Committees>()
    }

    /// Up to `limit` pieces of evidence from number `from` on, with their numbers, ascending.
    pub fn evidence(&self, from: u64, limit: usize) -> StorageResult<Vec<(u64, Vec<u8>)>> {
        let mut evidence = Vec::new();
        let mut cursor = self.tx.cursor::<Evidence>()?;
        let mut entry = cursor.seek(&from)?;
        while let Some(found) = entry.filter(|_| evidence.len() < limit) {
            evidence.push(found);
            entry = cursor.next()?;
        }
        Ok(evidence)
    }

    /// The last epoch in which this database's node voted with a node key.
    pub fn voted_epoch(&self, node_key: &[u8; 32]) -> StorageResult<Option<u64>> {
        self.tx.get::<VotedEpochs>(&node_key.into())
    }
}

/// # Errors
/// The methods below fail if the database cannot be written.
#[allow(clippy::missing_errors_doc, reason = "stated once on the block")]
impl Writer {
    /// Keeps a block that is final and not part of the stored chain yet.
    pub fn put_ahead_block(
        &mut self,
        number: BlockNumber,
        hash: B256,
        block: &[u8],
    ) -> StorageResult<()> {
        self.change(|tx| tx.put::<AheadBlocks>(&number, &(hash, block.to_vec())))
    }

    /// Drops such a block, usually because it is part of the chain now. Nothing happens if there
    /// is none.
    pub fn remove_ahead_block(&mut self, number: BlockNumber) -> StorageResult<()> {
        self.change(|tx| tx.delete::<AheadBlocks>(&number).map(drop))
    }

    /// Keeps the certificate of a block.
    pub fn put_certificate(
        &mut self,
        number: BlockNumber,
        hash: B256,
        certificate: &[u8],
    ) -> StorageResult<()> {
        self.change(|tx| {
            tx.put::<Certificates>(&number, &(hash, certificate.to_vec()))?;
            certify(tx, number)
        })
    }

    /// Keeps the committee of an epoch.
    pub fn put_committee(&mut self, epoch: u64, committee: &[u8]) -> StorageResult<()> {
        self.change(|tx| tx.put::<Committees>(&epoch, &committee.to_vec()))
    }

    /// Keeps a piece of evidence and returns its number. The oldest goes once there are 65,536.
    pub fn put_evidence(&mut self, evidence: &[u8]) -> StorageResult<u64> {
        self.change(|tx| {
            let last = tx.last::<Evidence>()?;
            let number = last.map_or(0, |(last, _)| last.saturating_add(1));
            tx.put::<Evidence>(&number, &evidence.to_vec())?;
            if let Some(oldest) = number.checked_sub(MAX_EVIDENCE) {
                tx.delete::<Evidence>(&oldest)?;
            }
            Ok(number)
        })
    }

    /// Remembers that this node votes in an epoch with a node key. An earlier epoch than the one
    /// that is remembered changes nothing.
    pub fn put_voted_epoch(&mut self, node_key: &[u8; 32], epoch: u64) -> StorageResult<()> {
        self.change(|tx| {
            let key = node_key.into();
            match tx.get::<VotedEpochs>(&key)? {
                Some(voted) if voted >= epoch => Ok(()),
                _ => tx.put::<VotedEpochs>(&key, &epoch),
            }
        })
    }
}

fn flat((number, (hash, certificate)): (u64, <Certificates as Table>::Value)) -> Certificate {
    (number, hash, certificate)
}

/// Takes a block into the ranges of certified ones.
fn certify(tx: &RwTx, number: BlockNumber) -> StorageResult<()> {
    let (mut first, mut last) = (number, number);
    if let Some((start, end)) = tx.cursor::<CertifiedRanges>()?.seek_back(&number)? {
        if end >= number {
            return Ok(());
        }
        if end.checked_add(1) == Some(number) {
            first = start;
        }
    }
    if let Some(next) = number.checked_add(1)
        && let Some(end) = tx.get::<CertifiedRanges>(&next)?
    {
        tx.delete::<CertifiedRanges>(&next)?;
        last = end;
    }
    tx.put::<CertifiedRanges>(&first, &last)
}
