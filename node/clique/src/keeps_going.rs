use std::collections::BTreeSet;

use alloy_primitives::Address;

use crate::Snapshot;

/// Whether the chain can go on after a block whose snapshot this is, if `committee` decides the
/// next one and as many of it are gone for good as an agreement bears: `f = floor((n - 1) / 3)`.
///
/// Only who is a signer and in the committee gets blocks of its own agreed on. The right to seal
/// follows votes at once, the committee only from one epoch to the next, and EIP-225 keeps up to
/// `floor(s / 2)` of `s` signers from sealing, as they sealed lately. So one of those who are in
/// both and there must be left after them: `both - f > floor(s / 2)`. Otherwise nobody may seal
/// the next block, ever. The simplest case is a lone signer that votes in a second: both would have
/// to seal in turns from the next block on, and the second is in no committee yet.
///
/// A committee therefore takes no block that changes the signers so that this does not hold. The
/// header rules do not ask for it; whoever has the votes of a committee has its word already.
pub fn keeps_going(committee: &BTreeSet<Address>, snapshot: &Snapshot) -> bool {
    let both = committee.intersection(&snapshot.signers).count();
    let gone = committee.len().saturating_sub(1) / 3;
    both.saturating_sub(gone) > snapshot.signers.len() / 2
}
