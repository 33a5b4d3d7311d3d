//! A consortium of real processes with real sockets: what outages, votes and operators' mistakes
//! do to its chain. After each story, no two nodes hold different blocks at one height, every
//! acknowledged transaction is in the chain, and what a client saw final is still there.
//!
//! A clock that is wrong is told in the simulation of `wattline-consensus`: the processes of one
//! machine share its clock.

mod blocks;
mod command;
mod load;
mod nodes;
mod operators;
mod outages;
mod ports;
mod rejoin;
mod votes;
mod watch;

use self::{load::Load, nodes::Cluster, watch::Watch};
