//! What the user sees: lines that stay, and below them one per node that is drawn again and again.
//! Where there is no terminal, the lines of the nodes come at intervals instead.

use std::{
    io::{IsTerminal as _, stdout},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the nodes are listed where nothing can be drawn again.
const INTERVAL: Duration = Duration::from_secs(10);

/// The screen; clones share it.
#[derive(Clone)]
pub(super) struct Screen(Arc<Kind>);

enum Kind {
    Terminal {
        all: MultiProgress,
        lines: Vec<ProgressBar>,
    },
    Plain {
        /// When the nodes were listed last.
        listed: Mutex<Option<Instant>>,
    },
}

impl Screen {
    /// A screen for so many nodes.
    pub(super) fn new(nodes: usize) -> Self {
        if !stdout().is_terminal() {
            let listed = Mutex::new(None);
            return Self(Arc::new(Kind::Plain { listed }));
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = |_| all.add(ProgressBar::new_spinner().with_style(style.clone()));
        let lines = (0..nodes).map(line).collect();
        Self(Arc::new(Kind::Terminal { all, lines }))
    }

    /// Says something that stays.
    pub(super) fn say(&self, text: &str) {
        match &*self.0 {
            Kind::Terminal { all, .. } => all.suspend(|| println!("{text}")),
            Kind::Plain { .. } => println!("{text}"),
        }
    }

    /// Shows the line of each node.
    pub(super) fn show(&self, shown: impl Iterator<Item = String>) {
        match &*self.0 {
            Kind::Terminal { lines, .. } => {
                for (line, text) in lines.iter().zip(shown) {
                    line.set_message(text);
                }
            }
            Kind::Plain { listed } => {
                let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
                if listed.is_none_or(|at| at.elapsed() >= INTERVAL) {
                    *listed = Some(Instant::now());
                    shown.for_each(|text| println!("{text}"));
                }
            }
        }
    }

    /// Leaves the lines as they are.
    pub(super) fn finish(&self) {
        if let Kind::Terminal { lines, .. } = &*self.0 {
            lines.iter().for_each(ProgressBar::abandon);
        }
    }
}
