//! Values to bytes and back: little-endian, fixed layouts, one module per released version.
//!
//! Decoding never panics and never allocates more than the input is long: truncated, oversized and
//! unknown input is a [`CodecError`] that says which.

mod field;
mod schema;
pub mod v1;

pub use field::{Field, Reader, Writer};
pub use schema::{Layout, schema};

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// The input ended inside a value.
    Truncated,
    /// Input was left over after the value.
    TrailingBytes,
    /// A tag, an enumeration or a flag has a number that this version does not know.
    UnknownNumber,
    /// A number is outside its unit's bounds, or a text has bytes it cannot have.
    OutOfRange,
    /// A list is longer than it may be.
    TooLong,
}

impl core::fmt::Display for CodecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            CodecError::Truncated => "the input ends inside a value",
            CodecError::TrailingBytes => "input is left over after the value",
            CodecError::UnknownNumber => "a tag or enumeration has an unknown number",
            CodecError::OutOfRange => "a value is outside its bounds",
            CodecError::TooLong => "a list is longer than it may be",
        })
    }
}

impl core::error::Error for CodecError {}
