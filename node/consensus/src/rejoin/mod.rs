//! What a node does whose earlier votes may be lost: it asks the committee before it votes.
//!
//! The journal of an epoch keeps a node from contradicting itself. Without one (an empty data
//! directory, a lost disk) the node knows of no vote of its own; but the others know how far the
//! epoch had come at most when it cast its last one.
//!
//! **The bound.** A view is entered with a certificate of the one before, and no vote is cast in a
//! view that is not entered. So if this node voted in view `v`, a quorum voted in `v − 1`. Of `n`
//! members `f = ⌊(n − 1)/3⌋` may be at fault, this node among them as long as its votes are lost:
//! at least `n − 2f` sound ones voted in `v − 1`. Of `quorum − 1` other members that answer, at
//! least `quorum − f` are sound; of the `n − f` sound ones at least one did both. It names `v − 1`
//! or more, because it tells of a vote before the vote leaves it. So with `V` the highest view named,
//! **no lost vote is above `V + 1`**. Every answer was given after the loss, so the first one of a
//! member serves for ever, whatever the member does later.
//!
//! - If nobody has voted, there is no lost vote: the node begins. So does a new chain.
//! - Otherwise it follows until it knows of a final block of a view above `V + 1`, from which its
//!   engine then starts: it never votes in a view at or below the one of a certificate that it
//!   starts from.
//! - The first block of the next epoch comes after the last one of this epoch is final, in view `k`
//!   at the earliest if the epoch has `k` blocks. If `V < k`, no vote of a later epoch is lost.
//!   That lets a member that has just been voted in vote at once, where the chain waits for it: it
//!   asked when it still followed.
//!
//! All answers that come within [`GRACE`](asker::GRACE) count, not the fewest that suffice: a liar
//! that names too low a view must outweigh nobody. One that names too high a view keeps the node
//! from voting until the next epoch, and not longer.
//!
//! **A new chain.** Its members all ask, and one that began to vote would look, to one that has not
//! heard it before, as if votes could be lost. So every question says itself that its sender has not
//! begun, and is answered when that is on the disk; and an answer counts only from members that have
//! received this node's own question. Thus nobody begins before a quorum has noted that it has not
//! begun, and those can begin as well, whenever they crash.
//!
//! A channel of its own carries this, not the status message: the simulation then delays, loses and
//! forges it like everything else, and the note of receipt comes for nothing.

mod asker;
mod marks;
mod message;
mod standing;
mod voice;

pub(crate) use asker::{Asker, Bound, Question};
pub(crate) use marks::{mark, marks, remove};
pub(crate) use standing::{OwnVotes, Standing};
pub(crate) use voice::Voice;
