//! Large answers, turned into JSON piece by piece on the thread that makes them and within a limit.

use std::io;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{RpcError, execution::tracer::too_large};

/// A finished part of an answer.
pub(crate) type Json = Box<RawValue>;

/// The bytes that an answer may still take.
#[derive(Debug)]
pub(crate) struct JsonBudget {
    left: usize,
    limit: usize,
}

impl JsonBudget {
    /// The budget of an answer of `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    /// Turns a part of the answer into JSON.
    ///
    /// # Errors
    ///
    /// [`RpcError::LimitExceeded`] if the budget does not suffice.
    pub(crate) fn serialize<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<Json, RpcError> {
        let mut writer = Writer {
            bytes: Vec::new(),
            left: self.left,
            full: false,
        };
        let written = serde_json::to_writer(&mut writer, part);
        if writer.full {
            return Err(too_large(self.limit));
        }
        let internal = |error: &dyn std::fmt::Display| RpcError::Internal(error.to_string());
        written.map_err(|error| internal(&error))?;
        self.left = writer.left;
        let text = String::from_utf8(writer.bytes).map_err(|error| internal(&error))?;
        RawValue::from_string(text).map_err(|error| internal(&error))
    }
}

struct Writer {
    bytes: Vec<u8>,
    left: usize,
    full: bool,
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::JsonBudget;

    #[test]
    fn parts_share_the_budget() {
        let mut budget = JsonBudget::new(8);
        assert_eq!(budget.serialize(&[1, 2]).expect("fits").get(), "[1,2]");
        assert_eq!(budget.serialize(&"a").expect("fits exactly").get(), "\"a\"");
        let error = budget.serialize(&1).expect_err("nothing is left");
        assert!(
            error
                .to_string()
                .starts_with("the trace is larger than 8 bytes")
        );
    }
}
