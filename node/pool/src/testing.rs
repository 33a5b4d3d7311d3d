//! Waiting transactions for the unit tests, made without signing anything, and a disk that does as
//! it is told.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, mpsc},
    time::Duration,
};

use alloy_consensus::{SignableTransaction as _, Transaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Signature, TxKind, U256};
use wattline_primitives::RecoveredTransaction;

use crate::{
    journal::JournalFile,
    sender::{SenderAccount, SenderRights},
    transaction::{Origin, PooledTransaction},
};

/// The address of the test sender with this number.
pub(crate) fn address(sender: u8) -> Address {
    Address::with_last_byte(sender)
}

/// A transaction of gas limit 21,000 whose two fees are both `tip`. Its arrival tells it apart
/// from others with the same sender and nonce.
pub(crate) fn transaction(sender: u8, nonce: u64, tip: u128, arrival: u64) -> PooledTransaction {
    with_fees(sender, nonce, tip, tip, arrival)
}

pub(crate) fn with_fees(
    sender: u8,
    nonce: u64,
    max_fee: u128,
    tip: u128,
    arrival: u64,
) -> PooledTransaction {
    let signed = TxEip1559 {
        chain_id: 57836,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(address(sender)),
        input: arrival.to_be_bytes().to_vec().into(),
        ..TxEip1559::default()
    }
    .into_signed(Signature::test_signature());
    let transaction = RecoveredTransaction::new_unchecked(signed.into(), address(sender));
    PooledTransaction {
        size: transaction.encode_2718_len(),
        cost: U256::from(21_000) * U256::from(transaction.max_fee_per_gas()),
        tip,
        authorities: Vec::new(),
        arrival,
        arrived_at: Duration::ZERO,
        origin: Origin::Local,
        transaction,
    }
}

/// A transaction without fees that may cost `cost` wei.
pub(crate) fn costing(sender: u8, nonce: u64, cost: u64, arrival: u64) -> Arc<PooledTransaction> {
    let transaction = transaction(sender, nonce, 0, arrival);
    Arc::new(PooledTransaction {
        cost: U256::from(cost),
        ..transaction
    })
}

/// An account with this nonce that can pay for anything.
pub(crate) fn rich(nonce: u64) -> SenderAccount {
    SenderAccount {
        nonce,
        balance: U256::MAX,
        delegated: false,
        rights: SenderRights::Deploy,
    }
}

/// An account with nonce 0 and this balance.
pub(crate) fn with_balance(balance: u64) -> SenderAccount {
    SenderAccount {
        nonce: 0,
        balance: U256::from(balance),
        delegated: false,
        rights: SenderRights::Deploy,
    }
}

/// A file whose syncs the test sees and ends.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    file: File,
    /// Told when a sync begins, with the bytes that were written before.
    begun: mpsc::Sender<u64>,
    /// How each sync ends.
    outcomes: mpsc::Receiver<io::Result<()>>,
    /// Whether the file can be cut.
    cuts: bool,
}

impl WatchedFile {
    pub(crate) const fn new(
        file: File,
        begun: mpsc::Sender<u64>,
        outcomes: mpsc::Receiver<io::Result<()>>,
        cuts: bool,
    ) -> Self {
        Self {
            file,
            begun,
            outcomes,
            cuts,
        }
    }
}

impl Write for WatchedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl JournalFile for WatchedFile {
    fn sync_data(&self) -> io::Result<()> {
        self.begun.send(self.file.metadata()?.len()).ok();
        self.outcomes.recv().expect("the test ends every sync")
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.cuts {
            return Err(io::Error::other("cannot be cut"));
        }
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
