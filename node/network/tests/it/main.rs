//! Networks that connect in one process: over real sockets on tokio, and on the deterministic
//! runtime, by the same scenarios.

mod gossip;
mod harness;
mod misbehaviour;
mod peers;

/// Runs scenarios on both runtimes.
macro_rules! on_both_runtimes {
    ($($scenario:ident),* $(,)?) => {
        mod sockets {
            $(
                #[test]
                fn $scenario() {
                    $crate::harness::on_sockets(super::$scenario);
                }
            )*
        }

        mod deterministic {
            $(
                #[test]
                fn $scenario() {
                    $crate::harness::deterministic(super::$scenario);
                }
            )*
        }
    };
}

pub(crate) use on_both_runtimes;
