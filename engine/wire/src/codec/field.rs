//! How each unit and id lies in bytes.

mod chains;
mod tables;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::CodecError;
use crate::command::{ApiKeyKind, Permissions};
use crate::link::{BypassKey, MemberChange, MemberOutcome, Place, Refusal, Role};
use crate::{
    AccountId, Amount, ApiKeyId, AssetId, BasisPoints, BookSequence, CancelCause, CancelRestriction, ChainFreeze,
    ChainId, ClientSessionId, ClusterEpoch, DepositStage, FeeRate, FirmId, Incarnation, ListId, ListKind, LogPosition,
    LooseningEnd, LooseningId, MailSequence, MarketId, MarketStatus, NodeId, OrderId, OrderKind, PartitionId, PegSide,
    PhaseCause, PreventedMatchId, Price, Qty, RejectReason, ReplaceMode, ReservesStanding, Secret, SelfTradePrevention,
    Sequence, SessionId, Side, Sides, Sighting, SignedFeeRate, StrategyLabel, Term, Text, TimeInForce, Timestamp,
    TradeGroupId, TradeId, UpdateId, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

/// Appends values to a buffer.
pub struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Appends to `bytes`.
    #[inline]
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Writer(bytes)
    }

    /// Appends raw bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends one value.
    #[inline]
    pub fn put<F: Field>(&mut self, value: &F) {
        value.write(self);
    }
}

/// Takes values from the front of a buffer.
#[derive(Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `bytes` from the front.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// The next `len` raw bytes.
    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Whatever is left.
    #[inline]
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// How many bytes are left.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `TrailingBytes` unless nothing is left.
    #[inline]
    pub fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::TrailingBytes) }
    }

    /// One value.
    #[inline]
    pub fn get<F: Field>(&mut self) -> Result<F, CodecError> {
        F::read(self)
    }
}

/// A value of fixed size.
pub trait Field: Sized {
    /// Its length in bytes.
    const SIZE: usize;
    /// Its unit, as SCHEMA.md prints it.
    const UNIT: &'static str;
    /// Whether it always takes [`Field::SIZE`] bytes. Each says so itself: a record that holds one whose length varies must not be
    /// laid out in place.
    const IS_FIXED: bool;

    /// Appends it.
    fn write(&self, to: &mut Writer<'_>);

    /// Puts it, if it [is fixed](Field::IS_FIXED), into a row of its size. What every order has puts its bytes where they
    /// belong: a record is laid out in place and appended once.
    fn lay(&self, row: &mut [u8]) {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        self.write(&mut Writer::new(&mut bytes));
        row.copy_from_slice(&bytes);
    }

    /// Takes it from the front; an error when it is cut short or out of bounds.
    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError>;
}

macro_rules! integer {
    ($($int:ty),+) => {$(
        impl Field for $int {
            const SIZE: usize = size_of::<$int>();
            const UNIT: &'static str = stringify!($int);
            const IS_FIXED: bool = true;

            #[inline]
            fn write(&self, to: &mut Writer<'_>) {
                to.bytes(&self.to_le_bytes());
            }

            #[inline(always)]
            fn lay(&self, row: &mut [u8]) {
                row.copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                let bytes = from.bytes(Self::SIZE)?;
                Ok(<$int>::from_le_bytes(bytes.try_into().expect("the length is the integer's")))
            }
        }
    )+};
}
integer!(u8, u16, u32, u64, i32, i64, i128, u128);

impl Field for bool {
    const SIZE: usize = 1;
    const UNIT: &'static str = "bool: 0 or 1";
    const IS_FIXED: bool = true;

    #[inline]
    fn write(&self, to: &mut Writer<'_>) {
        u8::from(*self).write(to);
    }

    #[inline(always)]
    fn lay(&self, row: &mut [u8]) {
        u8::from(*self).lay(row);
    }

    #[inline]
    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::read(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::UnknownNumber),
        }
    }
}

