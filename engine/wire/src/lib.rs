//! The words that the rooms of Mainstay share: units, ids, commands, events, mail, rejects, and their
//! binary layout.
//!
//! Everything that crosses a thread, a socket or a disk is defined here, and nothing else is. The crate
//! knows no I/O, no clock and no floating point, and depends on nothing but `core` and `alloc`.
//!
//! Read in the order an order travels: [`command`] enters the log, [`mail`] runs between cells,
//! [`event`] leaves the log, [`codec`] turns each into bytes, [`link`] frames them on a connection.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod amount;
mod api_key;
mod capacity;
mod chain;
pub mod codec;
pub mod command;
pub mod decimal;
pub mod event;
mod fee;
mod ids;
pub mod link;
pub mod mail;
mod market;
mod order;
#[cfg(feature = "planted")]
pub mod planted;
mod price;
mod protection;
mod qty;
mod reject;
mod schedule;
mod terms;
mod text;
mod time;
mod withdrawal;

pub use amount::Amount;
pub use api_key::{BadNetwork, Network, Networks};
pub use capacity::Capacity;
pub use chain::{AddressFormat, ChainAddress, ChainFreeze, ChainHash, DepositStage};
pub use command::Command;
pub use event::Event;
pub use fee::{FeeRate, FeeTier, FeeTiers, SignedFeeRate};
pub use ids::{
    AccountId, ApiKeyId, AssetId, BookSequence, ChainId, ClientSessionId, ClusterEpoch, FirmId, Incarnation, ListId,
    LogPosition, LooseningId, MailSequence, MarketId, NodeId, OrderId, PartitionId, PreventedMatchId, Sequence,
    SessionId, Term, TradeGroupId, TradeId, UpdateId, WithdrawalId,
};
pub use mail::Mail;
pub use market::{MarketRules, MarketScale, MarketStatus, PhaseCause, ScaleError, SpecialRules};
pub use order::{CancelCause, NAME_RETENTION_NS, OrderKind, Origin, SelfTradePrevention, Side, Sides, TimeInForce};
pub use price::Price;
pub use protection::MarketProtection;
pub use qty::Qty;
pub use reject::RejectReason;
pub use schedule::{MarketSchedule, ScheduleStep};
pub use terms::{BasisPoints, CancelRestriction, ListKind, Peg, PegSide, ReplaceMode, StrategyLabel, Terms};
pub use text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol, Text, TextError};
pub use time::Timestamp;
pub use withdrawal::{
    BatchMembers, ChainInput, ChainInputs, HotWalletBounds, LooseningEnd, ReservesStanding, Sighting, TransactionBytes,
    WithdrawalCause, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};
