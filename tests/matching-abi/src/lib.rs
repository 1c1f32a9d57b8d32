//! The production market cell behind the C ABI of the public benchmark `flash1-dev/matching-engine-benchmark`
//! (`api/matching_engine_api.h`, commit 41656c8), so that anyone can check and measure it beside other engines.
//!
//! Nothing here matches: every message becomes the mail that a ledger cell would send ([`engine::MarketAlone`]),
//! every report is made of the mail that the cell answers. The harness's order ids are the client's words; as in
//! production, the venue counts its own ids upwards ([`orders`]). A modify is a withdrawal and a new order, which
//! is what the harness defines and what a cancel-replace is.
//!
//! The only crate of ours with `unsafe`: a C ABI has no other way. The contract of the header is what each block
//! relies on: one thread calls, pointers are valid for the call, `engine_init` comes first.

mod abi;
pub mod flow;
mod orders;
mod venue;

#[cfg(test)]
mod tests;

pub use abi::{Body, Cancel, Message, Modify, NewOrder, Report, Tagged, Transport};
