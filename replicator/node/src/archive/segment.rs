//! One file of the event archive.
//!
//! ```text
//! header  8 magic "MSEVENT1" | 2 partition | 8 first position covered | 4 crc32 of the 18 before
//! record  4 length of body | 4 crc32 of body | body: 8 position | 8 timestamp | 8 session | 8 sequence | events
//! ```
//!
//! All little-endian. A record without events is a *marker*: every event up to its position is in the
//! file before it. A file that is complete ends in a marker that was written after the rest was synced, so
//! that its end is known without reading the whole of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use wire::link::PEER_BODY_MAX;
use wire::{LogPosition, Origin, PartitionId, Sequence, SessionId, Timestamp};

use crate::block::{EventBatch, EventBlock};

const MAGIC: &[u8; 8] = b"MSEVENT1";
/// Bytes of the file header.
pub const HEADER_LEN: u64 = 22;
const RECORD_HEAD_LEN: usize = 8;
const BODY_HEAD_LEN: usize = 32;
/// Bytes of a marker.
const MARKER_LEN: u64 = (RECORD_HEAD_LEN + BODY_HEAD_LEN) as u64;
/// The longest record that is believed.
const BODY_MAX: usize = PEER_BODY_MAX;
/// How far apart the entries of the sparse index are, in bytes.
const INDEX_STEP: u64 = 64 * 1024;
/// Written to the file when this much has gathered, or when asked.
const BUFFER_MAX: usize = 256 * 1024;
/// So many bytes are synced as they come, if the last sync was a while ago, or else so many. What the system gathers until it is told
/// to, or for half a minute, is megabytes that the log's own writes wait behind.
const SYNCED_STEP: [usize; 2] = [128 * 1024, 4 * 1024 * 1024];
const A_WHILE: Duration = Duration::from_millis(250);

/// One file: what it covers, and where in it to look.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    start: LogPosition,
    end: LogPosition,
    /// Bytes, those still in the writer's buffer included.
    len: u64,
    /// Position and offset of a record every [`INDEX_STEP`] bytes; `None` until the file has been scanned.
    index: Option<Vec<(LogPosition, u64)>>,
}

/// The open end of a segment. The file is open for appending, because a damaged segment is cut behind its back.
#[derive(Debug)]
pub struct SegmentWriter {
    file: File,
    buffer: Vec<u8>,
    /// Bytes that were written since the last sync, and when that was.
    unsynced: usize,
    synced_at: Instant,
}

impl SegmentWriter {
    fn new(file: File) -> SegmentWriter {
        SegmentWriter { file, buffer: Vec::new(), unsynced: 0, synced_at: Instant::now() }
    }
}

/// What a scan found.
struct Scan {
    end: LogPosition,
    len: u64,
    index: Vec<(LogPosition, u64)>,
}

impl Segment {
    /// Makes a file that covers `start` and what follows. An older file of that start is replaced: whoever
    /// calls has found it empty.
    pub fn create(dir: &Path, partition: PartitionId, start: LogPosition) -> io::Result<(Segment, SegmentWriter)> {
        let path = dir.join(file_name(start));
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.set_len(0)?;
        file.write_all(&header(partition, start))?;
        File::open(dir)?.sync_all()?;
        let segment = Segment { path, start, end: before(start), len: HEADER_LEN, index: Some(Vec::new()) };
        Ok((segment, SegmentWriter::new(file)))
    }

