//! A progress bar for long work; silent where standard error is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts `unit`s up to `total`, with speed and time left.
pub(crate) fn bar(total: u64, action: &'static str, unit: &str) -> ProgressBar {
    let template = format!(
        "{{msg}} {{bar:32}} {{human_pos}}/{{human_len}} {unit} ({{per_sec}}, {{eta}} left)"
    );
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total)
        .with_style(style)
        .with_message(action)
}
