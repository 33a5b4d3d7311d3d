//! Which blocks have logs of an address or with a topic.
//!
//! Blooms in headers do not tell once blocks are large: some hundred logs of distinct accounts fill
//! all of a bloom's 2,048 bits, and every block is a candidate. So each block leaves *marks*
//! behind, one for each address that logs and for each topic at its position: a short fingerprint
//! of the value and the block's place within its section of [`SECTION`](marks::SECTION) blocks.
//!
//! Marks are written as an LSM tree writes: those of a block are one sorted run at the end of a
//! table, and with the last block of a section its runs become one. Values are random (two accounts
//! in each transfer of a token), so a tree of them by value would touch a page for nearly every one
//! of them; a run touches as many pages as it fills, and a search one or two per section and value.

mod index;
mod marks;
mod search;

pub(crate) use index::append;
pub(crate) use marks::{Mark, Marks};
pub use search::{LogBlocks, LogPattern};
