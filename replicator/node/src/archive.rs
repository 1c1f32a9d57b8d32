//! The events of one partition since its first position, in files of this node.
//!
//! Gateways rebuild everything they know from here, so nothing may be missing silently. Events are written
//! behind the partition's back and made durable before a snapshot is: what a crash takes off the end is
//! written again when the log behind the snapshot is replayed, because appending is idempotent by
//! position. A replica whose state came from another's snapshot has a *gap*, which is known, refused to
//! subscribers, and filled from another node's archive.

mod segment;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wire::{LogPosition, PartitionId};

use crate::block::{EventBatch, EventBlock};
pub use segment::before;
use segment::{Segment, SegmentWriter};

/// A file is complete at this length.
const SEGMENT_LEN_MAX: u64 = 32 * 1024 * 1024;

/// The event files of one partition.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    partition: PartitionId,
    segment_len_max: u64,
    /// In the order of positions; the last is the live one.
    segments: Vec<Segment>,
    live: SegmentWriter,
    filling: Option<Filling>,
}

/// A gap being filled: the writer of the segment that starts at `start`, up to the gap's end.
#[derive(Debug)]
struct Filling {
    start: LogPosition,
    upto: LogPosition,
    writer: SegmentWriter,
}

/// Positions whose events are missing here, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first missing.
    pub from: LogPosition,
    /// The last missing.
    pub upto: LogPosition,
}

/// What is missing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// The gaps, in the order of positions.
    pub gaps: Vec<Gap>,
    /// Up to here that is known.
    pub upto: LogPosition,
}

impl Missing {
    /// Positions in all gaps.
    pub fn positions(&self) -> u64 {
        self.gaps.iter().map(Gap::positions).sum()
    }
}

impl Gap {
    /// How many.
    pub fn positions(&self) -> u64 {
        (self.upto.get() - self.from.get()).saturating_add(1)
    }
}

/// Why the archive cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("event archive of partition {partition} in {}: {attempted}", dir.display())]
pub struct ArchiveError {
    partition: PartitionId,
    dir: PathBuf,
    attempted: &'static str,
    #[source]
    source: io::Error,
}

impl Archive {
    /// Opens or makes the archive in `dir`, cutting torn ends off.
    pub fn open(dir: &Path, partition: PartitionId) -> Result<Archive, ArchiveError> {
        Self::open_with(dir, partition, SEGMENT_LEN_MAX)
    }

    fn open_with(dir: &Path, partition: PartitionId, segment_len_max: u64) -> Result<Archive, ArchiveError> {
        let doing = |attempted| move |source| ArchiveError { partition, dir: dir.to_path_buf(), attempted, source };
        fs::create_dir_all(dir).map_err(doing("cannot make the directory"))?;
        let mut segments = load(dir, partition).map_err(doing("cannot read the files"))?;
        let writer = match segments.last() {
            Some(last) => last.writer().map_err(doing("cannot continue the last file"))?,
            None => {
                let first = LogPosition::ZERO.next();
                let (segment, writer) =
                    Segment::create(dir, partition, first).map_err(doing("cannot make the first file"))?;
                segments.push(segment);
                writer
            }
        };
        let dir = dir.to_path_buf();
        Ok(Archive { dir, partition, segment_len_max, segments, live: writer, filling: None })
    }

    /// The last position whose events are here or were none.
    pub fn end(&self) -> LogPosition {
        self.last().end()
    }

