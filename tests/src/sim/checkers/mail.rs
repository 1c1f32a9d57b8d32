//! Mail between every pair of partitions arrives in order, once, and is never refused.

use std::collections::BTreeMap;

use engine::Partition;
use wire::command::{DeliverMail, Reply};
use wire::{Command, Mail, MailSequence, PartitionId};

use super::Verdict;
use crate::sim::history::Record;

/// See the module.
#[derive(Debug, Default)]
pub struct MailOrder {
    pairs: BTreeMap<(PartitionId, PartitionId), Pair>,
}

#[derive(Debug, Default)]
struct Pair {
    /// Everything the sender ever put into its outbox.
    sent: Vec<Mail>,
    /// How much of it the receiver has applied.
    received: usize,
}

impl MailOrder {
    /// A command is committed; `cells` are as they are after it.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record, cells: &Partition) -> Verdict {
        if let Some(Command::DeliverMail(batch)) = &record.command {
            self.deliver(partition, record, batch, cells)?;
        }
        for outbox in cells.outboxes() {
            let pair = self.pairs.entry((partition, outbox.to())).or_default();
            let last = outbox.last().get() as usize;
            if last < pair.sent.len() {
                return Err(format!("partition {partition} has forgotten mail to {}", outbox.to()));
            }
            let next = MailSequence::new(pair.sent.len() as u64 + 1);
            pair.sent.extend(outbox.pending(next, last - pair.sent.len()).cloned());
            if pair.sent.len() != last {
                return Err(format!("partition {partition} dropped mail to {} before it was seen", outbox.to()));
            }
            if outbox.trimmed().get() as usize > pair.received {
                return Err(format!(
                    "partition {partition} has forgotten mail to {} up to {}, which has it up to {}",
                    outbox.to(),
                    outbox.trimmed(),
                    pair.received
                ));
            }
        }
        Ok(())
    }

    fn deliver(&mut self, to: PartitionId, record: &Record, batch: &DeliverMail, cells: &Partition) -> Verdict {
        let pair = self.pairs.entry((batch.from, to)).or_default();
        let what = || format!("mail {} and on from partition {} to {to}", batch.first, batch.from);
        let first = batch.first.get() as usize - 1;
        let is_gap = first > pair.received;
        if matches!(record.reply, Reply::Rejected { .. }) != is_gap {
            return Err(format!("{} was answered {:?}, {} were received", what(), record.reply, pair.received));
        }
        if is_gap {
            // A copy that was overtaken; the sender sends again.
            return Ok(());
        }
        let expected = pair.sent.get(first..first + batch.mail.len());
        if expected != Some(&batch.mail) {
            return Err(format!("{} is not what was sent", what()));
        }
        pair.received = pair.received.max(first + batch.mail.len());
        let noted = cells.received(batch.from).map_or(0, |(_, seen)| seen.get() as usize);
        if noted != pair.received {
            return Err(format!("{}: {} were received, {noted} are noted", what(), pair.received));
        }
        Ok(())
    }

    /// Everything has come to rest.
    pub fn at_rest(&self) -> Verdict {
        match self.pairs.iter().find(|(_, pair)| pair.received != pair.sent.len()) {
            Some(((from, to), pair)) => {
                Err(format!("at rest, {} of {} mails from {from} to {to} have arrived", pair.received, pair.sent.len()))
            }
            None => Ok(()),
        }
    }
}
