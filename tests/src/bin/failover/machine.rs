//! The machine's own pauses: a virtual machine's host stops its cores now and then, and everything on them with them.
//!
//! A witness on each core, of real-time priority, sleeps for a millisecond again and again. Only the kernel itself goes
//! before it, so a witness that overslept was on a core that ran nothing, whatever the program's own threads were doing.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};

use crate::pauses::now_ms;

const NAP: Duration = Duration::from_millis(1);
/// Timers and the waking of a sleeping core make less of a delay than this.
const OVERSLEPT: Duration = Duration::from_millis(5);

/// When some core ran nothing, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stall {
    pub from_ms: f64,
    pub until_ms: f64,
}

/// See the module. Dropped, it is no longer watching, and nothing is left behind.
pub struct Witness {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Vec<Stall>>>,
}

impl Witness {
    /// Watches the cores that this process may use. The error says why it cannot: only root may go before others.
    pub fn start() -> io::Result<Witness> {
        let usable = sched_getaffinity(Pid::from_raw(0))?;
        let cores = (0..CpuSet::count()).filter(|core| usable.is_set(*core).unwrap_or(false));
        let mut witness = Witness { is_over: Arc::new(AtomicBool::new(false)), watchers: Vec::new() };
        for core in cores {
            let (is_over, (tell, told)) = (Arc::clone(&witness.is_over), std::sync::mpsc::sync_channel(1));
            witness.watchers.push(thread::spawn(move || {
                let is_placed = place(core);
                let is_watching = is_placed.is_ok();
                let _ = tell.send(is_placed);
                if is_watching { watch(&is_over) } else { Vec::new() }
            }));
            told.recv().unwrap_or_else(|_| Err(io::Error::other("a witness is gone")))?;
        }
        Ok(witness)
    }

    /// When cores ran nothing since the start, in order and without overlap.
    pub fn end(mut self) -> Vec<Stall> {
        self.is_over.store(true, Ordering::Relaxed);
        let stalls = self.watchers.drain(..).flat_map(|watcher| watcher.join().unwrap_or_default());
        merged(stalls.collect())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Puts the calling thread on a core, before everything else there.
fn place(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &only)?;
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "50", &gettid().to_string()]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("chrt, which only root may, ended with {status}")))
    }
}

fn watch(is_over: &AtomicBool) -> Vec<Stall> {
    let mut stalls = Vec::new();
    let mut last = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(NAP);
        let slept = last.elapsed();
        last = Instant::now();
        if slept > NAP + OVERSLEPT {
            let until_ms = now_ms();
            // It would have woken after its nap.
            stalls.push(Stall { from_ms: until_ms - (slept - NAP).as_secs_f64() * 1e3, until_ms });
        }
    }
    stalls
}

fn merged(mut stalls: Vec<Stall>) -> Vec<Stall> {
    stalls.sort_by(|a, b| a.from_ms.total_cmp(&b.from_ms));
    let mut merged: Vec<Stall> = Vec::new();
    for stall in stalls {
        match merged.last_mut() {
            Some(last) if stall.from_ms <= last.until_ms => last.until_ms = last.until_ms.max(stall.until_ms),
            _ => merged.push(stall),
        }
    }
    merged
}

/// How long some core stood still between two moments, in milliseconds.
pub fn stood_still(stalls: &[Stall], from_ms: f64, until_ms: f64) -> f64 {
    let share = |stall: &Stall| (stall.until_ms.min(until_ms) - stall.from_ms.max(from_ms)).max(0.0);
    stalls.iter().map(share).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stall(from_ms: f64, until_ms: f64) -> Stall {
        Stall { from_ms, until_ms }
    }

    #[test]
    fn what_several_cores_saw_counts_once() {
        let seen = vec![stall(20.0, 30.0), stall(0.0, 10.0), stall(25.0, 40.0), stall(26.0, 28.0)];
        assert_eq!(merged(seen), [stall(0.0, 10.0), stall(20.0, 40.0)]);
        assert_eq!(merged(Vec::new()), []);
    }

    #[test]
    fn only_what_lies_between_the_moments_counts() {
        let stalls = [stall(0.0, 10.0), stall(20.0, 40.0)];
        assert_eq!(stood_still(&stalls, 5.0, 25.0), 10.0);
        assert_eq!(stood_still(&stalls, 10.0, 20.0), 0.0);
        assert_eq!(stood_still(&stalls, -5.0, 50.0), 30.0);
    }
}
