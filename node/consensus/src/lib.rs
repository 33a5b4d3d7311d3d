//! The agreement: which sealed block is the chain.
