//! What a restart needs to bring the waiting transactions back.
//!
//! The journal is a file of records ([`record`]), one per transaction that came and one per
//! transaction that was thrown out. Transactions that went into a block need no record: their
//! nonce is used up. The record of a transaction is written, and the disk has confirmed it, before
//! the sender hears that the transaction was accepted, so it survives the death of the process and
//! of the machine at any instant; without `fsync`, that of the process only.
//!
//! Now and then the file is rewritten from what is still needed: into a temporary file next to
//! it that then takes its name, so that there is a whole journal at every instant.

pub mod reader;
pub mod record;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

pub use reader::{JournalDamage, JournalReader};
pub use record::{Entry, encode_removed};

/// What the journal asks of its file. A test looks on here, and lets it fail.
pub(crate) trait JournalFile: Write + fmt::Debug + Send {
    /// Waits until the disk has all that was written.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
}

impl JournalFile for File {
    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// An open journal, ready to be appended to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Box<dyn JournalFile>,
    len: u64,
    compacted_len: u64,
    fsync: bool,
    /// Whether the directory may not know the file yet, so that syncing the file is not enough.
    new_in_directory: bool,
    /// Whether the file holds records that were refused and could not be cut off.
    holds_refused: bool,
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
            file: Box::new(file),
            len,
            compacted_len: len,
            fsync,
            new_in_directory: true,
            holds_refused: false,
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

    /// Whether it holds what it should not, or is more than `slack_bytes` larger than twice its
    /// size after it was last compacted or opened.
    pub const fn wants_compaction(&self, slack_bytes: u64) -> bool {
        let allowed = self
            .compacted_len
            .saturating_mul(2)
            .saturating_add(slack_bytes);
        self.holds_refused || self.len > allowed
    }

    /// Appends encoded records. When this returns they outlive the machine, or without `fsync`
    /// the process.
    ///
    /// # Errors
    /// What the system says. The journal then ends where it ended before; if the system does not
    /// let it be cut, it [wants compaction](Self::wants_compaction).
    pub fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.write(records).and_then(|()| self.sync());
        self.confirm(records, written)
    }

    /// Like [`append`](Self::append), but the machine may forget these records when it dies.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn append_unsynced(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.write(records);
        self.confirm(records, written)
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all(records)
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.fsync {
            return Ok(());
        }
        if self.new_in_directory {
            self.sync_directory()?;
        }
        self.file.sync_data()
    }

    fn confirm(&mut self, records: &[u8], written: io::Result<()>) -> io::Result<()> {
        if written.is_ok() {
            self.len += records.len() as u64;
        } else if self.file.set_len(self.len).is_err() {
            self.len = self.file.len().unwrap_or(self.len);
            self.holds_refused = true;
        }
        written
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let directory = match self.path.parent() {
            Some(directory) if directory != Path::new("") => directory,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()?;
        self.new_in_directory = false;
        Ok(())
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
        let (file, len) = replaced?;
        (self.file, self.len, self.compacted_len) = (Box::new(file), len, len);
        (self.new_in_directory, self.holds_refused) = (true, false);
        if self.fsync {
            self.sync_directory()?;
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
        self.file = Box::new(File::open(&self.path).expect("the journal exists"));
    }

    /// Puts another file, made of one at the end of the journal, in the place of its own.
    #[cfg(test)]
    pub(crate) fn replace_file<F: JournalFile + 'static>(&mut self, with: impl FnOnce(File) -> F) {
        let file = Self::append_to(&self.path).expect("the journal exists");
        self.file = Box::new(with(file));
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