/// A newtype over an integer: `get` and `make`, which refuses what is out of bounds.
macro_rules! newtype {
    ($($name:ident: $int:ty, $unit:literal, $get:expr, $make:expr;)+) => {$(
        impl Field for $name {
            const SIZE: usize = size_of::<$int>();
            const UNIT: &'static str = $unit;
            const IS_FIXED: bool = true;

            #[inline]
            fn write(&self, to: &mut Writer<'_>) {
                let get: fn($name) -> $int = $get;
                get(*self).write(to);
            }

            #[inline(always)]
            fn lay(&self, row: &mut [u8]) {
                let get: fn($name) -> $int = $get;
                get(*self).lay(row);
            }

            #[inline]
            fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                let make: fn($int) -> Option<$name> = $make;
                make(<$int>::read(from)?).ok_or(CodecError::OutOfRange)
            }
        }
    )+};
}
newtype! {
    Price: i64, "i64: price units, 1 to 10^15", Price::units, Price::new;
    Qty: i64, "i64: quantity units, 0 to 10^17", Qty::units, Qty::new;
    Amount: i64, "i64: ledger units, not negative", Amount::units, Amount::new;
    BasisPoints: u16, "u16: basis points, at most 9,999", BasisPoints::get, BasisPoints::new;
    FeeRate: u32, "u32: parts per million, at most 100,000", FeeRate::parts_per_million, FeeRate::new;
    SignedFeeRate: i32, "i32: parts per million, -100,000 to 100,000", SignedFeeRate::parts_per_million,
        SignedFeeRate::new;
    Timestamp: u64, "u64: ns since the Unix epoch", Timestamp::nanos, |n| Some(Timestamp::from_nanos(n));
    Permissions: u8, "u8: bits 1 read, 2 trade, 4 withdraw", |p| p.0, |b| (b < 8).then_some(Permissions(b));
    AccountId: u32, "u32: account id", AccountId::get, |n| Some(AccountId::new(n));
    AssetId: u16, "u16: asset id", AssetId::get, |n| Some(AssetId::new(n));
    ChainId: u16, "u16: chain id", ChainId::get, |n| Some(ChainId::new(n));
    MarketId: u16, "u16: market id", MarketId::get, |n| Some(MarketId::new(n));
    PartitionId: u16, "u16: partition id", PartitionId::get, |n| Some(PartitionId::new(n));
    NodeId: u64, "u64: node id", NodeId::get, |n| Some(NodeId::new(n));
    ListId: u64, "u64: order list id", ListId::get, |n| Some(ListId::new(n));
    OrderId: u64, "u64: order id", OrderId::get, |n| Some(OrderId::new(n));
    TradeId: u64, "u64: trade id", TradeId::get, |n| Some(TradeId::new(n));
    UpdateId: u64, "u64: depth update id", UpdateId::get, |n| Some(UpdateId::new(n));
    LogPosition: u64, "u64: log position", LogPosition::get, |n| Some(LogPosition::new(n));
    Term: u64, "u64: term", Term::get, |n| Some(Term::new(n));
    SessionId: u64, "u64: session id", SessionId::get, |n| Some(SessionId::new(n));
    Sequence: u64, "u64: sequence in the session", Sequence::get, |n| Some(Sequence::new(n));
    MailSequence: u64, "u64: mail sequence", MailSequence::get, |n| Some(MailSequence::new(n));
    Incarnation: u64, "u64: incarnation", Incarnation::get, |n| Some(Incarnation::new(n));
    TradeGroupId: u16, "u16: trade group id", TradeGroupId::get, |n| Some(TradeGroupId::new(n));
    FirmId: u32, "u32: firm id", FirmId::get, |n| Some(FirmId::new(n));
    ApiKeyId: u32, "u32: API key id", ApiKeyId::get, |n| Some(ApiKeyId::new(n));
    ClientSessionId: u64, "u64: client session id", ClientSessionId::get, |n| Some(ClientSessionId::new(n));
    PreventedMatchId: u64, "u64: prevented match id", PreventedMatchId::get, |n| Some(PreventedMatchId::new(n));
    BookSequence: u64, "u64: book sequence", BookSequence::get, |n| Some(BookSequence::new(n));
    LooseningId: u64, "u64: loosening id", LooseningId::get, |n| Some(LooseningId::new(n));
    WithdrawalId: u64, "u64: withdrawal id", WithdrawalId::get, |n| Some(WithdrawalId::new(n));
    ClusterEpoch: u64, "u64: cluster epoch", ClusterEpoch::get, |n| Some(ClusterEpoch::new(n));
}

