//! The machine's own pauses: a virtual machine's host stops its cores now and then, and everything on them with them.
//!
//! A watcher on each core, of real-time priority, sleeps for a millisecond again and again. Only the kernel itself goes
//! before it: one that overslept was on a core that ran none of the program's own threads either. What the kernel does
//! for them may be in that too, so what is left of a pause is the least that it was by itself.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::unistd::gettid;

use crate::pauses::now_ms;

const NAP: Duration = Duration::from_millis(1);
/// Timers and the waking of a sleeping core make less of a delay than this.
const OVERSLEPT: Duration = Duration::from_millis(2);

/// When some core did not run its watcher, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standstill {
    pub from_ms: f64,
    pub until_ms: f64,
}

/// See the module. Dropped, it is no longer watching, and nothing is left behind.
pub struct Watch {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Vec<Standstill>>>,
}

impl Watch {
    /// Watches the cores that this process may use. The error says why it cannot: only root may go before others.
    pub fn start() -> io::Result<Watch> {
        let cores = cores(&std::fs::read_to_string("/proc/self/status")?);
        let mut all = Watch { is_over: Arc::new(AtomicBool::new(false)), watchers: Vec::new() };
        for core in cores {
            let (is_over, (tell, told)) = (Arc::clone(&all.is_over), std::sync::mpsc::sync_channel(1));
            all.watchers.push(thread::spawn(move || {
                let is_placed = place(core);
                let is_watching = is_placed.is_ok();
                let _ = tell.send(is_placed);
                if is_watching { watch(&is_over) } else { Vec::new() }
            }));
            told.recv().unwrap_or_else(|_| Err(io::Error::other("a watcher is gone")))?;
        }
        Ok(all)
    }

    /// When cores did not run their watchers since the start, in order and without overlap.
    pub fn end(mut self) -> Vec<Standstill> {
        self.is_over.store(true, Ordering::Relaxed);
        let standstills = self.watchers.drain(..).flat_map(|watcher| watcher.join().unwrap_or_default());
        merged(standstills.collect())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Puts the calling thread on a core, before everything else there.
fn place(core: usize) -> io::Result<()> {
    let thread = gettid().to_string();
    run("taskset", &["--cpu-list", "--pid", &core.to_string(), &thread])?;
    run("chrt", &["--fifo", "--pid", "50", &thread])
}

fn run(program: &str, args: &[&str]) -> io::Result<()> {
    let mut command = Command::new(program);
    let status = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{program} ended with {status}; only root may go before others")))
}

/// The cores that a process may use, by its status: `Cpus_allowed_list: 0-2,5`.
fn cores(status: &str) -> Vec<usize> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

fn watch(is_over: &AtomicBool) -> Vec<Standstill> {
    let mut standstills = Vec::new();
    let mut last = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(NAP);
        let slept = last.elapsed();
        last = Instant::now();
        if slept > NAP + OVERSLEPT {
            let until_ms = now_ms();
            // It would have woken after its nap.
            standstills.push(Standstill { from_ms: until_ms - (slept - NAP).as_secs_f64() * 1e3, until_ms });
        }
    }
    standstills
}

fn merged(mut standstills: Vec<Standstill>) -> Vec<Standstill> {
    standstills.sort_by(|a, b| a.from_ms.total_cmp(&b.from_ms));
    let mut merged: Vec<Standstill> = Vec::new();
    for standstill in standstills {
        match merged.last_mut() {
            Some(last) if standstill.from_ms <= last.until_ms => last.until_ms = last.until_ms.max(standstill.until_ms),
            _ => merged.push(standstill),
        }
    }
    merged
}

/// How long some core stood still between two moments, in milliseconds.
pub fn stood_still(standstills: &[Standstill], from_ms: f64, until_ms: f64) -> f64 {
    let share =
        |standstill: &Standstill| (standstill.until_ms.min(until_ms) - standstill.from_ms.max(from_ms)).max(0.0);
    standstills.iter().map(share).fold(0.0, |all, it| all + it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standstill(from_ms: f64, until_ms: f64) -> Standstill {
        Standstill { from_ms, until_ms }
    }

    #[test]
    fn cores_are_those_that_the_process_may_use() {
        assert_eq!(cores("Name:\tx\nCpus_allowed:\t27\nCpus_allowed_list:\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cores("Cpus_allowed_list:\t3\n"), [3]);
        assert!(cores("").is_empty());
    }

    #[test]
    fn what_several_cores_saw_counts_once() {
        let seen = vec![standstill(20.0, 30.0), standstill(0.0, 10.0), standstill(25.0, 40.0), standstill(26.0, 28.0)];
        assert_eq!(merged(seen), [standstill(0.0, 10.0), standstill(20.0, 40.0)]);
        assert_eq!(merged(Vec::new()), []);
    }

    #[test]
    fn only_what_lies_between_the_moments_counts() {
        let standstills = [standstill(0.0, 10.0), standstill(20.0, 40.0)];
        assert_eq!(stood_still(&standstills, 5.0, 25.0), 10.0);
        assert_eq!(stood_still(&standstills, 10.0, 20.0), 0.0);
        assert_eq!(stood_still(&standstills, -5.0, 50.0), 30.0);
    }
}
