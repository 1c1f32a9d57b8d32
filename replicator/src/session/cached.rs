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
        let mut bytes = [0; Payload::SHORT_MAX];
        match bytes.get_mut(..payload.len()) {
            Some(row) => {
                row.copy_from_slice(payload);
                Payload::Short { len: payload.len() as u8, bytes }
            }
            None => Payload::Long(payload.into()),
        }
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
