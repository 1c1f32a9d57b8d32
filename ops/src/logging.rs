//! Where a process tells what it does, and in which form. `RUST_LOG` filters.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

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
    let is_terminal = std::io::stdout().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter("info")).with_writer(std::io::stdout);
    match form() {
        Form::Text => lines.with_ansi(is_terminal).init(),
        Form::Json => lines.json().flatten_event(true).init(),
    }
}

/// Of a tool, whose standard output is its result: warnings go to standard error.
pub fn of_tool() {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter("warn")).with_writer(std::io::stderr);
    match form() {
        Form::Text => lines.with_ansi(is_terminal).init(),
        Form::Json => lines.json().flatten_event(true).init(),
    }
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
