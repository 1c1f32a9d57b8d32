//! A progress bar on standard error where that is a terminal; nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `total` things called `what`. indicatif itself draws nothing unless standard error is a
/// terminal.
pub fn bar(total: u64, what: &'static str) -> ProgressBar {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{elapsed}} gone, {{eta}} to go {{msg}}");
    let style = ProgressStyle::with_template(&template).expect("the template is legal");
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4)).with_style(style)
}
