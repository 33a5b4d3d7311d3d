//! The durable outbox: every reading is in it before anything else happens to it, and leaves when
//! the transaction that carried it is deep enough in the chain to stay.
//!
//! A reading waits, then belongs to a batch (one signed transaction, kept as its raw bytes under
//! its nonce), then is delivered, refused, or waits again. Each step is one durable database
//! transaction, so a process killed between any two of them finds the outbox as one of them left
//! it: at worst it sends the same bytes again, which changes nothing.

mod tables;

pub use tables::OutboxError;

use crate::{Fault, MeterId, Reading, ReadingKey, Registers, WattHours};
use alloy::primitives::{Address, B256, Bytes};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use std::{path::Path, sync::Arc};
use tables::{BASES, BATCHES, BatchRow, LAST, META, READINGS, REFUSED, SCHEMA};

/// A reading that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The reading.
    pub reading: Reading,
    /// How often it was sent in vain.
    pub attempts: u32,
}

/// A transaction under way and the readings in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its nonce.
    pub nonce: u64,
    /// The signed transaction, once for each fee that was offered, the latest last.
    pub transactions: Vec<Bytes>,
    /// Its readings, in the order of the transaction.
    pub readings: Vec<ReadingKey>,
}

/// What became of a reading whose batch is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the chain.
    Delivered,
    /// The chain refuses it for good.
    Refused {
        /// Why.
        reason: String,
        /// When that was seen, Unix seconds.
        at: u64,
    },
    /// It is to be sent again.
    Again {
        /// Not before this time, Unix seconds.
        not_before: u64,
    },
}

/// A reading that the chain refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reading.
    pub reading: Reading,
    /// Why.
    pub reason: String,
    /// When that was seen, Unix seconds.
    pub at: u64,
}

/// What recording readings did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many are new.
    pub taken: usize,
    /// How many were recorded before.
    pub known: usize,
    /// What was not recorded, and why.
    pub faults: Vec<Fault>,
}

/// Where a meter's registers stood when a replay began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// What the replay is told by: another start means another replay.
    pub start: u64,
    /// The registers at `start`.
    pub registers: Registers,
}

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Readings not yet on the chain for good, those in batches included.
    pub waiting: u64,
    /// Of them, those in a batch.
    pub in_flight: u64,
    /// The boundary of the oldest one, Unix seconds.
    pub oldest: Option<u64>,
}

/// The durable outbox of one submitter.
#[derive(Clone, Debug)]
pub struct Outbox {
    db: Arc<Database>,
}

impl Outbox {
    /// Opens the outbox at `path`, or creates it, for the metering contract `contract` on the chain
    /// `chain_id`.
    ///
    /// # Errors
    ///
    /// The file is of another chain, contract or version, is in use by another process, or cannot
    /// be read. It is left as it is.
    pub fn open(path: &Path, chain_id: u64, contract: Address) -> Result<Self, OutboxError> {
        let db = tables::open(path)?;
        let outbox = Self { db: Arc::new(db) };
        let found = outbox.identity()?;
        let wanted = (SCHEMA, chain_id, contract);
        match found {
            None => {
                let write = outbox.db.begin_write()?;
                {
                    let mut meta = write.open_table(META)?;
                    meta.insert("identity", (SCHEMA, chain_id, contract.into_array()))?;
                    write.open_table(READINGS)?;
                    write.open_table(LAST)?;
                    write.open_table(BATCHES)?;
                    write.open_table(REFUSED)?;
                    write.open_table(BASES)?;
                }
                write.commit()?;
                Ok(outbox)
            }
            Some(found) if found == wanted => Ok(outbox),
            Some((found, ..)) if found != SCHEMA => Err(OutboxError::Schema {
                found,
                expected: SCHEMA,
            }),
            Some((_, found, found_contract)) => Err(OutboxError::OtherChain {
                found,
                found_contract,
                expected: chain_id,
                expected_contract: contract,
            }),
        }
    }

