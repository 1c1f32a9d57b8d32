//! Where a process tells what it does, and in which form. `RUST_LOG` filters: a level, or levels by module.

use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that says what is told. Spans and fields are not filtered by: that would want regular expressions.
const FILTER: &str = "RUST_LOG";

/// The variable that says the form to a process which is not told by `--log`: a demo's processes inherit it.
pub const VARIABLE: &str = "MAINSTAY_LOG";

/// In which form lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

static CHOSEN: OnceLock<Form> = OnceLock::new();

/// From now on in this form; the first choice counts.
pub fn choose(form: Option<Form>) {
    if let Some(form) = form {
        let _ = CHOSEN.set(form);
    }
}

/// The form of this process.
pub fn form() -> Form {
    *CHOSEN.get_or_init(|| match std::env::var(VARIABLE).as_deref() {
        Ok("json") => Form::Json,
        _ => Form::Text,
    })
}

/// Of a process that runs for long: everything from `info` on goes to standard output. Standard error is left
/// to what ends the process.
pub fn of_service() {
    begin(Targets::new().with_default(LevelFilter::INFO), std::io::stdout, std::io::stdout().is_terminal());
}

/// Of a tool, whose standard output is its result: warnings go to standard error. Logs that tools open are copies, which may end in the
/// middle of what a node was writing: that the log's store cuts those off is no news.
pub fn of_tool() {
    let warnings = Targets::new().with_default(LevelFilter::WARN).with_target("raft_engine", LevelFilter::ERROR);
    begin(warnings, std::io::stderr, std::io::stderr().is_terminal());
}

fn begin<W>(default: Targets, writer: W, is_terminal: bool)
where
    W: for<'a> MakeWriter<'a> + Copy + Send + Sync + 'static,
{
    let (filter, misunderstood) = filter(std::env::var(FILTER).ok().as_deref(), default);
    let text = (form() == Form::Text).then(|| fmt::layer().with_writer(writer).with_ansi(is_terminal));
    let json = (form() == Form::Json).then(|| fmt::layer().json().flatten_event(true).with_writer(writer));
    tracing_subscriber::registry().with(filter).with(text).with(json).init();
    if let Some(why) = misunderstood {
        tracing::warn!("{FILTER} is ignored: {why}; it is written as in `warn,gateway=debug`");
    }
}

/// What `wanted` lets through, or from `default` on, and then why that.
fn filter(wanted: Option<&str>, default: Targets) -> (Targets, Option<String>) {
    let wanted = wanted.map(str::trim).filter(|text| !text.is_empty());
    match wanted.map(Targets::from_str) {
        None => (default, None),
        Some(Ok(targets)) => (targets, None),
        Some(Err(error)) => (default, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
