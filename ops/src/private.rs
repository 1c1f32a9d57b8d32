//! Files that only their owner may read: keys, secrets, and what leads to them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600, so that a reader sees the old one or all of the new one.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = draft_of(path)?;
    // Left by an earlier process with this id. What exists after that was put there by somebody else.
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Makes a directory, and those above it, that only their owner may enter. One that exists stays as it is: it is
/// somebody's, and what is put into it is closed by itself.
pub fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What is beside `path` until it takes its place.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut draft: OsString = name.to_os_string();
    draft.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(draft))
}

/// A directory that is being filled under another name, so that whoever looks for it finds nothing or all of it. Dropped, it is
/// gone; of a process that is killed it stays, under that name.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Of the directory that is to be at `place`, where there is nothing yet or an empty one; `None` where there is more.
    pub fn of_dir(place: &Path) -> io::Result<Option<Draft>> {
        match fs::read_dir(place).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Ok(None),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(false) | Err(_) => {}
        }
        // `.` has a name as well, and a link stays where it is.
        let place = if place.exists() { place.canonicalize()? } else { place.to_path_buf() };
        let path = draft_of(&place)?;
        // As with files.
        let _ = fs::remove_dir_all(&path);
        make_dir(&path)?;
        Ok(Some(Draft { path, place }))
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is whole.
    pub fn keep(self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        let parent = self.place.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing, once it was kept.
        let _ = fs::remove_dir_all(&self.path);
    }
}
