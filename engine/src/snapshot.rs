//! The envelope of a snapshot: what it is, which version, how long, and a checksum over the state that follows.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `MSTYCELL` |
//! | 8 | 2 | version, 1 |
//! | 10 | 8 | length of the state |
//! | 18 | 16 | [`crate::Partition::digest`] of the state |
//! | 34 | | the state: mailboxes, ledger cell, market cells, in the little-endian layouts of `wire` |

use wire::codec::{CodecError, Reader, Writer};

use crate::digest::digest;

const MAGIC: [u8; 8] = *b"MSTYCELL";
pub(crate) const VERSION: u16 = 1;
const HEADER: usize = 34;

/// Why bytes are not a snapshot that this partition can take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes do not start like a snapshot.
    NotASnapshot,
    /// Written by another version.
    Version(u16),
    /// Its cells behave by a version that this build does not know.
    Behaviour(u16),
    /// Cut short, too long, or changed since it was written.
    Damaged,
    /// Of another partition, or of one with another ledger.
    OtherPartition,
    /// The state breaks a bound: its limits were larger, or its incarnation another.
    Body(CodecError),
}

impl From<CodecError> for SnapshotError {
    fn from(error: CodecError) -> SnapshotError {
        SnapshotError::Body(error)
    }
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SnapshotError::NotASnapshot => f.write_str("the bytes are not a snapshot of a partition"),
            SnapshotError::Version(version) => write!(f, "snapshot version {version} is not known"),
            SnapshotError::Behaviour(version) => {
                write!(f, "the cells behave by version {version}, which is not known")
            }
            SnapshotError::Damaged => f.write_str("the snapshot is damaged"),
            SnapshotError::OtherPartition => f.write_str("the snapshot is of another partition"),
            SnapshotError::Body(error) => write!(f, "the snapshot does not fit this partition: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Appends an envelope around what `save` writes, and returns the digest of that.
pub(crate) fn seal(out: &mut Vec<u8>, save: impl FnOnce(&mut Writer<'_>)) -> u128 {
    let start = out.len();
    let mut to = Writer::new(out);
    to.bytes(&MAGIC);
    to.put(&VERSION);
    to.bytes(&[0; HEADER - 10]);
    save(&mut to);
    let state = &out[start + HEADER..];
    let (len, sum) = (state.len() as u64, digest(state));
    out[start + 10..start + 18].copy_from_slice(&len.to_le_bytes());
    out[start + 18..start + HEADER].copy_from_slice(&sum.to_le_bytes());
    sum
}

/// The state in an envelope.
pub(crate) fn open(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let mut from = Reader::new(bytes);
    if from.bytes(MAGIC.len()).map_err(|_| SnapshotError::NotASnapshot)? != MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    let version = from.get().map_err(|_| SnapshotError::Damaged)?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let header = |_| SnapshotError::Damaged;
    let (len, sum): (u64, u128) = (from.get().map_err(header)?, from.get().map_err(header)?);
    let state = from.rest();
    if state.len() as u64 != len || digest(state) != sum {
        return Err(SnapshotError::Damaged);
    }
    Ok(state)
}
