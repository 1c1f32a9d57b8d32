//! A reply that is kept for resends.

use std::ops::Deref;

use wire::LogPosition;

/// A reply that is kept for resends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// Where the request was executed.
    pub position: LogPosition,
    /// The machine's reply.
    pub payload: Payload,
}

/// Bytes of a reply. Every replica and its twin keep the latest thousands of them, and most are a dozen bytes long: those lie
/// in the row, not in memory of their own.
#[derive(Debug, Clone)]
pub enum Payload {
    /// In the row.
    Short {
        /// How many.
        len: u8,
        /// They, and zeros behind them.
        bytes: [u8; Payload::SHORT_MAX],
    },
    /// More than fit a row.
    Long(Box<[u8]>),
}

impl Payload {
    /// As many bytes as lie in a row.
    const SHORT_MAX: usize = 22;
}

impl From<&[u8]> for Payload {
    fn from(payload: &[u8]) -> Payload {
        if payload.len() > Payload::SHORT_MAX {
            return Payload::Long(payload.into());
        }
        let (first, rest) = payload.split_at(payload.len().min(8));
        let (second, third) = rest.split_at(rest.len().min(8));
        let mut bytes = [0; Payload::SHORT_MAX];
        bytes[..8].copy_from_slice(&word(first));
        bytes[8..16].copy_from_slice(&word(second));
        bytes[16..].copy_from_slice(&word(third)[..Payload::SHORT_MAX - 16]);
        Payload::Short { len: payload.len() as u8, bytes }
    }
}

/// Up to eight bytes, and zeros behind them. Put together in a register: a row that is read whole right after it was written in parts
/// waits until every write before it is done.
#[inline]
fn word(bytes: &[u8]) -> [u8; 8] {
    match bytes.try_into() {
        Ok(word) => word,
        Err(_) => bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)).to_le_bytes(),
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Payload::Short { len, bytes } => &bytes[..usize::from(*len)],
            Payload::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        **self == **other
    }
}

impl Eq for Payload {}
