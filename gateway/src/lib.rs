//! The exchange's front: Binance's Spot API over REST and WebSocket, from projections of the cluster's events.
//!
//! A request goes [`http`] → [`operations`] → [`order_entry`] or the projections of [`exchange::Exchange`],
//! which the feed keeps. A gateway holds nothing that is not in the log or rebuildable from it: any of them
//! can be killed at any time.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod addresses;
#[cfg(feature = "aeron")]
mod aeron;
pub mod auth;
pub mod cluster;
mod config;
pub mod errors;
pub mod exchange;
pub mod feed;
#[doc(hidden)]
pub mod fuzz;
mod gateway;
pub mod history;
pub mod http;
pub mod market_data;
mod metrics;
mod names;
pub mod operations;
pub mod order_entry;
pub mod params;
mod read_only;
mod reads;
pub mod reference;
mod serve;
pub mod streams;
pub mod surroundings;
#[cfg(test)]
mod testing;
pub mod throttle;
mod time_unit;
mod trace;
pub mod ws;

use cluster_client::by_id;
pub use config::{AeronIdle, AeronPlan, GatewayConfig, Limits};
pub use gateway::{Answer, Gateway, Peer, Phase};
pub use history::{History, HistoryConfig, HistoryConfigError};
pub use http::origin::{Proxies, Tell};
pub use http::tls::{ClientTls, TlsError};
pub use serve::{GatewayHandle, StartError, serve};
