//! The agreement as its users see it.

mod block;
mod committee;
mod lone;
mod simulation;
