//! The exchange's front: Binance's Spot API over REST and WebSocket, from projections of the cluster's events.
//!
//! A request goes [`http`] → [`operations`] → order entry or projections; events come by the feed into
//! [`exchange::Exchange`]. A gateway holds nothing that is not in the log or rebuildable from it: any of
//! them can be killed at any time.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod auth;
pub mod cluster;
mod config;
pub mod errors;
pub mod exchange;
mod gateway;
pub mod market_data;
mod names;
pub mod operations;
pub mod params;
pub mod reference;
pub mod streams;
pub mod throttle;
pub mod ws;

pub use config::Limits;
pub use gateway::{Answer, Gateway, Peer};
