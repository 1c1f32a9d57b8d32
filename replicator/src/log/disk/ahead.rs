//! Files of the log whose blocks are written before they are needed.
//!
//! A block that is merely allocated is marked as written at its first use, and an fsync of that use waits for the file's
//! metadata as well. So zeros go ahead of the log, a stretch at a time, with an fsync that is due anyway; each later fsync
//! finds its blocks in place and waits for the data alone. A reader sees the same zeros either way.

use std::io::{Result, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use raft_engine::env::{DefaultFileSystem, FileSystem, Permission, WriteExt};

/// So much is filled at a time: some hundred writes of a busy log, and little beside one of them for a disk.
const STRETCH: usize = 128 * 1024;
static ZEROS: [u8; STRETCH] = [0; STRETCH];

/// The default file system, except for what the module says.
pub struct FilledAhead;

impl FileSystem for FilledAhead {
    type Handle = <DefaultFileSystem as FileSystem>::Handle;
    type Reader = <DefaultFileSystem as FileSystem>::Reader;
    type Writer = Filling<<DefaultFileSystem as FileSystem>::Writer>;

    fn create<P: AsRef<Path>>(&self, path: P) -> Result<Self::Handle> {
        DefaultFileSystem.create(path)
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> Result<Self::Handle> {
        DefaultFileSystem.open(path, permission)
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> Result<()> {
        DefaultFileSystem.delete(path)
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> Result<()> {
        DefaultFileSystem.rename(from, to)
    }

    fn new_reader(&self, handle: Arc<Self::Handle>) -> Result<Self::Reader> {
        DefaultFileSystem.new_reader(handle)
    }

    fn new_writer(&self, handle: Arc<Self::Handle>) -> Result<Self::Writer> {
        Ok(Filling::new(DefaultFileSystem.new_writer(handle)?))
    }
}

/// Writes zeros ahead, never beyond what has been allocated.
pub struct Filling<W> {
    to: W,
    at: usize,
    /// Up to here blocks have been written.
    filled: usize,
    /// Up to here they are allocated.
    allocated: usize,
}

impl<W: Write + Seek> Filling<W> {
    fn new(to: W) -> Filling<W> {
        Filling { to, at: 0, filled: 0, allocated: 0 }
    }

    fn fill(&mut self, end: usize) -> Result<()> {
        let from = self.filled.max(end);
        let len = STRETCH.min(self.allocated.saturating_sub(from));
        self.to.seek(SeekFrom::Start(from as u64))?;
        let written = self.to.write_all(&ZEROS[..len]);
        self.to.seek(SeekFrom::Start(self.at as u64))?;
        self.filled = from + len;
        written
    }
}

impl<W: Write + Seek> Write for Filling<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let end = self.at + bytes.len();
        if end > self.filled && end < self.allocated {
            self.fill(end)?;
        }
        let written = self.to.write(bytes)?;
        self.at += written;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush()
    }
}

impl<W: Seek> Seek for Filling<W> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = self.to.seek(to)?;
        self.at = at as usize;
        Ok(at)
    }
}

impl<W: WriteExt> WriteExt for Filling<W> {
    fn truncate(&mut self, to: usize) -> Result<()> {
        self.to.truncate(to)?;
        (self.at, self.filled, self.allocated) = (to, self.filled.min(to), self.allocated.min(to));
        Ok(())
    }

    fn allocate(&mut self, from: usize, len: usize) -> Result<()> {
        self.to.allocate(from, len)?;
        self.allocated = from + len;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
