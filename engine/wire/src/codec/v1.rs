//! Version 1 of the layouts. Frozen when 0.1.0 is released: from then on never edit a record, add a `v2` instead.
//! Until then a change moves the data directory's format number (`node::data_dir`), so that older bytes are refused.
//!
//! A command, mail, event or reply is a tag byte and a record; a record is its fields in the order
//! written in `records`, without padding. SCHEMA.md draws them.

mod records;

use alloc::vec::Vec;

pub use self::records::LAYOUTS;
use super::field::Field;
use super::{CodecError, Reader, Writer};
use crate::command::*;
use crate::mail::*;
use crate::{
    AccountId, Amount, ClientOrderId, Command, Event, ListKind, Mail, MarketId, OrderKind, Price, Qty,
    SelfTradePrevention, Side, TimeInForce,
};

/// Bytes of a field or record.
const fn size_of<F: Field>() -> usize {
    F::SIZE
}

macro_rules! tagged {
    ($name:ident { $($tag:literal => $variant:ident),+ $(,)? }) => {
        impl $name {
            /// The tag of every variant.
            #[cfg(test)]
            const TAGS: &'static [u8] = &[$($tag),+];

            /// The tag and the name of every variant: what there is to be counted.
            pub const NAMES: &'static [(u8, &'static str)] = &[$(($tag, stringify!($variant))),+];

            /// The first byte of its encoding.
            pub const fn tag(&self) -> u8 {
                match self {
                    $($name::$variant(_) => $tag,)+
                }
            }

            fn read_tagged(from: &mut Reader<'_>) -> Result<$name, CodecError> {
                match from.get::<u8>()? {
                    $($tag => Ok($name::$variant(from.get()?)),)+
                    _ => Err(CodecError::UnknownNumber),
                }
            }

            fn write_tagged(&self, to: &mut Writer<'_>) {
                match self {
                    $($name::$variant(record) => {
                        to.put::<u8>(&$tag);
                        to.put(record);
                    })+
                }
            }
        }
    };
}

tagged! {
    Mail {
        1 => CreateMarket,
        2 => ChangeMarketStatus,
        3 => PlaceOrder,
        4 => PullOrder,
        5 => PullOrders,
        6 => ChangeMarketCapacity,
        16 => OrderRefused,
        17 => OrderFilled,
        18 => OrderRested,
        19 => OrderEnded,
        20 => PullRefused,
        21 => OrdersPulled,
        50 => ChangeMarketSchedule,
        51 => MarketReported,
        52 => ChangeMarketProtection,
        53 => ChangeMarketRules,
        60 => TradePrevented,
        61 => MarketQuarantined,
        40 => PlaceOrderOnTerms,
        41 => PlacePair,
        42 => ReduceOrder,
        43 => ReplaceResting,
        44 => StopArmed,
        45 => StopTracking,
        46 => StopTriggered,
        47 => OrderReduced,
        48 => ReduceRefused,
        49 => ReplaceRefused,
        62 => PegSet,
    }
}

tagged! {
    Event {
        1 => AssetListed,
        2 => MarketListed,
        3 => MarketStatusChanged,
        4 => AccountOpened,
        5 => ApiKeyAdded,
        6 => ApiKeyRevoked,
        7 => Credited,
        8 => Debited,
        9 => BalanceChanged,
        10 => CapacityRaised,
        16 => OrderPending,
        17 => OrderAccepted,
        18 => OrderRejected,
        19 => OrderExecuted,
        20 => OrderResting,
        21 => OrderCanceled,
        22 => CancelRejected,
        23 => AllCanceled,
        32 => Traded,
        33 => LevelChanged,
        34 => DepthWindowClosed,
        50 => MarketScheduleChanged,
        51 => PhaseChanged,
        52 => AuctionIndicated,
        53 => AuctionCompleted,
        54 => MarketProtectionChanged,
        55 => MarketRulesChanged,
        56 => VersionChanged,
        70 => ApiKeyRestricted,
        71 => ApiKeyExtended,
        60 => AccountAssigned,
        61 => FeeScheduleChanged,
        62 => FeesChanged,
        63 => FeeTierChanged,
        64 => AccountLimitsChanged,
        65 => OrderLimitsChanged,
        66 => KillSwitchChanged,
        67 => MatchPrevented,
        68 => OrderShown,
        69 => CommandQuarantined,
        72 => LeaseChanged,
        73 => CountdownChanged,
        74 => ReplacementRefused,
        75 => AssetLimitChanged,
        40 => OrderTerms,
        41 => OrderArmed,
        42 => OrderTracking,
        43 => OrderTriggered,
        44 => OrderAmended,
        45 => AmendRejected,
        46 => ListStarted,
        47 => ListEnded,
        48 => ListRejected,
        49 => OrderPegged,
        80 => ChainListed,
        81 => ChainAssetListed,
        82 => ChainClaimed,
        83 => ChainFrozen,
        84 => AddressRequested,
        85 => AddressBound,
        86 => DepositChanged,
        87 => ChainAdvanced,
        100 => WithdrawalRulesChanged,
        101 => WithdrawalsRestricted,
        102 => AddressAllowed,
        103 => WithdrawalApproved,
        104 => WithdrawalAllocated,
        105 => WithdrawalSigned,
        106 => WithdrawalChanged,
        107 => HotWalletChanged,
        108 => ReservesChanged,
        150 => LooseningProposed,
        151 => LooseningEnded,
    }
}

