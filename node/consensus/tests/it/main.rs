//! The agreement as its users see it.

mod block;
mod certificate;
mod committee;
mod lone;
mod simulation;
