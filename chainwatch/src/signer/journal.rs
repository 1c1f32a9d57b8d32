//! What was signed and what was refused for ever: an append-only file, on the disk before an answer leaves.
//!
//! A record is u32 length, u32 CRC-32 of what follows the header, u32 CRC-32 of the eight bytes before, and the record: u8 kind
//! (1 signed, 2 refused), u64 seconds since the epoch, the payment, and for signed ones the transaction's hash and bytes. Of a
//! last record that a crash has cut short the header is whole or itself cut short: it was never answered for, and is cut off.
//! Anything else that does not read is damage, and an error: it may hide a signature, and nothing is shortened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use wire::codec::{CodecError, Reader, Writer};

use super::payment::Payment;
use super::{Signed, protocol};

const HEADER_LEN: usize = 12;
/// No record is longer: a transaction has at most 4,096 bytes.
const RECORD_MAX: usize = 16_384;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Seconds since the epoch by the signer's clock.
    pub at_s: u64,
    /// What was asked.
    pub payment: Payment,
    /// What was signed; `None` when it was refused for ever.
    pub signed: Option<Signed>,
}

/// The file.
pub struct Journal {
    file: File,
    /// Whether an append has begun and was not seen to end: nobody knows what is on the disk.
    is_broken: bool,
}

impl Journal {
    /// Opens or makes it; what is in it. The file is locked while it is open: two signers of one journal would each sign
    /// once.
    pub fn open(path: &Path) -> io::Result<(Journal, Vec<Record>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|_| io::Error::other("another signer has the journal"))?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, whole) = read_all(&bytes)?;
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        Ok((Journal { file, is_broken: false }, records))
    }

    /// Appends a record and waits until it is on the disk. After an error it appends nothing any more, and nothing may be
    /// signed.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(io::Error::other("the journal could not be written before"));
        }
        let mut body = Vec::new();
        let mut to = Writer::new(&mut body);
        to.put(&(if record.signed.is_some() { 1_u8 } else { 2 }));
        to.put(&record.at_s);
        record.payment.write(&mut to);
        if let Some(signed) = &record.signed {
            protocol::write_signed(signed, &mut to);
        }
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend_from_slice(&body);
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.is_broken = false;
        Ok(())
    }

    /// The disk is full from now on.
    #[cfg(test)]
    pub(super) fn fail_from_now_on(&mut self) {
        self.file = OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    }
}

/// The records, and how many bytes they are.
fn read_all(bytes: &[u8]) -> io::Result<(Vec<Record>, usize)> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some((header, rest)) = bytes[at..].split_first_chunk::<HEADER_LEN>() {
        let word = |from: usize| u32::from_le_bytes([0, 1, 2, 3].map(|next| header[from + next]));
        let len = word(0) as usize;
        if crc32fast::hash(&header[..8]) != word(8) || len > RECORD_MAX {
            return Err(damaged(at));
        }
        let Some(body) = rest.get(..len) else { break };
        if crc32fast::hash(body) != word(4) {
            return Err(damaged(at));
        }
        records.push(read(body).map_err(|_| damaged(at))?);
        at += HEADER_LEN + len;
    }
    Ok((records, at))
}

fn damaged(at: usize) -> io::Error {
    io::Error::other(format!(
        "the journal is damaged at byte {at}: it may hide what was signed, and nothing is signed without it. \
         Put a whole copy in its place"
    ))
}

fn read(body: &[u8]) -> Result<Record, CodecError> {
    let mut from = Reader::new(body);
    let (kind, at_s): (u8, u64) = (from.get()?, from.get()?);
    let payment = Payment::read(&mut from)?;
    let signed = match kind {
        1 => Some(protocol::read_signed(&mut from)?),
        2 => None,
        _ => return Err(CodecError::UnknownNumber),
    };
    from.finish()?;
    Ok(Record { at_s, payment, signed })
}

#[cfg(test)]
mod tests;
