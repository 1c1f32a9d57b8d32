//! The records of version 1: their fields, in the order in which they are written.

use super::super::field::Field;
use super::super::{CodecError, Layout, Reader, Writer};
use super::size_of;
use crate::command::*;
use crate::event::*;
use crate::mail::*;
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, AddressFormat, Amount, ApiKeyId, AssetId, BasisPoints, BookSequence, CancelCause, CancelRestriction,
    ChainAddress, ChainFreeze, ChainHash, ChainId, ChainInputs, ClientSessionId, DepositStage, FeeRate, FeeTiers,
    FirmId, HotWalletBounds, Incarnation, ListId, ListKind, LogPosition, LooseningEnd, LooseningId, MailSequence,
    MarketId, MarketProtection, MarketRules, MarketScale, MarketSchedule, MarketStatus, Networks, OrderId, OrderKind,
    Origin, PartitionId, Peg, PegSide, PhaseCause, PreventedMatchId, Price, Qty, RejectReason, ReplaceMode,
    ReservesStanding, ScheduleStep, SelfTradePrevention, Sequence, SessionId, Side, Sides, Sighting, SignedFeeRate,
    SpecialRules, StrategyLabel, Terms, TimeInForce, Timestamp, TradeGroupId, TradeId, TransactionBytes, UpdateId,
    WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

macro_rules! records {
    ($($name:ident { $($field:ident: $unit:ty),+ $(,)? })+) => {
        $(
            impl Field for $name {
                const SIZE: usize = 0 $(+ size_of::<$unit>())+;
                const UNIT: &'static str = stringify!($name);

                fn write(&self, to: &mut Writer<'_>) {
                    $(to.put::<$unit>(&self.$field);)+
                }

                fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                    Ok($name { $($field: from.get::<$unit>()?),+ })
                }
            }
        )+

        /// The records of this file.
        pub(super) const LAYOUTS: &[Layout] = &[
            $(Layout {
                name: stringify!($name),
                fields: &[$((stringify!($field), size_of::<$unit>(), <$unit as Field>::UNIT)),+],
            }),+
        ];
    };
}

mod chains;
mod commands;
mod events;
mod mails;

/// Every record of this version, family by family.
pub const LAYOUTS: [&[Layout]; 4] = [commands::LAYOUTS, mails::LAYOUTS, events::LAYOUTS, chains::LAYOUTS];
