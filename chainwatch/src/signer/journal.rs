//! What was signed and what was refused for ever: an append-only file, on the disk before an answer leaves.
//!
//! A record is u32 length, u32 CRC-32 of what follows, and the record: u8 kind (1 signed, 2 refused), u64 seconds since the
//! epoch, the payment, and for signed ones the transaction's hash and bytes. A last record that was cut short by a crash was
//! never answered for, and is cut off; damage anywhere else is an error, for it may hide a signature.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use wire::codec::{CodecError, Reader, Writer};

use super::payment::Payment;
use super::{Signed, protocol};

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
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        Ok((Journal { file }, records))
    }

    /// Appends a record and waits until it is on the disk. After an error nothing may be signed any more.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
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
        bytes.extend_from_slice(&body);
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

/// The records, and how many bytes they are.
fn read_all(bytes: &[u8]) -> io::Result<(Vec<Record>, usize)> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<8>() {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let crc = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let Some(body) = rest.get(..len) else { break };
        let is_last = at + 8 + len == bytes.len();
        if crc32fast::hash(body) != crc {
            if is_last {
                break;
            }
            return Err(io::Error::other(format!("the journal is damaged at byte {at}")));
        }
        let record = read(body).map_err(|error| io::Error::other(format!("the journal at byte {at}: {error:?}")))?;
        records.push(record);
        at += 8 + len;
    }
    Ok((records, at))
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
