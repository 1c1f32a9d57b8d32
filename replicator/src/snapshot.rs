//! A snapshot as it lies on disk and travels to a standby: the whole state at one log index.
//!
//! | field | unit |
//! |---|---|
//! | magic | 8 bytes: `MAINSTAY` |
//! | version | u16: 4 |
//! | partition, epoch | u16, u64 |
//! | index, term | u64: the last log entry in it |
//! | batch term | u64: term of the last batch with commands |
//! | position, timestamp | u64: the last command in it |
//! | digest | u128: of the machine |
//! | behaviour | u16: the version that the machine behaves by; 1 before version 4 |
//! | voters, outgoing voters, learners | each: u16 count, u64 each; version 1 has voters only |
//! | places | see `members/places.rs`; from version 3 on |
//! | learners for good | u16 count, each: node u64; from version 4 on |
//! | put aside | u16 count, each: position u64, step u32; not in version 1 |
//! | sessions | u64 length, bytes |
//! | machine | u64 length, bytes |
//! | checksum | u32: CRC-32 of everything before |

use wire::codec::{CodecError, Reader, Writer};
use wire::{ClusterEpoch, LogPosition, PartitionId, Timestamp};

use crate::Spot;
use crate::members::Members;

const MAGIC: &[u8; 8] = b"MAINSTAY";
const VERSION: u16 = 4;
/// Before machines had versions and members could stay learners.
const VERSION_3: u16 = 3;
/// Before members had places.
const VERSION_2: u16 = 2;
/// Before members could change.
const VERSION_1: u16 = 1;
const CHECKSUM_LEN: usize = 4;
/// After magic, version, partition and six numbers.
const DIGEST_AT: usize = 60;
const DIGEST_LEN: usize = 16;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whose state.
    pub partition: PartitionId,
    /// Of which cluster.
    pub epoch: ClusterEpoch,
    /// The last log entry in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The term of the last batch with commands.
    pub batch_term: u64,
    /// The last command in it.
    pub position: LogPosition,
    /// When that was sequenced.
    pub timestamp: Timestamp,
    /// The machine's digest.
    pub digest: u128,
    /// The version that the machine behaves by.
    pub behaviour: u16,
    /// The group's members.
    pub members: Members,
    /// The last parts of commands that were put aside.
    pub put_aside: Vec<Spot>,
}

/// A snapshot that has been checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What it is of.
    pub header: Header,
    /// The session table.
    pub sessions: &'a [u8],
    /// The machine's state.
    pub machine: &'a [u8],
}

/// Writes a snapshot; the two closures append the session table and the machine's state.
pub fn write(header: &Header, sessions: impl FnOnce(&mut Vec<u8>), machine: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let digest = header.digest;
    write_digested(header, sessions, |bytes| {
        machine(bytes);
        digest
    })
}

/// As [`write`]; the digest is what the closure returns that appends the machine's state, and not the header's.
pub fn write_digested(
    header: &Header,
    sessions: impl FnOnce(&mut Vec<u8>),
    machine: impl FnOnce(&mut Vec<u8>) -> u128,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    to.bytes(MAGIC);
    to.put(&VERSION);
    to.put(&header.partition);
    to.put(&header.epoch);
    to.put(&header.index);
    to.put(&header.term);
    to.put(&header.batch_term);
    to.put(&header.position);
    to.put(&header.timestamp);
    to.bytes(&[0; DIGEST_LEN]);
    to.put(&header.behaviour);
    header.members.write(&mut to);
    header.members.write_learning(&mut to);
    to.put(&(header.put_aside.len() as u16));
    for spot in &header.put_aside {
        to.put(&spot.position);
        to.put(&spot.step);
    }
    section(&mut bytes, sessions);
    let mut digest = 0;
    section(&mut bytes, |bytes| digest = machine(bytes));
    bytes[DIGEST_AT..DIGEST_AT + DIGEST_LEN].copy_from_slice(&digest.to_le_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn section(bytes: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    content(bytes);
    let len = (bytes.len() - at - 8) as u64;
    bytes[at..at + 8].copy_from_slice(&len.to_le_bytes());
}

/// Checks a snapshot and takes it apart. `UnknownNumber`: it is whole, and of a version that is not known here.
pub fn open(bytes: &[u8]) -> Result<Opened<'_>, CodecError> {
    let (body, checksum) = bytes.split_at_checked(body_len(bytes)?).ok_or(CodecError::Truncated)?;
    if !body.starts_with(MAGIC) || crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(CodecError::OutOfRange);
    }
    take_apart(body)
}

/// The header of a snapshot that [`open`] has found whole.
pub fn header(checked: &[u8]) -> Result<Header, CodecError> {
    Ok(take_apart(&checked[..body_len(checked)?])?.header)
}

fn body_len(bytes: &[u8]) -> Result<usize, CodecError> {
    bytes.len().checked_sub(CHECKSUM_LEN).ok_or(CodecError::Truncated)
}

fn take_apart(body: &[u8]) -> Result<Opened<'_>, CodecError> {
    let mut from = Reader::new(body);
    from.bytes(MAGIC.len())?;
    let version = from.get::<u16>()?;
    if ![VERSION_1, VERSION_2, VERSION_3, VERSION].contains(&version) {
        return Err(CodecError::UnknownNumber);
    }
    let mut header = Header {
        partition: from.get()?,
        epoch: from.get()?,
        index: from.get()?,
        term: from.get()?,
        batch_term: from.get()?,
        position: from.get()?,
        timestamp: from.get()?,
        digest: from.get()?,
        behaviour: if version >= VERSION { from.get()? } else { 1 },
        members: Members::default(),
        put_aside: Vec::new(),
    };
    if version == VERSION_1 {
        for _ in 0..from.get::<u16>()? {
            header.members.voters.insert(from.get()?);
        }
    } else {
        header.members = match version {
            VERSION_2 => Members::read_without_places(&mut from)?,
            _ => Members::read(&mut from)?,
        };
        if version >= VERSION {
            header.members.read_learning(&mut from)?;
        }
        for _ in 0..from.get::<u16>()? {
            header.put_aside.push(Spot { position: from.get()?, step: from.get()? });
        }
    }
    let mut section = || -> Result<&[u8], CodecError> {
        let len = usize::try_from(from.get::<u64>()?).map_err(|_| CodecError::TooLong)?;
        from.bytes(len)
    };
    let (sessions, machine) = (section()?, section()?);
    from.finish()?;
    Ok(Opened { header, sessions, machine })
}