macro_rules! enumeration {
    ($($name:ident: $int:ty, $unit:literal;)+) => {$(
        impl Field for $name {
            const SIZE: usize = size_of::<$int>();
            const UNIT: &'static str = $unit;
            const IS_FIXED: bool = true;

            #[inline]
            fn write(&self, to: &mut Writer<'_>) {
                self.number().write(to);
            }

            #[inline(always)]
            fn lay(&self, row: &mut [u8]) {
                self.number().lay(row);
            }

            #[inline]
            fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                $name::from_number(<$int>::read(from)?).ok_or(CodecError::UnknownNumber)
            }
        }
    )+};
}
enumeration! {
    DepositStage: u8, "u8: deposit stage number";
    ChainFreeze: u8, "u8: chain freeze number";
    LooseningEnd: u8, "u8: loosening end number";
    WithdrawalStage: u8, "u8: withdrawal stage number";
    WithdrawalPurpose: u8, "u8: withdrawal purpose number";
    ReservesStanding: u8, "u8: reserves standing number";
    WithdrawalCause: u8, "u8: withdrawal cause number";
    Sighting: u8, "u8: sighting number";
    Side: u8, "u8: side number";
    Sides: u8, "u8: sides number";
    OrderKind: u8, "u8: order kind number";
    TimeInForce: u8, "u8: time in force number";
    SelfTradePrevention: u8, "u8: self-trade prevention number";
    CancelCause: u8, "u8: cancel cause number";
    MarketStatus: u8, "u8: market status number";
    PhaseCause: u8, "u8: phase cause number";
    ListKind: u8, "u8: list kind number";
    ReplaceMode: u8, "u8: replace mode number";
    PegSide: u8, "u8: peg side number";
    CancelRestriction: u8, "u8: cancel restriction number";
    ApiKeyKind: u8, "u8: API key kind number";
    Role: u8, "u8: role number";
    Refusal: u8, "u8: refusal number";
    MemberChange: u8, "u8: member change number";
    MemberOutcome: u8, "u8: member outcome number";
    RejectReason: u16, "u16: reject reason number";
}

impl Field for Place {
    const SIZE: usize = 18;
    const UNIT: &'static str = "u128, u16: IPv6 address, port";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        let (ip, port) = self.parts();
        ip.write(to);
        port.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Place::of_parts(u128::read(from)?, u16::read(from)?))
    }
}

impl Field for BypassKey {
    const SIZE: usize = 32;
    const UNIT: &'static str = "[u8; 32]: key";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.bytes(self.bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        <[u8; 32]>::read(from).map(BypassKey::new)
    }
}

impl<F: Field> Field for Box<F> {
    const SIZE: usize = F::SIZE;
    const UNIT: &'static str = F::UNIT;
    const IS_FIXED: bool = F::IS_FIXED;

    fn write(&self, to: &mut Writer<'_>) {
        F::write(self, to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        F::read(from).map(Box::new)
    }
}

impl<F: Field + Copy, const N: usize> Field for [F; N] {
    const SIZE: usize = N * F::SIZE;
    const UNIT: &'static str = F::UNIT;
    const IS_FIXED: bool = F::IS_FIXED;

