//! Asking the committee how far it has come, and answering the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use commonware_codec::{Copying, DecodeExt as _, EncodeFixed as _};
use commonware_consensus::types::{Epoch, View, ViewDelta};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::Error as RuntimeError;
use commonware_utils::SystemTimeExt as _;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{OwnVotes, Standing, mark, marks, message::Message, remove};
use crate::{AgreementError, Runtime};

/// How often a question is repeated.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long more answers are waited for than are needed.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How often the operator is told who has not answered.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Above what no vote of this node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The epoch in which the committee was asked.
    pub(crate) epoch: Epoch,
    /// The highest view in which a member of its committee had voted; 0 if none had.
    pub(crate) view: View,
}

impl Bound {
    /// The newest that is noted in the storage of this node.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read.
    pub(crate) async fn load<E: Runtime>(
        ctx: &E,
        partition: &str,
    ) -> Result<Option<Self>, RuntimeError> {
        let bounds = marks(ctx, &bounds(partition)).await?;
        let bounds = bounds.iter().filter_map(|name| {
            let (epoch, view) = name.split_first_chunk()?;
            Some((
                u64::from_be_bytes(*epoch),
                u64::from_be_bytes(view.try_into().ok()?),
            ))
        });
        Ok(bounds.max().map(|(epoch, view)| Self {
            epoch: Epoch::new(epoch),
            view: View::new(view),
        }))
    }

    async fn store<E: Runtime>(&self, ctx: &E, partition: &str) -> Result<(), RuntimeError> {
        let name = [self.epoch.get(), self.view.get()].map(u64::to_be_bytes);
        mark(ctx, &bounds(partition), name.as_flattened()).await
    }

    /// The highest view of its epoch in which a vote may be lost.
    pub(crate) fn lost(&self) -> View {
        if self.view.is_zero() {
            View::zero()
        } else {
            self.view.saturating_add(ViewDelta::new(1))
        }
    }
}

fn bounds(partition: &str) -> String {
    format!("{partition}-bounds")
}

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) epoch: Epoch,
    /// The members of its committee but this node.
    pub(crate) members: BTreeSet<PublicKey>,
    /// How many of them must answer.
    pub(crate) needed: usize,
    /// Whether this node is to vote as soon as it may.
    pub(crate) is_member: bool,
}

/// Asks when there is a question, and answers at any time.
pub(crate) struct Asker<S, R, B> {
    pub(crate) partition: String,
    pub(crate) sender: S,
    pub(crate) receiver: R,
    pub(crate) blocker: B,
    pub(crate) votes: OwnVotes,
    pub(crate) question: watch::Receiver<Option<Question>>,
    pub(crate) bound: watch::Sender<Option<Bound>>,
}

/// A question and what is known of its answer.
struct Open {
    question: Question,
    /// The first that each member said.
    said: BTreeMap<PublicKey, View>,
    /// Those that have answered, and so have taken note of what this node says.
    answered: BTreeSet<PublicKey>,
    since: SystemTime,
    told: SystemTime,
}

