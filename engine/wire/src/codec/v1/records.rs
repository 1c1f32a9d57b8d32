//! The records of version 1: their fields, in the order in which they are written.

use super::super::field::Field;
use super::super::{CodecError, Layout, Reader, Writer};
use super::size_of;
use crate::command::*;
use crate::event::*;
use crate::mail::*;
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, AddressFormat, Amount, ApiKeyId, AssetId, BasisPoints, BatchMembers, BookSequence, CancelCause,
    CancelRestriction, Capacity, ChainAddress, ChainFreeze, ChainHash, ChainId, ChainInputs, ClientSessionId,
    DepositStage, FeeRate, FeeTiers, FirmId, HotWalletBounds, Incarnation, ListId, ListKind, LogPosition, LooseningEnd,
    LooseningId, MailSequence, MarketId, MarketProtection, MarketRules, MarketScale, MarketSchedule, MarketStatus,
    Networks, OrderId, OrderKind, Origin, PartitionId, Peg, PegSide, PhaseCause, PreventedMatchId, Price, Qty,
    RejectReason, ReplaceMode, ReservesStanding, ScheduleStep, SelfTradePrevention, Sequence, SessionId, Side, Sides,
    Sighting, SignedFeeRate, SpecialRules, StrategyLabel, Terms, TimeInForce, Timestamp, TradeGroupId, TradeId,
    TransactionBytes, UpdateId, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

macro_rules! records {
    ($($name:ident { $($field:ident: $unit:ty),+ $(,)? })+) => {
        $(
            impl Field for $name {
                const SIZE: usize = 0 $(+ size_of::<$unit>())+;
                const UNIT: &'static str = stringify!($name);
                const IS_FIXED: bool = true $(&& <$unit as Field>::IS_FIXED)+;

                #[inline]
                fn write(&self, to: &mut Writer<'_>) {
                    if Self::IS_FIXED {
                        let mut row = [0; Self::SIZE];
                        self.lay(&mut row);
                        to.bytes(&row);
                    } else {
                        $(to.put::<$unit>(&self.$field);)+
                    }
                }

                #[inline(always)]
                fn lay(&self, row: &mut [u8]) {
                    let rest = row;
                    $(
                        let (field, rest) = rest.split_at_mut(size_of::<$unit>());
                        self.$field.lay(field);
                    )+
                    debug_assert!(rest.is_empty(), "a row is as long as its record");
                }

                #[inline]
                fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                    if Self::IS_FIXED {
                        // One look at what is left for all fields.
                        let mut row = Reader::new(from.bytes(Self::SIZE)?);
                        Ok($name { $($field: row.get::<$unit>()?),+ })
                    } else {
                        Ok($name { $($field: from.get::<$unit>()?),+ })
                    }
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
