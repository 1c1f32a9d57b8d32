//! A text message as it goes over the wire: header and payload, the same bytes for every client, for what a server
//! sends is not masked. Written once, shared by all who are told. Source: RFC 6455, section 5.2.

use bytes::{BufMut, Bytes, BytesMut};

/// A final frame of text.
const FINAL_TEXT: u8 = 0x81;
/// What a length of 16 or of 64 bits begins with.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// A whole message.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header: u8,
}

impl Frame {
    /// Of a text.
    pub fn text(text: &str) -> Frame {
        let mut bytes = BytesMut::with_capacity(10 + text.len());
        bytes.put_u8(FINAL_TEXT);
        match text.len() {
            length @ 0..=125 => bytes.put_u8(length as u8),
            length @ 126..=0xffff => {
                bytes.put_u8(LENGTH_16);
                bytes.put_u16(length as u16);
            }
            length => {
                bytes.put_u8(LENGTH_64);
                bytes.put_u64(length as u64);
            }
        }
        let header = bytes.len() as u8;
        bytes.put_slice(text.as_bytes());
        Frame { bytes: bytes.freeze(), header }
    }

    /// Whole frames of any kind that somebody else has written.
    pub fn written(bytes: Bytes) -> Frame {
        Frame { bytes, header: 0 }
    }

    /// Its text; nothing where that is none.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[usize::from(self.header)..]).unwrap_or_default()
    }

    /// Everything that goes over the wire.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// How many bytes that are.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Frame {
        Frame::text(&text)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Frame {
        Frame::text(text)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl PartialEq<&str> for Frame {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

#[cfg(test)]
mod tests;
