//! Log time does not stand still: while one node leads, it passes about as fast as the world's, whatever the clocks of those
//! say who led before. By it leases run out, orders expire and names are forgotten.
//!
//! When a leader has applied something, log time has come so far at that moment; what is asked for after that moment comes
//! into the log as much later.

use std::collections::BTreeMap;

use wire::{Command, PartitionId, Timestamp};

use super::Verdict;
use crate::sim::clock::{MS, Moment, SECOND};
use crate::sim::history::Record;

/// A clock may be slow by a thousandth, and log time that is ahead of its leader's passes slower by a hundredth.
const PER_CENT: i128 = 98;
/// Requests say the microsecond in which they were asked for, and a leader reads its clock once in a cycle.
const SLACK_NS: i128 = 2 * MS as i128;

/// See the module.
#[derive(Debug, Default)]
pub struct Pace {
    /// The last leader's term, and how far log time is ahead of the slowest that it may pass at, in hundredths.
    by: BTreeMap<PartitionId, (u64, i128)>,
}

fn ahead(timestamp: Timestamp, now: Moment) -> i128 {
    i128::from(timestamp.nanos()) * 100 - i128::from(now) * PER_CENT
}

impl Pace {
    /// A leader has applied everything up to an entry of this term and time.
    pub fn on_led(&mut self, partition: PartitionId, term: u64, timestamp: Timestamp, now: Moment) {
        let ahead = ahead(timestamp, now);
        let known = self.by.entry(partition).or_insert((term, ahead));
        if known.0 < term {
            *known = (term, ahead);
        }
        known.1 = known.1.max(ahead);
    }

    /// A command is committed.
    pub fn on_commit(&self, partition: PartitionId, record: &Record) -> Verdict {
        let Some(Command::NewOrder(order)) = &record.command else { return Ok(()) };
        let Some((term, known)) = self.by.get(&partition) else { return Ok(()) };
        let asked = order.asked_us * 1_000;
        if asked == 0 || *term != record.term {
            return Ok(());
        }
        let late = (known - ahead(record.timestamp, asked)) / 100;
        if late <= SLACK_NS {
            return Ok(());
        }
        let (late, at) = (late / i128::from(MS), asked as f64 / SECOND as f64);
        Err(format!("partition {partition}: log time is {late} ms late at {}, asked for at {at} s", record.position))
    }
}

#[cfg(test)]
mod tests;
