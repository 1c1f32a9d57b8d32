//! Where a process tells what it does. `RUST_LOG` filters.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Of a process that runs for long: everything from `info` on goes to standard output. Standard error is left
/// to what ends the process.
pub fn of_service() {
    let is_terminal = std::io::stdout().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter("info"))
        .with_ansi(is_terminal)
        .with_writer(std::io::stdout)
        .init();
}

/// Of a tool, whose standard output is its result: warnings go to standard error.
pub fn of_tool() {
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter("warn"))
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
