//! Files of the log whose blocks are written before they are needed.
//!
//! A block that is merely allocated is marked as written at its first use, and an fsync of that use waits for the file's
//! metadata as well. So a file is full of zeros before the log uses it, and its fsyncs wait for data alone. The file that a
//! node begins with is filled when its log is opened. The next one is filled by a thread, piece by piece as the present one
//! is used, and under a name of its own: no fsync of the log waits for zeros. A reader finds zeros behind the end either way.
//! The same thread has the system bring what of the present file is used next into memory, where it let go of it: a write of
//! a part of a page would read the page first.
//!
//! Nothing depends on it. Where a filled file would not leave the reserve of the disk, or filling fails, the next file of the
//! log is one that is merely allocated. One that was filled is what the log goes on in when the disk has become full.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use raft_engine::env::{DefaultFileSystem, FileSystem, Permission};

use super::super::StoreError;
use super::{free_space, io};

/// Of a file of the log. What a node takes of its disk beyond what it has written is two of them at most.
pub const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// So much is filled at a time where little is written: little beside a write of the log for a disk that has both.
const PIECE: u64 = 128 * 1024;
/// Of what is due so many pieces are synced together: where much is written, syncs are what there is least of.
const PIECES_MAX: u64 = 4;
static ZEROS: [u8; PIECE as usize] = [0; PIECE as usize];

/// So much is filled of the next file for each byte of the present one: half of it is left when the next one is whole.
const LEAD: u64 = 2;

/// So much of the present file is brought into memory at a time, before half of what was brought before is used. A file that was
/// filled a while ago, or is used again, may have left it, and a write of a part of a block would read the block first.
const WARM: u64 = 128 * 1024;

/// The extension of the engine's files of entries.
const LOG: &str = "raftlog";
/// What the engine takes for no file of its own.
pub const NEXT: &str = "next";

/// The default file system, except for where the log's next file comes from.
pub struct FilledAhead {
    directory: PathBuf,
    reserve: u64,
    ahead: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    /// Bytes of the present file.
    used: u64,
    /// The present file, to be brought into memory as it is used, and how far it has been; none where it cannot be opened.
    present: Option<Arc<File>>,
    warm: u64,
    next: Next,
    is_over: bool,
}

/// The file after the present one.
enum Next {
    /// So many bytes of it are on disk. The thread's alone.
    Filling(u64),
    /// It waits under its own name.
    Filled,
    /// There is none: it will be merely allocated.
    None,
}

impl Progress {
    /// From where to where pieces are to be filled.
    fn due(&self) -> Option<Range<u64>> {
        let wanted = self.used.saturating_mul(LEAD);
        match self.next {
            Next::Filling(filled) if filled < wanted => {
                let pieces = (wanted - filled).div_ceil(PIECE).min(PIECES_MAX);
                Some(filled..FILE_SIZE.min(filled + pieces * PIECE))
            }
            _ => None,
        }
    }

    /// From where to where the present file is to be brought into memory.
    fn cold(&self) -> Option<(Arc<File>, Range<u64>)> {
        let is_near = self.warm < FILE_SIZE && self.used.saturating_add(WARM / 2) >= self.warm;
        let file = self.present.as_ref().filter(|_| is_near)?;
        // What was used meanwhile is in memory.
        let from = self.warm.max(self.used);
        Some((file.clone(), from..from.saturating_add(WARM)))
    }

    /// What there is for the thread to do.
    fn has_work(&self) -> bool {
        self.due().is_some() || self.cold().is_some()
    }

    /// The log goes on in this file, of which so much is used.
    fn goes_on_in(&mut self, path: &Path, used: u64) {
        self.present = File::open(path).ok().map(Arc::new);
        (self.used, self.warm) = (used, used);
    }
}

impl FilledAhead {
    /// Of the engine in `directory`. Nothing is filled unless there is a [`Filler`].
    pub fn new(directory: PathBuf, reserve: u64) -> FilledAhead {
        let ahead = Mutex::new(Progress { used: 0, present: None, warm: 0, next: Next::None, is_over: false });
        FilledAhead { directory, reserve, ahead, changed: Condvar::new() }
    }

    /// So much more of the present file is used.
    pub fn used(&self, bytes: usize) {
        let mut ahead = self.ahead();
        ahead.used += bytes as u64;
        if ahead.has_work() {
            self.changed.notify_one();
        }
    }

    fn next(&self) -> PathBuf {
        self.directory.join(NEXT)
    }

