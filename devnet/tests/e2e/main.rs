//! The real programs of the neighbourhood, with a real node.

mod market;