impl<S, R, B> Asker<S, R, B>
where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs until the network or the agreement ends.
    ///
    /// # Errors
    ///
    /// If the storage of this node fails.
    pub(crate) async fn run<E: Runtime>(mut self, ctx: E) -> Result<(), AgreementError> {
        let mut open = None;
        let mut ask_at = ctx.current();
        loop {
            tokio::select! {
                biased;
                changed = self.question.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let question = self.question.borrow_and_update().clone();
                    open = match question {
                        Some(question) => Some(Open::load(&ctx, &self.answers(), question).await?),
                        None => None,
                    };
                    ask_at = ctx.current();
                }
                () = ctx.sleep_until(ask_at) => {
                    if let Some(open) = &mut open {
                        self.ask(open, ctx.current());
                    }
                    ask_at = ctx.current().saturating_add_ext(ASK_EVERY);
                }
                received = self.receiver.recv() => {
                    let Ok((peer, bytes)) = received else {
                        return Err(AgreementError::Ended("the channel of standings"));
                    };
                    self.hear(&ctx, &mut open, peer, bytes.as_ref()).await?;
                }
            }
            if let Some(bound) = open.as_ref().and_then(|open| open.bound(ctx.current())) {
                info!(epoch = %bound.epoch, view = %bound.view, "the committee says how far it is");
                bound.store(&ctx, &self.partition).await?;
                remove(&ctx, &self.answers()).await?;
                self.bound.send_replace(Some(bound));
                open = None;
            }
        }
    }

    fn ask(&mut self, open: &mut Open, now: SystemTime) {
        let silent: Vec<_> = open.missing().cloned().collect();
        if open.question.is_member && passed(open.told, now) >= TELL_EVERY {
            open.told = now;
            let known = open.question.members.len() - silent.len();
            warn!(
                epoch = %open.question.epoch, known, needed = open.question.needed, ?silent,
                "votes of this node may be lost: waiting for members of the committee to say how \
                 far they are"
            );
        }
        let message = self.message(true);
        self.sender
            .send(Recipients::Some(silent), message.encode(), true);
    }

    async fn hear<E: Runtime>(
        &mut self,
        ctx: &E,
        open: &mut Option<Open>,
        peer: PublicKey,
        bytes: &[u8],
    ) -> Result<(), RuntimeError> {
        let Some(message) = Message::decode(bytes) else {
            warn!(%peer, bytes = bytes.len(), "a peer says what is no standing");
            let _ = self.blocker.block(peer);
            return Ok(());
        };
        debug!(%peer, ?message, "standing");
        if let Some(open) = open
            && open.question.members.contains(&peer)
            && let Some(view) = open.question.read(&message)
        {
            if !open.said.contains_key(&peer) {
                // Before the answer: the peer relies on it.
                let name = name(open.question.epoch, &peer, view);
                mark(ctx, &self.answers(), &name).await?;
                open.said.insert(peer.clone(), view);
            }
            if !message.asks {
                open.answered.insert(peer.clone());
            }
        }
        if message.asks {
            let answer = self.message(false);
            // With a question that is not taken up the peer's standing is not noted. It asks again.
            if !self.question.has_changed().unwrap_or(true) {
                self.sender
                    .send(Recipients::One(peer), answer.encode(), true);
            }
        }
        Ok(())
    }

    fn message(&self, asks: bool) -> Message {
        let (epoch, standing) = self.votes.get();
        Message {
            asks,
            epoch,
            standing,
        }
    }

    /// What members said first, until the question is answered.
    fn answers(&self) -> String {
        format!("{}-answers", self.partition)
    }
}

impl Question {
    /// Up to which view of the question's epoch the sender has voted, if the message says so.
    fn read(&self, message: &Message) -> Option<View> {
        match message.standing {
            Standing::Voted(view) if message.epoch == self.epoch => Some(view),
            // Its votes are those of an earlier epoch, and it has all of them.
            Standing::Voted(_) if message.epoch < self.epoch => Some(View::zero()),
            Standing::NotBegun if message.epoch == self.epoch => Some(View::zero()),
            // It does not know, or the epoch is over: this node will come to know that.
            _ => None,
        }
    }
}

impl Open {
    /// Takes up a question, with what was said in an earlier run.
    async fn load<E: Runtime>(
        ctx: &E,
        answers: &str,
        question: Question,
    ) -> Result<Self, RuntimeError> {
        let mut said = BTreeMap::new();
        for name in marks(ctx, answers).await? {
            let Some((epoch, key, view)) = answer(&name) else {
                continue;
            };
            if epoch == question.epoch {
                said.insert(key, view);
            } else {
                ctx.remove(answers, Some(&name)).await?;
            }
        }
        let since = ctx.current();
        Ok(Self {
            question,
            said,
            answered: BTreeSet::new(),
            since,
            told: since,
        })
    }

    /// The members that the answer lacks.
    fn missing(&self) -> impl Iterator<Item = &PublicKey> {
        let is_known =
            |key: &&PublicKey| self.said.contains_key(key) && self.answered.contains(key);
        self.question
            .members
            .iter()
            .filter(move |key| !is_known(key))
    }

