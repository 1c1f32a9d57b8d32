//! The directories of a promotion: the new life's is written beside the old one's and then takes its place, by two names that
//! change one after the other.
//!
//! A note beside them says between which lives it goes, from before the first change until everybody who must know of the new life
//! has been told. So whatever a crash leaves, the same command knows whether to finish or to begin anew; without it a directory that
//! was kept long ago might be taken for the new one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use node::DataDir;
use node::recovery::{self, Laid, LayError, NewLife};
use wire::{ClusterEpoch, NodeId};

/// Writes the new directory and puts it in the old one's place; where that one is from then on. [`told`] ends it.
pub(super) fn lay(
    directory: &Path,
    node: NodeId,
    old: ClusterEpoch,
    life: &NewLife,
    laid: &[Laid],
) -> Result<PathBuf, LayError> {
    let begun = of_life(directory, life.epoch);
    if node::owner(&begun) == Some((node, life.epoch)) {
        // Of a promotion that was broken off before the old life ended; and nobody uses it.
        drop(DataDir::open(&begun, node, life.epoch)?);
        fs::remove_dir_all(&begun).map_err(doing("removing", &begun))?;
    }
    recovery::lay(&begun, node, life, laid)?;
    let note = note(directory);
    fs::write(&note, format!("{old} {}\n", life.epoch)).map_err(doing("writing", &note))?;
    File::open(&note).and_then(|file| file.sync_all()).map_err(doing("syncing", &note))?;
    sync_parent(directory)?;
    change_names(directory, old, life.epoch)
}

/// Finishes what a crash broke off after the new directory was whole: the new life's epoch, and where the old directory is.
/// `None` where there is nothing to finish. [`told`] ends it.
pub(super) fn finish(directory: &Path, node: NodeId) -> Result<Option<(ClusterEpoch, PathBuf)>, LayError> {
    let note = note(directory);
    let text = match fs::read_to_string(&note) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(doing("reading", &note)(error)),
    };
    let mut lives = text.split_whitespace().map_while(|word| word.parse().ok()).map(ClusterEpoch::new);
    let (old, new) = (lives.next(), lives.next());
    let (Some(old), Some(new)) = (old, new) else {
        // Torn: nothing had another name yet.
        fs::remove_file(&note).map_err(doing("removing", &note))?;
        return Ok(None);
    };
    let is_begun = node::owner(&of_life(directory, new)) == Some((node, new));
    match node::owner(directory) {
        Some((_, epoch)) if epoch == new => Ok(Some((new, of_life(directory, old)))),
        None if is_begun && !directory.exists() => Ok(Some((new, change_names(directory, old, new)?))),
        // The old directory has its other name already: what has this one again is of a node that was started in between,
        // by whoever watches over it, and has nothing.
        owner if is_begun && node::owner(&of_life(directory, old)) == Some((node, old)) => {
            // Not one that runs.
            drop(DataDir::open(directory, node, owner.map_or(old, |(_, epoch)| epoch))?);
            let aside = (1..).map(|number| beside(directory, &format!(".started-between-{number}")));
            let aside = { aside }.find(|aside| !aside.exists()).expect("names do not run out");
            fs::rename(directory, &aside).map_err(doing("putting aside", directory))?;
            Ok(Some((new, change_names(directory, old, new)?)))
        }
        _ => {
            fs::remove_file(&note).map_err(doing("removing", &note))?;
            Ok(None)
        }
    }
}

/// Whoever must know of the new life does: nothing is left to finish.
pub(super) fn told(directory: &Path) -> Result<(), LayError> {
    let note = note(directory);
    fs::remove_file(&note).map_err(doing("removing", &note))?;
    sync_parent(directory)
}

/// What has its name already is left.
fn change_names(directory: &Path, old: ClusterEpoch, new: ClusterEpoch) -> Result<PathBuf, LayError> {
    let (begun, kept) = (of_life(directory, new), of_life(directory, old));
    if directory.exists() {
        fs::rename(directory, &kept).map_err(doing("keeping", &kept))?;
    }
    fs::rename(&begun, directory).map_err(doing("naming", directory))?;
    sync_parent(directory)?;
    Ok(kept)
}

fn of_life(directory: &Path, epoch: ClusterEpoch) -> PathBuf {
    beside(directory, &format!(".life-{epoch}"))
}

fn note(directory: &Path) -> PathBuf {
    beside(directory, ".promotion")
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    directory.with_file_name(name)
}

fn sync_parent(directory: &Path) -> Result<(), LayError> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|it| it.sync_all()).map_err(doing("syncing", parent))
}

fn doing(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LayError {
    let path = path.to_path_buf();
    move |source| LayError::Io { attempted, path, source }
}

#[cfg(test)]
mod tests;
