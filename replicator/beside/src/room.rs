//! Where a process's own media driver has its files, and whether there is room for them.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// Where media drivers have their files: in memory, where the host shows it.
const MEMORY: &str = "/dev/shm";

/// What one takes for each cast, sent or taken: three terms of 1 MiB.
pub const MEMORY_OF_A_CAST: u64 = 3 * 1024 * 1024;

/// The directory of a driver with this name: the same at every start, which deletes what a killed process left.
pub fn directory(name: &str) -> PathBuf {
    let memory = Some(PathBuf::from(MEMORY)).filter(|path| Path::is_dir(path));
    memory.unwrap_or_else(std::env::temp_dir).join(name)
}

/// Refuses what would end later, when a stream finds no room: containers have 64 MiB there. What a killed process left is
/// deleted, as its driver does at its start.
pub fn check(directory: &Path, wanted: u64) -> Result<(), String> {
    let _ = fs::remove_dir_all(directory);
    let parent = directory.parent().unwrap_or(directory);
    // A file system that does not say is one whose first file will fail, and say why.
    let Ok(said) = statvfs(parent) else { return Ok(()) };
    let free = said.blocks_available().saturating_mul(said.fragment_size());
    enough(parent, free, wanted)
}

fn enough(place: &Path, free: u64, wanted: u64) -> Result<(), String> {
    if free >= wanted {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let place = place.display();
    Err(format!(
        "[aeron] wants {} MiB in {place} for its streams, which has {} MiB left: give it more (a container takes --shm-size), or name a driver that runs on its own (driver_dir)",
        mib(wanted),
        free / (1024 * 1024),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_before_a_process_starts() {
        let place = Path::new("/dev/shm");
        let wanted = 48 * 1024 * 1024;
        assert!(enough(place, wanted, wanted).is_ok());
        let text = enough(place, wanted - 1, wanted).expect_err("a byte is missing");
        assert!(text.contains("48 MiB") && text.contains("47 MiB left") && text.contains("driver_dir"), "{text}");
    }
}