    /// Bytes in all files.
    pub fn byte_len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// What is missing, in the order of positions.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> {
        let mut expected = LogPosition::ZERO.next();
        self.segments.iter().filter_map(move |segment| {
            let (from, start) = (expected, segment.start());
            expected = expected.max(segment.next());
            (start > from).then(|| Gap { from, upto: before(start) })
        })
    }

    /// What is missing here up to the end.
    pub fn missing(&self) -> Missing {
        Missing { gaps: self.gaps().collect(), upto: self.end() }
    }

    /// Adds the events of a block; what is here already is skipped. A block that leaves a hole, because what was
    /// before it has been found damaged, makes a gap.
    pub fn append(&mut self, block: &EventBlock) -> Result<(), ArchiveError> {
        self.jump(block.after())?;
        self.append_live(block).map_err(self.doing("cannot append"))
    }

    fn append_live(&mut self, block: &EventBlock) -> io::Result<()> {
        for batch in block.batches().skip(block.index_from(self.end().next())) {
            if self.last().len() >= self.segment_len_max {
                self.roll(before(batch.position))?;
            }
            let live = self.segments.last_mut().expect("there is always a live segment");
            live.append(&mut self.live, batch)?;
        }
        self.segments.last_mut().expect("there is always a live segment").cover(block.upto());
        Ok(())
    }

    /// The partition's state jumped to `position`: events up to it that are not here never come from this
    /// replica.
    pub fn jump(&mut self, position: LogPosition) -> Result<(), ArchiveError> {
        if position <= self.end() {
            return Ok(());
        }
        tracing::warn!(partition = %self.partition, from = %self.end().next(), upto = %position,
            "events are missing here; they will be fetched from another node");
        self.roll(self.end()).and_then(|()| self.begin(position.next())).map_err(self.doing("cannot begin a file"))
    }

    /// Hands everything to the operating system; what has gathered there is synced now and then.
    pub fn flush(&mut self) -> Result<(), ArchiveError> {
        let filled = self.filling.as_mut().map_or(Ok(()), |filling| filling.writer.flush());
        filled.and_then(|()| self.live.flush()).map_err(self.doing("cannot write"))
    }

    /// Makes everything durable.
    pub fn sync(&mut self) -> Result<(), ArchiveError> {
        let live = self.segments.last_mut().expect("there is always a live segment");
        live.sync(&mut self.live).map_err(self.doing("cannot sync"))
    }

    /// The events from `from` on, at most about `bytes_max` of them; an empty block ends before `from` when
    /// there are none yet. `Err` with the first position after the gap that `from` lies in.
    pub fn read(
        &mut self,
        from: LogPosition,
        bytes_max: usize,
    ) -> Result<Result<EventBlock, LogPosition>, ArchiveError> {
        self.flush()?;
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.covers(from)) else {
            let later = self.segments.iter().map(Segment::start).find(|start| *start > from);
            return Ok(later.map_or(Ok(EventBlock::new(before(from))), Err));
        };
        segment.read(from, bytes_max).map(Ok).map_err(self.doing("cannot read"))
    }

    /// Takes events of a gap from another node's archive; what lies outside it is ignored. A block that begins inside a gap
    /// leaves two: what is before it is still missing.
    pub fn fill(&mut self, block: &EventBlock) -> Result<(), ArchiveError> {
        let first = block.after().next();
        let gap = self.gaps().find(|gap| gap.upto >= first);
        match gap.map(|gap| Gap { from: gap.from.max(first), ..gap }) {
            Some(gap) if gap.from <= block.upto() => self.fill_gap(gap, block).map_err(self.doing("cannot fill a gap")),
            _ => Ok(()),
        }
    }

    fn fill_gap(&mut self, gap: Gap, block: &EventBlock) -> io::Result<()> {
        let mut filling = match self.filling.take() {
            Some(filling) if self.at(filling.start).next() == gap.from => Filling { upto: gap.upto, ..filling },
            former => {
                if let Some(mut former) = former {
                    self.at(former.start).sync(&mut former.writer)?;
                }
                self.begin_filling(gap)?
            }
        };
        for batch in block.batches().skip(block.index_from(gap.from)) {
            if batch.position > gap.upto {
                break;
            }
            if self.at(filling.start).len() >= self.segment_len_max {
                self.at(filling.start).cover(before(batch.position));
                let (start, rest) = (filling.start, Gap { from: batch.position, upto: gap.upto });
                self.at(start).sync(&mut filling.writer)?;
                filling = self.begin_filling(rest)?;
            }
            let start = filling.start;
            self.at(start).append(&mut filling.writer, batch)?;
        }
        let start = filling.start;
        self.at(start).cover(block.upto().min(gap.upto));
        if block.upto() >= filling.upto {
            self.at(start).sync(&mut filling.writer)?;
            tracing::info!(partition = %self.partition, upto = %filling.upto, "a gap in the events is filled");
        } else {
            self.filling = Some(filling);
        }
        Ok(())
    }

    fn begin_filling(&mut self, gap: Gap) -> io::Result<Filling> {
        let (segment, writer) = Segment::create(&self.dir, self.partition, gap.from)?;
        // One that began there covers nothing: its file is begun anew.
        self.segments.retain(|other| other.start() != gap.from);
        let at = self.segments.partition_point(|other| other.start() < gap.from);
        self.segments.insert(at, segment);
        Ok(Filling { start: gap.from, upto: gap.upto, writer })
    }

    fn at(&mut self, start: LogPosition) -> &mut Segment {
        let found = self.segments.binary_search_by_key(&start, Segment::start);
        &mut self.segments[found.expect("a filling's segment is in the list")]
    }

    /// Completes the live file, which covers everything up to `upto`, and begins the next.
    fn roll(&mut self, upto: LogPosition) -> io::Result<()> {
        let live = self.segments.last_mut().expect("there is always a live segment");
        live.cover(upto);
        live.sync(&mut self.live)?;
        let next = live.next();
        // The newest complete one stays in memory for whoever is a little behind.
        if let [.., before, _] = &self.segments[..] {
            before.leave_memory();
        }
        self.begin(next)
    }

    fn begin(&mut self, start: LogPosition) -> io::Result<()> {
        let last = self.segments.last().expect("there is always a live segment");
        let replaced = if last.next() == last.start() { self.segments.pop() } else { None };
        let (segment, writer) = Segment::create(&self.dir, self.partition, start)?;
        if let Some(empty) = replaced
            && empty.start() != start
        {
            empty.remove()?;
        }
        self.segments.push(segment);
        self.live = writer;
        Ok(())
    }

    fn last(&self) -> &Segment {
        self.segments.last().expect("there is always a live segment")
    }

    fn doing(&self, attempted: &'static str) -> impl Fn(io::Error) -> ArchiveError + use<> {
        let (partition, dir) = (self.partition, self.dir.clone());
        move |source| ArchiveError { partition, dir: dir.clone(), attempted, source }
    }
}

