//! How far a long run has come, in a line every few seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module.
pub struct Progress {
    of: u64,
    every: Duration,
    began: Instant,
}

impl Progress {
    /// Of a run that begins now and has so many commands.
    pub fn new(of: u64, every: u64) -> Progress {
        Progress { of, every: Duration::from_secs(every.max(1)), began: Instant::now() }
    }

    /// Prints how many commands were told, until it is over.
    pub fn watch(&self, told: &AtomicU64, is_over: impl Fn() -> bool) {
        let mut said = self.began;
        while !is_over() {
            std::thread::sleep(Duration::from_millis(20));
            if said.elapsed() >= self.every {
                said = Instant::now();
                let told = told.load(Ordering::Relaxed);
                let left = self.began.elapsed().as_secs_f64() * (self.of - told) as f64 / told.max(1) as f64;
                println!("{} of {} commands, {}, {left:.0} s left", grouped(told), grouped(self.of), self.rate(told));
            }
        }
    }

    /// Since the beginning.
    pub fn rate(&self, told: u64) -> String {
        let took = self.began.elapsed().as_secs_f64();
        format!("{} a second, {took:.0} s", grouped((told as f64 / took) as u64))
    }
}

/// With a comma before every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
