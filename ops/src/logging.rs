//! Where a process tells what it does: standard output, filtered by `RUST_LOG`.

use tracing_subscriber::EnvFilter;

/// Starts logging; `info` unless `RUST_LOG` says otherwise. The terminal's colours are left to terminals.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))
        .with_writer(std::io::stdout)
        .init();
}