    fn ahead(&self) -> MutexGuard<'_, Progress> {
        self.ahead.lock().expect("nothing panics under it")
    }

    /// Gives the next file the name `path`, if it is filled, and asks for the one after it.
    fn name_next(&self, path: &Path) -> bool {
        let mut ahead = self.ahead();
        ahead.used = 0;
        let is_filled = match ahead.next {
            Next::Filling(_) => return false,
            Next::Filled => true,
            Next::None => false,
        };
        ahead.next = Next::Filling(0);
        // The engine syncs the directory before it uses a new file.
        is_filled
            && fs::rename(self.next(), path)
                .inspect_err(|error| tracing::warn!(%error, "a file that was filled cannot be used"))
                .is_ok()
    }

    /// The file that the log goes on in when it is opened.
    fn newest(&self) -> Result<Option<PathBuf>> {
        let paths = fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(paths.into_iter().filter(|path| is_log(path)).max())
    }

    /// Fills the rest of the present file, which nobody uses yet. Returns how much of it is used.
    fn fill_present(&self) -> Result<u64> {
        let Some(newest) = self.newest()? else { return Ok(0) };
        let file = OpenOptions::new().write(true).open(newest)?;
        let used = file.metadata()?.len();
        self.fill_from(&file, used).or_else(|error| {
            // What was filled of it is given back.
            file.set_len(used)?;
            Err(error)
        })?;
        Ok(used)
    }

    fn fill_from(&self, file: &File, used: u64) -> Result<()> {
        self.check_room(FILE_SIZE.saturating_sub(used))?;
        let mut at = used;
        while at < FILE_SIZE {
            let len = PIECE.min(FILE_SIZE - at);
            file.write_all_at(&ZEROS[..len as usize], at)?;
            at += len;
        }
        file.sync_data()
    }

    /// Fills a part of the next file, which it makes first.
    fn fill_next(&self, file: &mut Option<File>, part: Range<u64>) -> Result<()> {
        let file = match file {
            Some(file) => file,
            None => {
                self.remove_next()?;
                self.check_room(FILE_SIZE)?;
                file.insert(OpenOptions::new().write(true).create_new(true).open(self.next())?)
            }
        };
        for at in part.step_by(ZEROS.len()) {
            file.write_all_at(&ZEROS, at)?;
        }
        file.sync_data()
    }

    /// Removes the name of what was being filled. After a crash the log's own file may have it too, so what is found under it
    /// is never written to.
    fn remove_next(&self) -> Result<()> {
        match fs::remove_file(self.next()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn check_room(&self, len: u64) -> Result<()> {
        match free_space(&self.directory) {
            Some(free) if free < len.saturating_add(self.reserve) => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn run(&self) {
        let mut file = None;
        loop {
            let due = self.changed.wait_while(self.ahead(), |ahead| !ahead.is_over && !ahead.has_work());
            let mut ahead = due.expect("nothing panics under it");
            if ahead.is_over {
                break;
            }
            if let Some((present, part)) = ahead.cold() {
                ahead.warm = part.end;
                drop(ahead);
                // Advice: a file system that takes none does without.
                let _ =
                    posix_fadvise(&*present, part.start as i64, WARM as i64, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
                continue;
            }
            let Some(part) = ahead.due() else { continue };
            drop(ahead);
            let end = part.end;
            let filled = self.fill_next(&mut file, part);
            let next = match filled {
                Ok(()) if end < FILE_SIZE => Next::Filling(end),
                Ok(()) => Next::Filled,
                Err(error) => {
                    tracing::warn!(%error, "the log's next file could not be filled ahead");
                    // Where that fails too it is the next one's first step.
                    drop(self.remove_next());
                    Next::None
                }
            };
            if !matches!(next, Next::Filling(_)) {
                file = None;
            }
            self.ahead().next = next;
        }
        self.ahead().next = Next::None;
        drop(self.remove_next());
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == LOG)
}

impl FileSystem for FilledAhead {
    type Handle = <DefaultFileSystem as FileSystem>::Handle;
    type Reader = <DefaultFileSystem as FileSystem>::Reader;
    type Writer = <DefaultFileSystem as FileSystem>::Writer;

    fn create<P: AsRef<Path>>(&self, path: P) -> Result<Self::Handle> {
        let is_log = is_log(path.as_ref());
        let made = match is_log && self.name_next(path.as_ref()) {
            true => DefaultFileSystem.open(path.as_ref(), Permission::ReadWrite)?,
            false => DefaultFileSystem.create(path.as_ref())?,
        };
        if is_log {
            self.ahead().goes_on_in(path.as_ref(), 0);
        }
        Ok(made)
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

    /// A file that the log needs no more is its next one.
    fn reuse<P: AsRef<Path>>(&self, from: P, to: P) -> Result<()> {
        DefaultFileSystem.reuse(from.as_ref(), to.as_ref())?;
        if is_log(to.as_ref()) {
            self.ahead().goes_on_in(to.as_ref(), 0);
        }
        Ok(())
    }

    fn new_reader(&self, handle: Arc<Self::Handle>) -> Result<Self::Reader> {
        DefaultFileSystem.new_reader(handle)
    }

    fn new_writer(&self, handle: Arc<Self::Handle>) -> Result<Self::Writer> {
        DefaultFileSystem.new_writer(handle)
    }
}

/// The thread that fills. Dropping it stops the thread, and gives back what waits to be used.
pub struct Filler {
    files: Arc<FilledAhead>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    /// Fills the present file of the engine, which is open and not written to yet, and starts the thread `log-ahead`.
    pub fn start(files: Arc<FilledAhead>) -> std::result::Result<Filler, StoreError> {
        // Of a former life that did not end by itself; the room is the log's.
        let emptied = files.remove_next();
        let used = emptied.and_then(|()| files.fill_present()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the log's file could not be filled ahead");
            0
        });
        {
            let mut ahead = files.ahead();
            match files.newest() {
                Ok(Some(newest)) => ahead.goes_on_in(&newest, used),
                _ => ahead.used = used,
            }
            ahead.next = Next::Filling(0);
        }
        let thread = {
            let files = files.clone();
            std::thread::Builder::new().name("log-ahead".to_owned()).spawn(move || files.run())
        };
        let thread = thread.map_err(|error| io("starting the thread that fills", &files.directory, &error))?;
        Ok(Filler { files, thread: Some(thread) })
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.files.ahead().is_over = true;
        self.files.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
