use std::thread;
use std::time::Instant;

use super::*;

#[test]
fn a_partition_that_waits_for_an_archive_thread_that_fails_is_not_left_waiting() {
    let (work, queue) = bounded(4);
    let life = Arc::new(Life { doorbell: Doorbell::new().0 });
    let mut sink = ArchiveSink::new(PartitionId::new(1), work.clone(), Arc::downgrade(&life));
    let waiting = thread::spawn(move || sink.sync());
    while queue.is_empty() {
        thread::yield_now();
    }
    // It fails on what came before, and never looks at the question. The network thread holds a sender for ever.
    drop((queue, life));
    let give_up_at = Instant::now() + Duration::from_secs(10);
    while !waiting.is_finished() {
        assert!(Instant::now() < give_up_at, "the partition's thread hangs, and with it the end of the process");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(waiting.join().is_err(), "nothing may go on as if the events were safe");
    drop(work);
}
