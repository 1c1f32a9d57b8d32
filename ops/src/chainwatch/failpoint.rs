//! Where tests end the process: `MAINSTAY_DIE_AT=after-send` is SIGKILL right after a transaction was sent. Nothing else reads
//! it, and whoever may set it may kill the process anyway.

use std::sync::LazyLock;

use ::chainwatch::withdrawals::Edge;
use nix::sys::signal::{Signal, raise};

static DIE_AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MAINSTAY_DIE_AT").ok());

pub fn reached(edge: Edge) {
    if DIE_AT.as_ref().is_some_and(|wanted| edge.to_string() == *wanted) {
        let _ = raise(Signal::SIGKILL);
    }
}
