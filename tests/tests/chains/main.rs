//! The pool before real nodes that die, stall, lag, fork and lie.
//!
//! Ignored unless asked for: they need `litecoind` and `anvil`, which `tests/run chains` installs.

mod attacks;
mod bank;
mod bed;
mod cluster;
mod deposits;
mod evm;
mod exchange;
mod follow;
mod instances;
mod litecoin;
mod withdrawal_attacks;
mod withdrawals;
