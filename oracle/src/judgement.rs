//! What the contract's verdict on a reading means for it.

use wattline_market::abi::IMetering::Verdict;

/// Whether a reading is on the chain, or may be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Stored, or stored before.
    Stored,
    /// Refused; the same reading may be taken later.
    Later(&'static str),
    /// Refused for good.
    Never(&'static str),
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted | Verdict::Repeated => Self::Stored,
            Verdict::UnknownMeter => Self::Later("unknown_meter"),
            Verdict::InFuture => Self::Later("in_future"),
            Verdict::OutOfReach => Self::Later("out_of_reach"),
            Verdict::WrongSigner => Self::Never("wrong_signer"),
            Verdict::UnalignedTime => Self::Never("unaligned_time"),
            Verdict::Backwards => Self::Never("backwards"),
            Verdict::BeyondRating => Self::Never("beyond_rating"),
            Verdict::Conflict => Self::Never("conflict"),
            Verdict::NotZoneOperator => Self::Never("not_zone_operator"),
            Verdict::BeforeDeadline => Self::Never("before_deadline"),
            Verdict::BeforeRegistration => Self::Never("before_registration"),
            Verdict::__Invalid => Self::Never("unknown_verdict"),
        }
    }
}