/// Opens the files of `dir` in the order of positions. Every file but the last is believed when it ends in a
/// marker; empty ones are removed.
fn load(dir: &Path, partition: PartitionId) -> io::Result<Vec<Segment>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .filter(|path| path.as_ref().map_or(true, |path| path.extension().is_some_and(|it| it == "events")))
        .collect::<io::Result<_>>()?;
    paths.sort();
    let mut segments: Vec<Segment> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let is_last = at + 1 == paths.len();
        let found = Segment::open(path, partition, !is_last)?;
        let (segment, lost) = match found {
            Some(found) => found,
            None => {
                tracing::warn!(file = %path.display(), "an event file without a valid header is set aside");
                fs::rename(path, path.with_extension("damaged"))?;
                continue;
            }
        };
        if lost > 0 {
            tracing::warn!(file = %path.display(), bytes = lost, "cut a torn end off the event archive");
        }
        if !is_last && segment.next() == segment.start() {
            segment.remove()?;
            continue;
        }
        if segments.last().is_some_and(|previous| previous.end() >= segment.start()) {
            let why = format!("{} covers positions of the file before it; move it away", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// One batch as a block of its own, as it comes from another node's subscription.
pub fn block_of(after: LogPosition, batch: EventBatch<'_>) -> EventBlock {
    let mut block = EventBlock::new(after);
    block.push(batch);
    block
}

#[cfg(test)]
mod tests;
