//! Pools of blockchain nodes behind deposits and withdrawals.
//!
//! No node is believed. [`pool`] decides, without I/O, whom to ask and which head is agreed; [`chain`] verifies every
//! byte that money depends on against the chain's own rules; [`tree`] holds the headers that both lean on; [`rpc`] speaks
//! to one node, and [`watch`] to all of them; [`follow`] walks the agreed chain block by block and back, and [`store`]
//! remembers how far. [`deposits`] proposes to the [`ledger`] what reaches the addresses of [`keys`], [`withdrawals`] drives what
//! leaves, and [`audit`] compares what is there with what should be.

#![forbid(unsafe_code)]

pub mod audit;
pub mod chain;
pub mod deposits;
pub mod follow;
mod head;
mod ids;
pub mod keys;
pub mod ledger;
pub mod pool;
pub mod reserves;
pub mod rpc;
pub mod signer;
pub mod store;
pub mod tree;
mod verdict;
pub mod watch;
pub mod withdrawals;

pub use head::{AgreedHead, Head, Height, agreed_head};
pub use ids::{BlockHash, ChainNodeId, DepositId, TxId};
pub use verdict::Verdict;
