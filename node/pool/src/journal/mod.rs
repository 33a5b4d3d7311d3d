//! What a restart needs to bring the waiting transactions back.
//!
//! The journal is a file of records ([`record`]), one per transaction that came and one per
//! transaction that was thrown out. Transactions that went into a block need no record: their
//! nonce is used up. A record is one `write` call that has returned before the sender hears that
//! the transaction was accepted, so it survives the death of the process at any instant; with
//! the `fsync` option it survives that of the machine.
//!
//! Now and then the file is rewritten from what is still needed: into a temporary file next to
//! it that then takes its name, so that there is a whole journal at every instant.

pub mod reader;
pub mod record;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

pub use reader::{JournalDamage, JournalReader};
pub use record::{Entry, encode_removed};

/// An open journal, ready to be appended to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    compacted_len: u64,
    fsync: bool,
}

impl Journal {
    /// Opens the journal at `path`, creating it and its directory if absent.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, fsync: bool) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = Self::append_to(path)?;
        let len = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            len,
            compacted_len: len,
            fsync,
        })
    }

    /// Reads what the journal holds from its beginning.
    ///
    /// # Errors
    /// What the system says when the file is opened.
    pub fn reader(&self) -> io::Result<JournalReader<File>> {
        Ok(JournalReader::new(File::open(&self.path)?))
    }

    /// Bytes in the file.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that were in the file after it was last compacted or opened.
    pub const fn compacted_len(&self) -> u64 {
        self.compacted_len
    }

    /// Appends encoded records. When this returns they outlive the process.
    ///
    /// # Errors
    /// What the system says. The journal then ends where it ended before, or, if the system does
    /// not let it be cut, in a torn record that the reader skips.
    pub fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(records).and_then(|()| {
            if self.fsync {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        match written {
            Ok(()) => {
                self.len += records.len() as u64;
                Ok(())
            }
            Err(error) => {
                if self.file.set_len(self.len).is_err() {
                    self.len = self
                        .file
                        .metadata()
                        .map_or(self.len, |metadata| metadata.len());
                }
                Err(error)
            }
        }
    }

    /// Replaces the journal by one with just these encoded records.
    ///
    /// # Errors
    /// What the system says. Nothing is lost then: the journal is whole, old or new.
    pub fn compact<R: AsRef<[u8]>>(
        &mut self,
        records: impl IntoIterator<Item = R>,
    ) -> io::Result<()> {
        let temporary = self.sibling("new");
        let replaced = self.write_to(&temporary, records).and_then(|(file, len)| {
            fs::rename(&temporary, &self.path)?;
            Ok((file, len))
        });
        if replaced.is_err() {
            // It may not exist; what went wrong before is what the caller should hear of.
            let _ = fs::remove_file(&temporary);
        }
        (self.file, self.len) = replaced?;
        self.compacted_len = self.len;
        if self.fsync
            && let Some(directory) = self.path.parent()
        {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Copies the journal as it is to a file next to it, for someone to look into, and returns
    /// that file's path. An earlier copy is overwritten, so that they do not pile up.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep_copy(&self) -> io::Result<PathBuf> {
        let copy = self.sibling("damaged");
        fs::copy(&self.path, &copy)?;
        Ok(copy)
    }

    /// Lets every further write fail.
    #[cfg(test)]
    pub(crate) fn make_read_only(&mut self) {
        self.file = File::open(&self.path).expect("the journal exists");
    }

    /// Writes records to a new file, which is returned open for appending, with its length.
    fn write_to<R: AsRef<[u8]>>(
        &self,
        path: &Path,
        records: impl IntoIterator<Item = R>,
    ) -> io::Result<(File, u64)> {
        let mut writer = BufWriter::new(File::create(path)?);
        for record in records {
            writer.write_all(record.as_ref())?;
        }
        let written = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        if self.fsync {
            written.sync_all()?;
        }
        Ok((Self::append_to(path)?, written.metadata()?.len()))
    }

    fn sibling(&self, extension: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    }

    fn append_to(path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(path)
    }
}

#[cfg(test)]
mod tests;
