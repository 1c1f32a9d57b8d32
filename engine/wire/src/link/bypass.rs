//! The secret of a bypass or a cast: what seals the frames that go beside a link.

use core::fmt;

/// A key of 256 bits, told over links alone: of a bypass drawn by the node that will open what is sealed with it, of a cast by
/// the one that seals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BypassKey([u8; 32]);

impl BypassKey {
    /// Of these bytes.
    pub const fn new(bytes: [u8; 32]) -> BypassKey {
        BypassKey(bytes)
    }

    /// For the cipher, and the codec.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BypassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BypassKey")
    }
}