    /// Opens a file found in the directory. A file whose end is not vouched for (`trust_marker` is false, or
    /// it does not end in a marker) is read through and cut behind its last whole record. `Ok(None)` when even
    /// its header is damaged: it holds nothing.
    pub fn open(path: &Path, partition: PartitionId, trust_marker: bool) -> io::Result<Option<(Segment, u64)>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let file_len = file.metadata()?.len();
        let Some(start) = read_header(&file, partition)? else {
            return Ok(None);
        };
        let path = path.to_path_buf();
        if trust_marker && let Some(end) = trailing_marker(&file, file_len)? {
            return Ok(Some((Segment { path, start, end, len: file_len, index: None }, 0)));
        }
        let Scan { end, len, index } = scan(&file, start, file_len)?;
        if len < file_len {
            file.set_len(len)?;
            file.sync_all()?;
        }
        Ok(Some((Segment { path, start, end, len, index: Some(index) }, file_len - len)))
    }

    /// The first position it covers.
    pub fn start(&self) -> LogPosition {
        self.start
    }

    /// The last position it covers; the one before its start when it covers none.
    pub fn end(&self) -> LogPosition {
        self.end
    }

    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The first position it covers not.
    pub fn next(&self) -> LogPosition {
        self.end.next()
    }

    /// Whether it covers `position`.
    pub fn covers(&self, position: LogPosition) -> bool {
        self.start <= position && position <= self.end
    }

    /// Continues a file that was opened.
    pub fn writer(&self) -> io::Result<SegmentWriter> {
        let file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(SegmentWriter::new(file))
    }

    /// Adds one command's events.
    pub fn append(&mut self, writer: &mut SegmentWriter, batch: EventBatch<'_>) -> io::Result<()> {
        let position = batch.position;
        assert!(position > self.end, "events are archived once, in the order of the log");
        if let Some(index) = &mut self.index
            && index.last().is_none_or(|(_, offset)| self.len - offset >= INDEX_STEP)
        {
            index.push((position, self.len));
        }
        self.len += encode(batch, &mut writer.buffer);
        self.end = position;
        if writer.buffer.len() >= BUFFER_MAX { writer.flush() } else { Ok(()) }
    }

    /// Every event up to `position` is here; known in memory until the next [`Segment::sync`].
    pub fn cover(&mut self, position: LogPosition) {
        self.end = self.end.max(position);
    }

    /// Makes everything up to [`Segment::end`] durable, and then says so in the file.
    pub fn sync(&mut self, writer: &mut SegmentWriter) -> io::Result<()> {
        writer.sync()?;
        self.len += encode(marker(self.end), &mut writer.buffer);
        writer.sync()
    }

    /// The events from `from` on, up to about `bytes_max` of them and at least one batch if there is one.
    /// A damaged record ends the segment there: it is cut, and covers less from now on.
    pub fn read(&mut self, from: LogPosition, bytes_max: usize) -> io::Result<EventBlock> {
        let file = File::open(&self.path)?;
        if self.index.is_none() {
            let Scan { end, index, .. } = scan(&file, self.start, self.len)?;
            self.index = Some(index);
            self.cut_at(end.min(self.end))?;
        }
        let index = self.index.as_ref().expect("scanned above");
        let at = index.partition_point(|(position, _)| *position <= from);
        let mut offset = if at == 0 { HEADER_LEN } else { index[at - 1].1 };
        let mut block = EventBlock::new(before(from));
        let mut window = Window::default();
        while offset < self.len {
            let Some((batch, len)) = window.record(&file, offset, self.len)? else {
                tracing::error!(file = %self.path.display(), offset, "a damaged record in the event archive");
                let end = block.upto().max(before(self.start));
                self.cut_at(end)?;
                return Ok(block);
            };
            if batch.position >= from && !batch.events.is_empty() {
                block.push(batch);
                if block.byte_len() >= bytes_max {
                    return Ok(block);
                }
            }
            offset += len;
        }
        block.cover(self.end.max(block.upto()));
        Ok(block)
    }

    /// Forgets what is behind `end`, and whatever is damaged before it.
    fn cut_at(&mut self, end: LogPosition) -> io::Result<()> {
        if end < self.end {
            let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
            let (mut kept, mut offset) = (before(self.start), HEADER_LEN);
            let mut window = Window::default();
            while offset < self.len {
                match window.record(&file, offset, self.len)? {
                    Some((batch, len)) if batch.position <= end => (kept, offset) = (batch.position, offset + len),
                    Some(_) => {
                        kept = end;
                        break;
                    }
                    None => break,
                }
            }
            if offset == self.len {
                kept = end;
            }
            tracing::error!(file = %self.path.display(), %kept, lost = %self.end, "event archive lost its end");
            file.set_len(offset)?;
            (self.end, self.len) = (kept, offset);
            if let Some(index) = &mut self.index {
                index.retain(|(_, at)| *at < offset);
            }
        }
        Ok(())
    }

    /// Lets the system use the memory in which it holds the file, which is complete and on disk: it is hardly read any more, and
    /// what the others' files need is found sooner. Whoever reads it all the same reads the disk.
    pub fn leave_memory(&self) {
        if let Ok(file) = File::open(&self.path) {
            // Advice: a file system that takes none does without.
            let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }

    /// Removes the file.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

impl SegmentWriter {
    /// Hands what has gathered to the operating system, and to the disk where that has enough of it to write.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        let [a_while_later, at_once] = SYNCED_STEP;
        let is_due = self.unsynced >= a_while_later && self.synced_at.elapsed() >= A_WHILE;
        if is_due || self.unsynced >= at_once { self.sync() } else { Ok(()) }
    }

    /// Makes durable what has gathered and what was written.
    fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        self.file.sync_data()?;
        (self.unsynced, self.synced_at) = (0, Instant::now());
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.unsynced += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }
}

/// The name of the file that covers `start` and what follows; names sort as positions do.
pub fn file_name(start: LogPosition) -> String {
    format!("{:020}.events", start.get())
}

/// The position before `position`, which is 1 or more.
pub fn before(position: LogPosition) -> LogPosition {
    LogPosition::new(position.get().checked_sub(1).expect("positions count from 1"))
}

fn marker(position: LogPosition) -> EventBatch<'static> {
    EventBatch { position, timestamp: Timestamp::ZERO, origin: Origin::INTERNAL, events: &[] }
}

