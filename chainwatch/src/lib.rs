//! Pools of blockchain nodes behind deposits and withdrawals.
//!
//! So far this crate holds the words that its rooms will share and the one rule that everything else
//! leans on: what a chain's head is when its nodes disagree. Deposits and withdrawals are plain credits and
//! debits of an operator until the pool stands behind them.

#![forbid(unsafe_code)]

mod head;
mod ids;
mod verdict;

pub use head::{AgreedHead, Head, Height, agreed_head};
pub use ids::{BlockHash, ChainNodeId, DepositId, TxId};
pub use verdict::Verdict;