    /// Does something with the outbox off the asynchronous threads: its writes wait for the disk.
    ///
    /// # Errors
    ///
    /// As `work`.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let outbox = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&outbox)).await;
        done.unwrap_or_else(|error| Err(OutboxError::Interrupted(error.to_string())))
    }

    fn identity(&self) -> Result<Option<(u64, u64, Address)>, OutboxError> {
        let read = self.db.begin_read()?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(meta.get("identity")?.map(|row| {
            let (schema, chain, contract) = row.value();
            (schema, chain, Address::from(contract))
        }))
    }

    /// Records readings, durably, before it returns. One that was recorded before is left alone;
    /// one whose register jumps back, or that contradicts an earlier one, is not recorded.
    ///
    /// # Errors
    ///
    /// The database fails; then none is recorded.
    pub fn record(&self, readings: &[Reading]) -> Result<Recorded, OutboxError> {
        let mut recorded = Recorded::default();
        let write = self.db.begin_write()?;
        {
            let mut rows = write.open_table(READINGS)?;
            let mut last = write.open_table(LAST)?;
            for reading in readings {
                let Reading {
                    meter,
                    time,
                    registers,
                } = *reading;
                let before = last.get(meter.0.0)?.map(|row| row.value());
                if let Some((earlier_time, import, export)) = before {
                    let earlier = Registers {
                        import: WattHours(import),
                        export: WattHours(export),
                    };
                    if time < earlier_time || (time == earlier_time && registers == earlier) {
                        recorded.known += 1;
                        continue;
                    }
                    if time == earlier_time {
                        recorded.faults.push(Fault::Contradiction {
                            meter,
                            time,
                            got: registers,
                            first: earlier,
                        });
                        continue;
                    }
                    if registers.is_behind(&earlier) {
                        recorded.faults.push(Fault::JumpedBack {
                            meter,
                            time,
                            got: registers,
                            earlier_time,
                            earlier,
                        });
                        continue;
                    }
                }
                let (import, export) = (registers.import.0, registers.export.0);
                last.insert(meter.0.0, (time, import, export))?;
                rows.insert((time, meter.0.0), (import, export, 0, 0, None))?;
                recorded.taken += 1;
            }
        }
        if recorded.taken == 0 {
            write.abort()?;
        } else {
            write.commit()?;
        }
        Ok(recorded)
    }

    /// The last reading that was recorded of a meter, sent or not.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn last(&self, meter: MeterId) -> Result<Option<Reading>, OutboxError> {
        let table = self.db.begin_read()?.open_table(LAST)?;
        Ok(table.get(meter.0.0)?.map(|row| {
            let (time, import, export) = row.value();
            Reading {
                meter,
                time,
                registers: Registers {
                    import: WattHours(import),
                    export: WattHours(export),
                },
            }
        }))
    }

    /// Where a meter's registers stood when the replay that it is in began.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn base(&self, meter: MeterId) -> Result<Option<Base>, OutboxError> {
        let table = self.db.begin_read()?.open_table(BASES)?;
        Ok(table.get(meter.0.0)?.map(|row| {
            let (start, import, export) = row.value();
            Base {
                start,
                registers: Registers {
                    import: WattHours(import),
                    export: WattHours(export),
                },
            }
        }))
    }

    /// Remembers where meters' registers stand as a replay begins.
    ///
    /// # Errors
    ///
    /// The database fails; then nothing is remembered.
    pub fn set_bases(&self, bases: &[(MeterId, Base)]) -> Result<(), OutboxError> {
        let write = self.db.begin_write()?;
        {
            let mut table = write.open_table(BASES)?;
            for (meter, base) in bases {
                table.insert(
                    meter.0.0,
                    (base.start, base.registers.import.0, base.registers.export.0),
                )?;
            }
        }
        Ok(write.commit()?)
    }

    /// The oldest readings that are in no batch and whose time to be sent (again) has come, at most
    /// `max`.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn ready(&self, now: u64, max: usize) -> Result<Vec<Waiting>, OutboxError> {
        let table = self.db.begin_read()?.open_table(READINGS)?;
        let mut ready = Vec::new();
        for entry in table.iter()? {
            if ready.len() >= max {
                break;
            }
            let (key, row) = entry?;
            let (time, meter) = key.value();
            let (import, export, attempts, not_before, nonce) = row.value();
            if nonce.is_none() && not_before <= now {
                let registers = Registers {
                    import: WattHours(import),
                    export: WattHours(export),
                };
                ready.push(Waiting {
                    reading: Reading {
                        meter: MeterId(B256::from(meter)),
                        time,
                        registers,
                    },
                    attempts,
                });
            }
        }
        Ok(ready)
    }

    /// Puts readings into a batch, durably, before its transaction is sent.
    ///
    /// # Errors
    ///
    /// The database fails, the nonce has a batch already, or a reading is not there or in another
    /// batch.
    pub fn pack(&self, batch: &Batch) -> Result<(), OutboxError> {
        let write = self.db.begin_write()?;
        {
            let mut batches = write.open_table(BATCHES)?;
            if batches.get(batch.nonce)?.is_some() {
                return Err(OutboxError::NonceInUse(batch.nonce));
            }
            batches.insert(batch.nonce, BatchRow::encode(batch)?.as_slice())?;
            let mut rows = write.open_table(READINGS)?;
            for (time, meter) in &batch.readings {
                let key = (*time, meter.0.0);
                let row = rows.get(key)?.map(|row| row.value());
                let Some((import, export, attempts, not_before, None)) = row else {
                    return Err(OutboxError::NotWaiting {
                        meter: *meter,
                        time: *time,
                    });
                };
                rows.insert(
                    key,
                    (import, export, attempts, not_before, Some(batch.nonce)),
                )?;
            }
        }
        Ok(write.commit()?)
    }

    /// Adds a transaction with another fee to a batch, durably, before it is sent.
    ///
    /// # Errors
    ///
    /// The database fails, or there is no such batch.
    pub fn offer(&self, nonce: u64, transaction: Bytes) -> Result<(), OutboxError> {
        let write = self.db.begin_write()?;
        {
            let mut batches = write.open_table(BATCHES)?;
            let mut batch = match batches.get(nonce)? {
                Some(row) => BatchRow::decode(nonce, row.value())?,
                None => return Err(OutboxError::NoBatch(nonce)),
            };
            batch.transactions.push(transaction);
            batches.insert(nonce, BatchRow::encode(&batch)?.as_slice())?;
        }
        Ok(write.commit()?)
    }

    /// The batches under way, in the order of their nonces.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn batches(&self) -> Result<Vec<Batch>, OutboxError> {
        let table = self.db.begin_read()?.open_table(BATCHES)?;
        let mut batches = Vec::new();
        for entry in table.iter()? {
            let (nonce, row) = entry?;
            batches.push(BatchRow::decode(nonce.value(), row.value())?);
        }
        Ok(batches)
    }

    /// Ends a batch: what became of each of its readings, in their order.
    ///
    /// # Errors
    ///
    /// The database fails, there is no such batch, or not one outcome for each reading.
    pub fn finish(&self, nonce: u64, outcomes: &[Outcome]) -> Result<(), OutboxError> {
        let write = self.db.begin_write()?;
        {
            let mut batches = write.open_table(BATCHES)?;
            let batch = match batches.remove(nonce)? {
                Some(row) => BatchRow::decode(nonce, row.value())?,
                None => return Err(OutboxError::NoBatch(nonce)),
            };
            if batch.readings.len() != outcomes.len() {
                return Err(OutboxError::Outcomes {
                    expected: batch.readings.len(),
                    got: outcomes.len(),
                });
            }
            let settled: Vec<_> = batch.readings.into_iter().zip(outcomes).collect();
            tables::settle(&write, &settled)?;
        }
        Ok(write.commit()?)
    }

    /// Ends readings that are in no batch, because the chain was seen to hold something for them
    /// already.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn settle(&self, outcomes: &[(ReadingKey, Outcome)]) -> Result<(), OutboxError> {
        let write = self.db.begin_write()?;
        let settled: Vec<_> = outcomes
            .iter()
            .map(|(key, outcome)| (*key, outcome))
            .collect();
        tables::settle(&write, &settled)?;
        Ok(write.commit()?)
    }

    /// The waiting reading at a place in the outbox.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn get(&self, (time, meter): ReadingKey) -> Result<Option<Waiting>, OutboxError> {
        let table = self.db.begin_read()?.open_table(READINGS)?;
        Ok(table.get((time, meter.0.0))?.map(|row| {
            let (import, export, attempts, ..) = row.value();
            let registers = Registers {
                import: WattHours(import),
                export: WattHours(export),
            };
            Waiting {
                reading: Reading {
                    meter,
                    time,
                    registers,
                },
                attempts,
            }
        }))
    }

    /// The latest refused readings, newest first, at most `max`. The outbox keeps the newest
    /// 10,000.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn refused(&self, max: usize) -> Result<Vec<Refused>, OutboxError> {
        let table = self.db.begin_read()?.open_table(REFUSED)?;
        let mut refused = Vec::new();
        for entry in table.iter()?.rev().take(max) {
            let (_, row) = entry?;
            let (time, meter, import, export, at, reason) = row.value();
            let registers = Registers {
                import: WattHours(import),
                export: WattHours(export),
            };
            let reading = Reading {
                meter: MeterId(B256::from(meter)),
                time,
                registers,
            };
            refused.push(Refused {
                reading,
                reason: reason.to_owned(),
                at,
            });
        }
        Ok(refused)
    }

    /// How full the outbox is.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn stats(&self) -> Result<OutboxStats, OutboxError> {
        let read = self.db.begin_read()?;
        let readings = read.open_table(READINGS)?;
        let oldest = readings.first()?.map(|(key, _)| key.value().0);
        let mut in_flight = 0;
        for entry in read.open_table(BATCHES)?.iter()? {
            let (nonce, row) = entry?;
            in_flight += BatchRow::decode(nonce.value(), row.value())?.readings.len() as u64;
        }
        Ok(OutboxStats {
            waiting: readings.len()?,
            in_flight,
            oldest,
        })
    }
}

#[cfg(test)]
mod tests;