    fn write(&self, to: &mut Writer<'_>) {
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        const { assert!(N > 0) };
        let mut all = [F::read(from)?; N];
        for item in &mut all[1..] {
            *item = F::read(from)?;
        }
        Ok(all)
    }
}

/// 0 is no price.
impl Field for Option<Price> {
    const SIZE: usize = Price::SIZE;
    const UNIT: &'static str = "i64: price units, or 0 for none";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        self.map_or(0, Price::units).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match i64::read(from)? {
            0 => Ok(None),
            units => Price::new(units).map(Some).ok_or(CodecError::OutOfRange),
        }
    }
}

/// 0 is no time.
impl Field for Option<Timestamp> {
    const SIZE: usize = Timestamp::SIZE;
    const UNIT: &'static str = "u64: ns since the Unix epoch, or 0 for none";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        self.map_or(0, Timestamp::nanos).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let nanos = u64::read(from)?;
        Ok((nanos != 0).then_some(Timestamp::from_nanos(nanos)))
    }
}

/// Which of the two numbers are there is written before them; one that is not is 0.
impl Field for StrategyLabel {
    const SIZE: usize = 1 + 8 + 4;
    const UNIT: &'static str = "u8: 1 if there is an id, plus 2 if there is a type; u64: id; u32: type";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        (u8::from(self.id.is_some()) | u8::from(self.kind.is_some()) << 1).write(to);
        self.id.unwrap_or(0).write(to);
        self.kind.unwrap_or(0).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (there, id, kind) = (u8::read(from)?, u64::read(from)?, u32::read(from)?);
        let part = |bit: u8, is_zero: bool| match (there & bit != 0, is_zero) {
            (false, false) => Err(CodecError::OutOfRange),
            (is_there, _) => Ok(is_there),
        };
        if there > 3 {
            return Err(CodecError::OutOfRange);
        }
        let (has_id, has_kind) = (part(1, id == 0)?, part(2, kind == 0)?);
        Ok(StrategyLabel { id: has_id.then_some(id), kind: has_kind.then_some(kind) })
    }
}

impl<const N: usize> Field for Text<N> {
    const SIZE: usize = 1 + N;
    const UNIT: &'static str = "u8 length, then printable ASCII padded with zeros";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.as_bytes().len() as u8));
        to.bytes(self.as_padded_bytes());
    }

    #[inline]
    fn lay(&self, row: &mut [u8]) {
        let (len, padded) = row.split_at_mut(1);
        len[0] = self.as_bytes().len() as u8;
        padded.copy_from_slice(self.as_padded_bytes());
    }

    #[inline]
    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = from.get()?;
        let padded = from.bytes(N)?.try_into().expect("the length is the text's");
        Text::from_padded(len, padded).ok_or(CodecError::OutOfRange)
    }
}

impl Field for Secret {
    const SIZE: usize = 1 + Secret::CAPACITY;
    const UNIT: &'static str = "u8 length, then bytes padded with zeros";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        write_padded(to, self.as_bytes(), Secret::CAPACITY);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Secret::new(read_padded(from, Secret::CAPACITY)?).map_err(|_| CodecError::OutOfRange)
    }
}

fn write_padded(to: &mut Writer<'_>, bytes: &[u8], capacity: usize) {
    to.put(&(bytes.len() as u8));
    to.bytes(bytes);
    to.bytes(&[0; 256][..capacity - bytes.len()]);
}

fn read_padded<'a>(from: &mut Reader<'a>, capacity: usize) -> Result<&'a [u8], CodecError> {
    let len = usize::from(from.get::<u8>()?);
    let field = from.bytes(capacity)?;
    let (text, padding) = field.split_at_checked(len).ok_or(CodecError::OutOfRange)?;
    if padding.iter().any(|b| *b != 0) {
        return Err(CodecError::OutOfRange);
    }
    Ok(text)
}
