//! Progress on standard error: a bar where that is a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[cfg(test)]
mod tests;

/// The time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far something has come.
pub enum Progress {
    /// Drawn over and over.
    Bar(ProgressBar),
    /// Told now and then.
    Lines(Lines),
}

/// Progress for logs.
pub struct Lines {
    total: u64,
    what: &'static str,
    done: u64,
    message: String,
    began: Instant,
    told: Instant,
}

/// Progress of `total` things called `what`.
pub fn bar(total: u64, what: &'static str) -> Progress {
    if !std::io::stderr().is_terminal() {
        return Progress::Lines(Lines::new(total, what, Instant::now()));
    }
    let template = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{elapsed}} gone, {{eta}} to go {{msg}}");
    let style = ProgressStyle::with_template(&template).expect("the template is legal");
    Progress::Bar(ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4)).with_style(style))
}

impl Progress {
    /// So many are done, and what else there is to say.
    pub fn set(&mut self, done: u64, message: String) {
        match self {
            Progress::Bar(bar) => {
                bar.set_message(message);
                bar.set_position(done);
            }
            Progress::Lines(lines) => {
                (lines.done, lines.message) = (done, message);
                if let Some(line) = lines.due(Instant::now()) {
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Nothing more is to come.
    pub fn finish(self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn new(total: u64, what: &'static str, now: Instant) -> Lines {
        Lines { total, what, done: 0, message: String::new(), began: now, told: now }
    }

    /// The next line, when it is time for one.
    fn due(&mut self, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.told) < LINE_EVERY {
            return None;
        }
        self.told = now;
        let Lines { total, what, done, message, .. } = self;
        let gone = now.saturating_duration_since(self.began).as_secs_f64();
        let mut line = format!("{done}/{total} {what}, {gone:.0} s gone");
        if *done > 0 {
            let left = total.saturating_sub(*done) as f64 * gone / *done as f64;
            line.push_str(&format!(", about {left:.0} s to go"));
        }
        if !message.is_empty() {
            line.push_str(&format!(", {message}"));
        }
        Some(line)
    }
}