tagged! {
    Command {
        1 => ListAsset,
        2 => ListMarket,
        3 => SetMarketStatus,
        4 => OpenAccount,
        5 => AddApiKey,
        6 => RevokeApiKey,
        7 => Credit,
        8 => Debit,
        9 => RaiseCapacity,
        16 => NewOrder,
        17 => CancelOrder,
        18 => CancelAll,
        32 => DeliverMail,
        33 => AckMail,
        34 => Tick,
        50 => SetMarketSchedule,
        51 => ReopenMarket,
        52 => KillMarket,
        53 => SetMarketProtection,
        54 => SetMarketRules,
        55 => DelistMarket,
        70 => RestrictApiKey,
        71 => ExtendApiKey,
        60 => AssignAccount,
        61 => SetFeeSchedule,
        62 => SetFees,
        63 => SetAccountLimits,
        64 => SetOrderLimits,
        65 => SetKillSwitch,
        66 => MassCancel,
        67 => RenewLease,
        68 => EndLease,
        69 => CountdownCancel,
        72 => SealName,
        73 => SetAssetLimit,
        40 => NewOrderOnTerms,
        41 => AmendOrder,
        42 => ReplaceOrder,
        43 => NewOrderList,
        44 => CancelOrderList,
        45 => SetVersion,
        80 => ListChain,
        81 => ListChainAsset,
        82 => ClaimChain,
        83 => RequestAddress,
        84 => BindAddress,
        85 => FreezeChain,
        86 => ReportDeposit,
        87 => ResolveDeposit,
        88 => SightDeposit,
        89 => ReportHead,
        100 => SetWithdrawalRules,
        101 => RestrictWithdrawals,
        102 => AllowAddress,
        103 => RequestWithdrawal,
        104 => ApproveWithdrawal,
        105 => CancelWithdrawal,
        106 => AllocateWithdrawal,
        107 => SignWithdrawal,
        108 => RefuseWithdrawal,
        109 => ReportWithdrawal,
        110 => FailWithdrawal,
        111 => SetHotWallet,
        112 => MoveFunds,
        113 => ReportReserves,
        114 => DeclareReserves,
        115 => ThawReserves,
        116 => GatherWithdrawals,
        117 => ReleaseWithdrawal,
        150 => ProposeLoosening,
        151 => ApproveLoosening,
        152 => DropLoosening,
    }
}

tagged! {
    Loosening {
        100 => SetWithdrawalRules,
        101 => RestrictWithdrawals,
        102 => AllowAddress,
        114 => DeclareReserves,
        115 => ThawReserves,
    }
}

/// As the command that it is. The last of its record, because its length varies.
impl Field for Loosening {
    const SIZE: usize = 1;
    const UNIT: &'static str = "u8 tag of a command, then its record: SetWithdrawalRules, RestrictWithdrawals, AllowAddress, \
                                DeclareReserves or ThawReserves";
    const IS_FIXED: bool = false;

    fn write(&self, to: &mut Writer<'_>) {
        self.write_tagged(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Loosening::read_tagged(from)
    }
}

impl Field for Tick {
    const SIZE: usize = 0;
    const UNIT: &'static str = "Tick";
    const IS_FIXED: bool = true;

    fn write(&self, _: &mut Writer<'_>) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Tick)
    }
}

/// A list is its count and its items; the count is checked against the bound before anything is
/// reserved, and never reserves more than the input could hold.
impl Field for DeliverMail {
    const SIZE: usize = 0;
    const UNIT: &'static str = "DeliverMail";
    const IS_FIXED: bool = false;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.from);
        to.put(&self.incarnation);
        to.put(&self.first);
        to.put(&self.acknowledged);
        to.put(&(self.mail.len() as u32));
        for mail in &self.mail {
            mail.write_tagged(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (partition, incarnation, first, acknowledged) = (from.get()?, from.get()?, from.get()?, from.get()?);
        let count = from.get::<u32>()? as usize;
        if count == 0 {
            return Err(CodecError::OutOfRange);
        }
        if count > DeliverMail::MAIL_MAX {
            return Err(CodecError::TooLong);
        }
        let mut mail = Vec::with_capacity(count.min(from.len() / MAIL_SIZE_MIN));
        for _ in 0..count {
            mail.push(Mail::read_tagged(from)?);
        }
        Ok(DeliverMail { from: partition, incarnation, first, acknowledged, mail })
    }
}

/// The shortest mail is its tag and a [`MarketReported`].
const MAIL_SIZE_MIN: usize = 1 + size_of::<MarketReported>();

/// A list of orders is its kind, its name, the count of its legs in one byte, and the legs.
impl Field for NewOrderList {
    const SIZE: usize = 0;
    const UNIT: &'static str = "NewOrderList";
    const IS_FIXED: bool = false;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.kind);
        to.put(&self.list_client_order_id);
        to.put(&(self.legs.len() as u8));
        for leg in &self.legs {
            to.put(leg);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (kind, list_client_order_id): (ListKind, _) = (from.get()?, from.get()?);
        let count = usize::from(from.get::<u8>()?);
        if count != kind.legs() {
            return Err(CodecError::OutOfRange);
        }
        let mut legs = Vec::with_capacity(count);
        for _ in 0..count {
            legs.push(from.get()?);
        }
        Ok(NewOrderList { kind, list_client_order_id, legs })
    }
}

