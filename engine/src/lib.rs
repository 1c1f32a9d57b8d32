//! The cells of an exchange: deterministic, single-threaded state machines that are a function of their log.
//!
//! [`Partition`] is the way in: [`Partition::apply`] takes a sequenced [`wire::Command`] and fills an [`Output`].
//! Follow an order from there: `ledger` checks it and holds its funds, `market` matches it, `ledger`
//! settles what the market answers. Nothing here reads a clock, draws a random number, starts a thread or touches a
//! file; nothing is iterated in hash order; every table and queue has a stated capacity ([`Limits`]).

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::disallowed_types, clippy::disallowed_methods)]

mod block_queue;
mod digest;
mod effects;
mod index;
mod ledger;
mod limits;
mod mailbox;
mod market;
mod market_alone;
mod name_index;
mod order_index;
mod partition;
mod snapshot;
mod version;

pub use effects::Sink;
pub use ledger::{AssetAudit, Listings};
pub use limits::{Limits, MARKET_ROW_BYTES, ROW_BYTES};
pub use mailbox::Outbox;
pub use market::DEPTH_WINDOW_NS;
pub use market_alone::MarketAlone;
pub use partition::{Output, Partition, PartitionConfig};
pub use snapshot::SnapshotError;
pub use version::VERSIONS;
