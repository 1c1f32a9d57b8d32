//! Market streams: who listens to what, and the fan-out of events.
//!
//! Every event is written once per stream and shape (raw, combined), as the frame that goes over the wire ([`Frame`]),
//! and its bytes are shared by all clients. What follows the log (trades, depth, best prices) is published while its command is applied;
//! depth windows are the market cell's, in log time, so that `U` and `u` are the same on every gateway.
//! What follows a beat (klines, tickers) is told by [`beat`].

mod beat;
mod couriers;
pub(crate) mod events;
mod frame;
mod hub;
pub(crate) mod market_events;
mod name;
mod outbox;

pub use beat::{BEAT, run_beat};
pub use couriers::Couriers;
pub use frame::Frame;
pub use hub::{Census, Hub, STREAMS_MAX, SubscribeError, Subscriber};
pub use name::{Kind, Pace, StreamName, TickerPace};
pub use outbox::{Bounds, Content, Outbox, Property, Taken, Wire};

#[cfg(test)]
mod tests;