/// The most bytes a command takes: a full [`DeliverMail`] of the longest mail.
pub const COMMAND_SIZE_MAX: usize = 1 + 30 + DeliverMail::MAIL_MAX * (1 + size_of::<CreateMarket>());

/// The tags of the commands that place one order; their records begin with that.
const NEW_ORDER: u8 = 16;
const NEW_ORDER_ON_TERMS: u8 = 40;

/// Appends a command.
pub fn encode_command(command: &Command, bytes: &mut Vec<u8>) {
    command.write_tagged(&mut Writer::new(bytes));
}

/// Reads one command that fills `bytes`.
pub fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
    let mut from = Reader::new(bytes);
    let command = Command::read_tagged(&mut from)?;
    from.finish()?;
    Ok(command)
}

/// Whose order a command is to place, and by which name; nothing else of it is read, and nothing of other commands.
#[inline]
pub fn peek_name(bytes: &[u8]) -> Option<(AccountId, ClientOrderId)> {
    const ACCOUNT_AT: usize = 1;
    const NAME_AT: usize = ACCOUNT_AT
        + size_of::<AccountId>()
        + size_of::<MarketId>()
        + size_of::<Side>()
        + size_of::<OrderKind>()
        + size_of::<TimeInForce>()
        + size_of::<SelfTradePrevention>()
        + size_of::<Price>()
        + size_of::<Qty>()
        + size_of::<Amount>();
    if !matches!(bytes.first(), Some(&NEW_ORDER | &NEW_ORDER_ON_TERMS)) {
        return None;
    }
    let account = Reader::new(bytes.get(ACCOUNT_AT..)?).get().ok()?;
    let name = Reader::new(bytes.get(NAME_AT..)?).get().ok()?;
    Some((account, name))
}

/// Appends an event; events of one batch follow each other without separators.
pub fn encode_event(event: &Event, bytes: &mut Vec<u8>) {
    event.write_tagged(&mut Writer::new(bytes));
}

/// Reads the events of one batch.
pub fn decode_events(bytes: &[u8]) -> Result<Vec<Event>, CodecError> {
    let mut from = Reader::new(bytes);
    // Events of an order have about so many bytes: a vector that grows copies what it has.
    let mut events = Vec::with_capacity((bytes.len() / 40 + 1).min(16));
    while !from.is_empty() {
        events.push(Event::read_tagged(&mut from)?);
    }
    Ok(events)
}

/// Appends mail, as it lies in snapshots.
pub fn encode_mail(mail: &Mail, to: &mut Writer<'_>) {
    mail.write_tagged(to);
}

/// Reads one mail, as it lies in snapshots.
pub fn decode_mail(from: &mut Reader<'_>) -> Result<Mail, CodecError> {
    Mail::read_tagged(from)
}

/// Appends a reply: a status byte, a reject number (0 when accepted) and an id; 11 bytes.
pub fn encode_reply(reply: &Reply, bytes: &mut Vec<u8>) {
    let mut to = Writer::new(bytes);
    match reply {
        Reply::Accepted { id } => {
            to.put::<u8>(&0);
            to.put::<u16>(&0);
            to.put(id);
        }
        Reply::Rejected { reason, id } => {
            to.put::<u8>(&1);
            to.put(reason);
            to.put(id);
        }
    }
}

/// Reads one reply that fills `bytes`.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, CodecError> {
    let mut from = Reader::new(bytes);
    let reply = match from.get::<u8>()? {
        0 => match from.get::<u16>()? {
            0 => Reply::Accepted { id: from.get()? },
            _ => return Err(CodecError::UnknownNumber),
        },
        1 => Reply::Rejected { reason: from.get()?, id: from.get()? },
        _ => return Err(CodecError::UnknownNumber),
    };
    from.finish()?;
    Ok(reply)
}

#[cfg(test)]
mod tests;
