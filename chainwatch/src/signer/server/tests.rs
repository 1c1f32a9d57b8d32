use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn at_no_moment_may_others_open_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("signer");
    let is_over = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (is_over, directory) = (Arc::clone(&is_over), directory.path().to_path_buf());
        move || {
            let mut widest = 0;
            while !is_over.load(Ordering::Relaxed) {
                // A directory that is closed closes what is in it.
                for entry in std::fs::read_dir(&directory).unwrap().flatten() {
                    widest |= entry.metadata().map_or(0, |known| known.permissions().mode() & 0o077);
                }
            }
            widest
        }
    });
    for _ in 0..500 {
        drop(listen(&socket).unwrap());
    }
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(watcher.join().unwrap(), 0, "open to others for a while");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [socket], "nothing else is left behind");
}
