//! Reads a journal that may be torn at its end or damaged anywhere.

use std::{
    fmt,
    io::{self, Read},
};

use super::record::{Entry, HEADER_BYTES, MARKER, MAX_CONTENT_BYTES, checksum};

/// What was wrong with a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalDamage {
    /// Stretches that are no records.
    pub corrupt_stretches: u64,
    /// Their bytes.
    pub corrupt_bytes: u64,
    /// Bytes of an unfinished record at the end: what was being written when the process died.
    pub torn_bytes: u64,
    /// Whole records with a content of an unknown kind.
    pub unknown_records: u64,
}

impl JournalDamage {
    /// Whether there is damage that the death of the process does not explain.
    pub const fn is_corrupt(&self) -> bool {
        self.corrupt_stretches > 0 || self.unknown_records > 0
    }
}

impl fmt::Display for JournalDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} corrupt stretches of {} bytes, {} unknown records, {} bytes of an unfinished record at the end",
            self.corrupt_stretches, self.corrupt_bytes, self.unknown_records, self.torn_bytes
        )
    }
}

/// Reads the records of a journal one after the other, skipping what is none. Its memory does not
/// depend on the size of the file.
#[derive(Debug)]
pub struct JournalReader<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    at_end: bool,
    /// Bytes skipped since the last good record.
    skipped: u64,
    /// Whether what was skipped begins like a record that goes on beyond the end.
    cut: bool,
    damage: JournalDamage,
}

enum Frame {
    /// A whole record of this many bytes of content.
    Whole(usize),
    /// The beginning of a record, and then the end of the file.
    Cut,
    /// No record begins here.
    None,
}

impl<R: Read> JournalReader<R> {
    /// Reads from `source`, which stands at the beginning of a journal.
    pub const fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            at_end: false,
            skipped: 0,
            cut: false,
            damage: JournalDamage {
                corrupt_stretches: 0,
                corrupt_bytes: 0,
                torn_bytes: 0,
                unknown_records: 0,
            },
        }
    }

    /// What was wrong so far; complete after the last record.
    pub const fn damage(&self) -> JournalDamage {
        self.damage
    }

    /// The next record, `None` at the end.
    ///
    /// # Errors
    /// What the system says when the file cannot be read.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            match self.frame()? {
                Frame::Whole(len) => {
                    let content = self.start + HEADER_BYTES..self.start + HEADER_BYTES + len;
                    let entry = self.buffer.get(content).and_then(Entry::decode);
                    self.start += HEADER_BYTES + len;
                    self.note_corrupt();
                    match entry {
                        Some(entry) => return Ok(Some(entry)),
                        None => self.damage.unknown_records += 1,
                    }
                }
                frame => {
                    if self.skipped == 0 {
                        self.cut = matches!(frame, Frame::Cut);
                    }
                    if !self.skip_to_marker()? {
                        if self.cut {
                            self.damage.torn_bytes = std::mem::take(&mut self.skipped);
                        }
                        self.note_corrupt();
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether a record with a right checksum begins here.
    fn frame(&mut self) -> io::Result<Frame> {
        self.fill(HEADER_BYTES)?;
        let Some((header, _)) = self.rest().split_first_chunk::<HEADER_BYTES>() else {
            let begun = MARKER
                .iter()
                .zip(self.rest())
                .all(|(marker, byte)| marker == byte);
            return Ok(if begun { Frame::Cut } else { Frame::None });
        };
        let (marker, fields) = header.split_at(MARKER.len());
        let (len, sum) = fields.split_at(4);
        let len = len
            .iter()
            .fold(0, |len, byte| len << 8 | usize::from(*byte));
        let mut expected = [0; 8];
        expected.copy_from_slice(sum);
        if marker != MARKER || len > MAX_CONTENT_BYTES {
            return Ok(Frame::None);
        }
        self.fill(HEADER_BYTES + len)?;
        Ok(match self.rest().get(HEADER_BYTES..HEADER_BYTES + len) {
            Some(content) if checksum(content) == expected => Frame::Whole(len),
            Some(_) => Frame::None,
            None => Frame::Cut,
        })
    }

    fn note_corrupt(&mut self) {
        if self.skipped > 0 {
            self.damage.corrupt_stretches += 1;
            self.damage.corrupt_bytes += std::mem::take(&mut self.skipped);
        }
    }

    /// Moves on by at least one byte to the next marker; false if there is none.
    fn skip_to_marker(&mut self) -> io::Result<bool> {
        let mut step = 1;
        loop {
            self.fill(step + MARKER.len())?;
            let rest = self.rest();
            let found = rest
                .get(step..)
                .and_then(|rest| rest.windows(MARKER.len()).position(|bytes| bytes == MARKER));
            if let Some(position) = found {
                self.skip(step + position);
                return Ok(true);
            }
            if self.at_end {
                self.skip(rest.len());
                return Ok(false);
            }
            // The marker may begin in the last bytes that are here.
            let keep = MARKER.len() - 1;
            self.skip(rest.len().saturating_sub(keep));
            step = 0;
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.skipped += bytes as u64;
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads on until `bytes` bytes are here or the file ends.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        const CHUNK_BYTES: u64 = 64 * 1024;
        while !self.at_end && self.rest().len() < bytes {
            self.buffer.drain(..self.start);
            self.start = 0;
            let read = (&mut self.source)
                .take(CHUNK_BYTES)
                .read_to_end(&mut self.buffer)?;
            self.at_end = (read as u64) < CHUNK_BYTES;
        }
        Ok(())
    }
}