fn header(partition: PartitionId, start: LogPosition) -> [u8; HEADER_LEN as usize] {
    let mut header = [0; HEADER_LEN as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&partition.get().to_le_bytes());
    header[10..18].copy_from_slice(&start.get().to_le_bytes());
    let crc = crc32fast::hash(&header[..18]);
    header[18..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn read_header(file: &File, partition: PartitionId) -> io::Result<Option<LogPosition>> {
    let mut found = [0; HEADER_LEN as usize];
    if file.metadata()?.len() < HEADER_LEN {
        return Ok(None);
    }
    file.read_exact_at(&mut found, 0)?;
    let start = LogPosition::new(u64_at(&found, 10));
    Ok((start > LogPosition::ZERO && found == header(partition, start)).then_some(start))
}

fn trailing_marker(file: &File, len: u64) -> io::Result<Option<LogPosition>> {
    let Some(at) = len.checked_sub(MARKER_LEN).filter(|at| *at >= HEADER_LEN) else {
        return Ok(None);
    };
    let mut bytes = [0; MARKER_LEN as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(decode(&bytes).filter(|(batch, _)| batch.events.is_empty()).map(|(batch, _)| batch.position))
}

fn encode(batch: EventBatch<'_>, to: &mut Vec<u8>) -> u64 {
    let start = to.len();
    to.extend_from_slice(&((BODY_HEAD_LEN + batch.events.len()) as u32).to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&batch.position.get().to_le_bytes());
    to.extend_from_slice(&batch.timestamp.nanos().to_le_bytes());
    to.extend_from_slice(&batch.origin.session.get().to_le_bytes());
    to.extend_from_slice(&batch.origin.sequence.get().to_le_bytes());
    to.extend_from_slice(batch.events);
    let crc = crc32fast::hash(&to[start + RECORD_HEAD_LEN..]);
    to[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    (to.len() - start) as u64
}

/// The record at the front of `bytes` and its length; `None` when it is cut short or damaged.
fn decode(bytes: &[u8]) -> Option<(EventBatch<'_>, u64)> {
    let len = body_len(bytes)?;
    let body = bytes.get(RECORD_HEAD_LEN..RECORD_HEAD_LEN + len)?;
    let crc = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
    if crc32fast::hash(body) != crc {
        return None;
    }
    let origin = Origin { session: SessionId::new(u64_at(body, 16)), sequence: Sequence::new(u64_at(body, 24)) };
    let batch = EventBatch {
        position: LogPosition::new(u64_at(body, 0)),
        timestamp: Timestamp::from_nanos(u64_at(body, 8)),
        origin,
        events: &body[BODY_HEAD_LEN..],
    };
    Some((batch, (RECORD_HEAD_LEN + len) as u64))
}

fn body_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(bytes.get(..4)?.try_into().expect("four bytes")) as usize;
    (BODY_HEAD_LEN..=BODY_MAX).contains(&len).then_some(len)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Reads every record up to the first that is cut short, damaged or out of order.
fn scan(file: &File, start: LogPosition, file_len: u64) -> io::Result<Scan> {
    let mut found = Scan { end: before(start), len: HEADER_LEN, index: Vec::new() };
    let mut window = Window::default();
    while let Some((batch, len)) = window.record(file, found.len, file_len)? {
        let is_next = if batch.events.is_empty() { batch.position >= found.end } else { batch.position > found.end };
        if !is_next {
            break;
        }
        if !batch.events.is_empty() && found.index.last().is_none_or(|(_, at)| found.len - at >= INDEX_STEP) {
            found.index.push((batch.position, found.len));
        }
        found.end = batch.position;
        found.len += len;
    }
    Ok(found)
}

/// Reads a file forward in large pieces.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    at: u64,
}

impl Window {
    const LEN: usize = 256 * 1024;

    /// The record at `offset` of a file of `file_len` bytes; `None` at its end or when it is damaged.
    fn record(&mut self, file: &File, offset: u64, file_len: u64) -> io::Result<Option<(EventBatch<'_>, u64)>> {
        self.load(file, offset, RECORD_HEAD_LEN, file_len)?;
        let Some(len) = body_len(self.from(offset)) else {
            return Ok(None);
        };
        self.load(file, offset, RECORD_HEAD_LEN + len, file_len)?;
        Ok(decode(self.from(offset)))
    }

    fn from(&self, offset: u64) -> &[u8] {
        self.bytes.get((offset - self.at) as usize..).unwrap_or(&[])
    }

    /// Has `len` bytes at `offset` in memory, or as many as there are.
    fn load(&mut self, file: &File, offset: u64, len: usize, file_len: u64) -> io::Result<()> {
        let held = self.at..self.at + self.bytes.len() as u64;
        let wanted_end = (offset + len as u64).min(file_len);
        if held.contains(&offset) && wanted_end <= held.end {
            return Ok(());
        }
        let whole = (len.max(Self::LEN) as u64).min(file_len.saturating_sub(offset)) as usize;
        self.bytes.resize(whole, 0);
        self.at = offset;
        file.read_exact_at(&mut self.bytes, offset)
    }
}

#[cfg(test)]
mod tests;
