//! Partitions that share a thread: one cycle goes over all of them, and what they want on disk is one write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam::channel::Sender;
use replicator::log::disk::{DiskLog, LogGroup};
use replicator::net::Waker;
use wire::{PartitionId, Timestamp};

use crate::clock::Clock;
use crate::driver::PartitionDriver;
use crate::rings::{DoorbellWait, FromPartition};
use crate::stalls::StallWatch;

/// The shortest sleep: nothing here is due to less than this.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// See the module.
pub struct PartitionGroup {
    partitions: Vec<PartitionDriver<DiskLog>>,
    log: LogGroup,
    clock: Clock,
    /// The longest sleep.
    tick: Duration,
    stalls: StallWatch,
}

impl PartitionGroup {
    /// Of partitions whose logs are of `log`.
    pub fn new(
        partitions: Vec<PartitionDriver<DiskLog>>,
        log: LogGroup,
        clock: Clock,
        tick: Duration,
        stalls: StallWatch,
    ) -> PartitionGroup {
        PartitionGroup { partitions, log, clock, tick, stalls }
    }

    /// A thread of its own: works until every partition was told to stop or one of them fails; the error says why.
    pub fn run(
        mut self,
        doorbell: &DoorbellWait,
        network: &Sender<FromPartition>,
        waker: &Waker,
    ) -> Result<(), String> {
        let mut is_network_gone = false;
        loop {
            let mut is_network_due = false;
            let done = self.poll(&mut |output| {
                is_network_due = true;
                // Waits while the ring is full.
                is_network_gone |= network.send(output).is_err();
            })?;
            if is_network_due {
                waker.wake();
            }
            if is_network_gone {
                return Err("the network thread has ended".to_owned());
            }
            if self.partitions.iter().all(PartitionDriver::is_stopping) {
                return Ok(());
            }
            if done + self.flush() == 0 {
                doorbell.wait(self.idle_wait());
            }
        }
    }

    /// One cycle of every partition; `deliver` takes what is for the network. The error says why the node cannot go on.
    pub fn poll(&mut self, deliver: &mut impl FnMut(FromPartition)) -> Result<usize, String> {
        self.stalls.cycle(self.clock.now());
        let (mut done, mut behind) = (0, Vec::new());
        for at in 0..self.partitions.len() {
            done += self.cycle(at, deliver)?;
            // Mail for a partition that has had its turn would wait until this cycle's write is on disk.
            let mailed = self.partitions[at].take_mailed();
            let had_its_turn = |to: &PartitionId| self.partitions[..at].iter().any(|it| it.host.partition() == *to);
            behind.extend(mailed.into_iter().filter(had_its_turn));
        }
        for at in 0..self.partitions.len() {
            if behind.contains(&self.partitions[at].host.partition()) {
                done += self.cycle(at, deliver)?;
            }
        }
        Ok(done)
    }

    fn cycle(&mut self, at: usize, deliver: &mut impl FnMut(FromPartition)) -> Result<usize, String> {
        let driver = &mut self.partitions[at];
        let partition = driver.host.partition();
        let cycle = catch_unwind(AssertUnwindSafe(|| driver.duty_cycle(deliver)));
        let cycle = cycle.unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
        cycle.map_err(|error| format!("partition {partition}: {error}"))
    }

    /// Writes, or hands to the log thread, what the last cycle wants on disk. Returns how much of it is durable now.
    pub fn flush(&mut self) -> usize {
        self.log.flush()
    }

    /// Whether [`Self::flush`] has something to write.
    pub fn is_flush_due(&self) -> bool {
        self.log.is_due()
    }

    /// How long nothing is due. What is due already waits for something else, such as the disk, which rings.
    pub fn idle_wait(&self) -> Duration {
        let due = self.partitions.iter().map(|driver| driver.host.next_timeout()).min();
        let due = due.map_or(0, Timestamp::nanos).saturating_sub(self.clock.now().nanos());
        Duration::from_nanos(due).clamp(SLEEP_MIN, self.tick.max(SLEEP_MIN))
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}
