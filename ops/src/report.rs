//! How errors are told: the one place that prints them. Each cause once, though many errors name theirs in their own text; nothing is
//! broken into lines, so that paths and commands can be pasted.

use std::error::Error;
use std::fmt;
use std::io::IsTerminal;

use miette::{Diagnostic, Report, ReportHandler};

#[cfg(test)]
mod tests;

/// From now on reports are told so.
pub fn install() {
    // Another hook would have been set by nobody but this.
    let _ = miette::set_hook(Box::new(|_| Box::new(Told { is_colored: is_colored() })));
}

fn is_colored() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// What was asked for cannot be meant so: the process ends with 2, as for every other mistake in its arguments, and what failed
/// with 1.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{what}")]
pub struct Usage {
    what: String,
    #[help]
    help: Option<String>,
}

/// Arguments that contradict each other, or what they are about.
pub fn usage(what: impl Into<String>) -> Report {
    Usage { what: what.into(), help: None }.into()
}

/// The same, and what to write instead.
pub fn usage_with_help(what: impl Into<String>, help: impl Into<String>) -> Report {
    Usage { what: what.into(), help: Some(help.into()) }.into()
}

/// How a process ends that could not do what was asked.
pub fn exit_code(report: &Report) -> u8 {
    match report.downcast_ref::<Usage>() {
        Some(_) => USAGE,
        None => 1,
    }
}

/// As clap ends a process.
pub const USAGE: u8 = 2;

/// Of a process's end, or where people look.
struct Told {
    is_colored: bool,
}

impl ReportHandler for Told {
    fn debug(&self, error: &dyn Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let painted = |text: &str, color: u8| match self.is_colored {
            true => format!("\x1b[{color}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        if let Some(code) = error.code() {
            writeln!(f, "{}\n", painted(&code.to_string(), 31))?;
        }
        write!(f, "  {} {}", painted("×", 31), below(&error.to_string()))?;
        let causes = causes(error);
        for (at, cause) in causes.iter().enumerate() {
            let sign = if at + 1 == causes.len() { "╰─▶" } else { "├─▶" };
            write!(f, "\n  {} {}", painted(sign, 31), below(cause))?;
        }
        match error.help() {
            Some(help) => write!(f, "\n  {} {}", painted("help:", 36), below(&help.to_string())),
            None => Ok(()),
        }
    }
}

/// In one line, for what tells it in a sentence of its own.
pub fn in_a_line(report: &Report) -> String {
    let mut text = report.to_string();
    for cause in causes(report.as_ref()) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    if let Some(help) = report.help() {
        text.push_str("; ");
        text.push_str(&help.to_string());
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What the error does not say itself.
fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let (mut said, mut causes) = (error.to_string(), Vec::new());
    let mut next: Option<&dyn Error> = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(text.trim()) {
            said.push_str(&text);
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// Further lines stand below the first.
fn below(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}
