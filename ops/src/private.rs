//! Files that only their owner may read: keys, secrets, and what leads to them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file of mode 0600, so that a reader sees the old one or all of the new one.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut draft = name.to_os_string();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(draft);
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