    /// The answer, if enough members gave theirs.
    fn bound(&self, now: SystemTime) -> Option<Bound> {
        let missing = self.missing().count();
        let known = self.question.members.len() - missing;
        let is_enough =
            known >= self.question.needed && (missing == 0 || passed(self.since, now) >= GRACE);
        is_enough.then(|| Bound {
            epoch: self.question.epoch,
            view: self.said.values().max().copied().unwrap_or(View::zero()),
        })
    }
}

fn passed(since: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(since).unwrap_or_default()
}

/// The name under which an answer is kept.
fn name(epoch: Epoch, key: &PublicKey, view: View) -> Vec<u8> {
    let key: [u8; 32] = key.encode_fixed();
    [
        &epoch.get().to_be_bytes()[..],
        &view.get().to_be_bytes(),
        &key,
    ]
    .concat()
}

fn answer(name: &[u8]) -> Option<(Epoch, PublicKey, View)> {
    let (epoch, rest) = name.split_first_chunk()?;
    let (view, key) = rest.split_first_chunk()?;
    Some((
        Epoch::new(u64::from_be_bytes(*epoch)),
        PublicKey::decode(Copying(key)).ok()?,
        View::new(u64::from_be_bytes(*view)),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    const EPOCH: Epoch = Epoch::new(5);

    fn key(number: u64) -> PublicKey {
        PrivateKey::from_seed(number).public_key()
    }

    fn says(epoch: u64, standing: Standing) -> Message {
        Message {
            asks: false,
            epoch: Epoch::new(epoch),
            standing,
        }
    }

    fn open() -> Open {
        Open {
            question: Question {
                epoch: EPOCH,
                members: (1..4).map(key).collect(),
                needed: 2,
                is_member: true,
            },
            said: BTreeMap::new(),
            answered: BTreeSet::new(),
            since: UNIX_EPOCH,
            told: UNIX_EPOCH,
        }
    }

    #[test]
    fn what_members_say_is_read_for_the_epoch_of_the_question() {
        let question = open().question;
        let read = |epoch, standing| question.read(&says(epoch, standing)).map(View::get);
        let voted = Standing::Voted(View::new(9));
        assert_eq!(read(5, voted), Some(9));
        assert_eq!(read(4, voted), Some(0));
        assert_eq!(read(5, Standing::NotBegun), Some(0));
        // A member that is behind may have lost votes of this epoch.
        assert_eq!(read(4, Standing::NotBegun), None);
        for epoch in 4..7 {
            assert_eq!(read(epoch, Standing::Unknown), None);
        }
        assert_eq!(read(6, voted), None);
        assert_eq!(read(6, Standing::NotBegun), None);
    }

    #[test]
    fn an_answer_takes_enough_members_that_know_this_node_too() {
        let (early, late) = (UNIX_EPOCH, UNIX_EPOCH + GRACE);
        let mut open = open();
        open.said.insert(key(1), View::new(7));
        open.said.insert(key(2), View::zero());
        open.answered.insert(key(1));
        // Node 2 asked, and has not heard this node.
        assert_eq!(open.bound(late), None);
        open.answered.insert(key(2));
        assert_eq!(open.bound(early), None);
        let bound = Bound {
            epoch: EPOCH,
            view: View::new(7),
        };
        assert_eq!(open.bound(late), Some(bound));
        // When all have answered nobody is waited for.
        open.said.insert(key(3), View::new(8));
        open.answered.insert(key(3));
        let bound = open.bound(early).expect("all have answered");
        assert_eq!(bound.lost(), View::new(9));
    }

    #[test]
    fn answers_are_kept_as_they_were_given() {
        let name = name(EPOCH, &key(3), View::new(1 << 40));
        assert_eq!(answer(&name), Some((EPOCH, key(3), View::new(1 << 40))));
        assert_eq!(answer(&name[..40]), None);
    }
}
