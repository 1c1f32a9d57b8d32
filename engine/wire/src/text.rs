//! Short texts of fixed capacity, so that commands and events have fixed layouts.

use core::fmt;

/// Up to `N` bytes of printable ASCII without the space. Unused bytes are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

/// Why some bytes are not a [`Text`] or a [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// More bytes than the capacity.
    TooLong,
    /// A byte outside `!` to `~`.
    NotPrintable,
}

/// A market's or an asset's name, `BTCUSDT` or `BTC`.
pub type Symbol = Text<20>;
/// The name a client gave to its order: 1 to 36 of `A-Z a-z 0-9 . : / _ -`, as Binance's `newClientOrderId`
/// (checked by [`ClientOrderId::is_client_order_id`]).
pub type ClientOrderId = Text<36>;
/// The public name of an API key, 64 characters as clients expect them.
pub type ApiKeyText = Text<64>;
/// The unique name of an account.
pub type AccountName = Text<32>;

impl<const N: usize> Text<N> {
    /// No characters.
    pub const EMPTY: Text<N> = Text { len: 0, bytes: [0; N] };

    /// From bytes of printable ASCII.
    pub fn new(text: &[u8]) -> Result<Text<N>, TextError> {
        if text.len() > N {
            return Err(TextError::TooLong);
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(TextError::NotPrintable);
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Text { len: text.len() as u8, bytes })
    }

    /// From so many characters with zeros behind them; `None` when they are not that.
    #[inline]
    pub fn from_padded(len: u8, bytes: &[u8; N]) -> Option<Text<N>> {
        // Without a choice at each byte.
        let fits = |at: usize, byte: u8| if at < usize::from(len) { byte.is_ascii_graphic() } else { byte == 0 };
        let is_text = bytes.iter().enumerate().fold(true, |is, (at, byte)| is & fits(at, *byte));
        (is_text && usize::from(len) <= N).then_some(Text { len, bytes: *bytes })
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).expect("only printable ASCII is stored")
    }

    /// The characters, then zeros up to the capacity.
    #[inline]
    pub const fn as_padded_bytes(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The characters as bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Whether a client order id may have this byte. `- . / 0-9 :` follow one another.
#[inline]
const fn is_id_byte(byte: u8) -> bool {
    (byte.wrapping_sub(b'-') <= b':' - b'-') | ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte == b'_')
}

impl ClientOrderId {
    /// Whether this is a legal client order id: not empty and of `A-Z a-z 0-9 . : / _ -` alone.
    #[inline]
    pub fn is_client_order_id(&self) -> bool {
        // All of it, the zeros behind it as well, without a choice at each byte: almost every id is legal.
        !self.is_empty() && self.bytes.iter().fold(true, |is, byte| is & (is_id_byte(*byte) | (*byte == 0)))
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Key material of an API key as the log may hold it: a public key, or a shared secret that a gateway
/// sealed in an envelope before it entered the log. Never a plain secret. Up to 192 bytes; unused ones
/// are zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    len: u8,
    bytes: [u8; Secret::CAPACITY],
}

impl Secret {
    /// The most bytes that fit.
    pub const CAPACITY: usize = 192;

    /// `TooLong` when there are more than 192 bytes.
    pub fn new(sealed: &[u8]) -> Result<Secret, TextError> {
        if sealed.len() > Self::CAPACITY {
            return Err(TextError::TooLong);
        }
        let mut bytes = [0; Self::CAPACITY];
        bytes[..sealed.len()].copy_from_slice(sealed);
        Ok(Secret { len: sealed.len() as u8, bytes })
    }

    /// The sealed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_refuses_what_does_not_fit_or_cannot_be_printed() {
        assert_eq!(Text::<3>::new(b"abcd"), Err(TextError::TooLong));
        assert_eq!(Text::<3>::new(b"a b"), Err(TextError::NotPrintable));
        assert_eq!(Text::<3>::new(&[0xff]), Err(TextError::NotPrintable));
        assert_eq!(Text::<3>::new(b"abc").unwrap().as_str(), "abc");
    }

    #[test]
    fn client_order_ids_keep_to_the_published_alphabet() {
        let legal = |text: &str| ClientOrderId::new(text.as_bytes()).unwrap().is_client_order_id();
        assert!(legal("x-R4:BD/3S_8.2"));
        assert!(!legal(""));
        assert!(!legal("a+b"));
    }
}
