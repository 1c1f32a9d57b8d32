//! `mainstay ctl trace 1/4711`: one command of the log, who sent it, and what came of it.
//!
//! A place is what a gateway answers to a request that its client follows (`X-Trace-Id`). What happened to its order afterwards,
//! up to now, is found by the order's id among the later events of the same partition.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_client::StreamItem;
use wire::{Event, LogPosition, OrderId, PartitionId, Timestamp};

use super::Place;
use super::log::words::Names;

/// How long an event is waited for: they are read from the archive, so that silence is the end.
const SILENCE: Duration = Duration::from_millis(700);
/// Commands of the ledger's partition behind the first one that are looked at.
const LATER_MAX: u64 = 20_000;

/// What to look for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where: the partition's number and the position in its log, as a gateway answers it.
    #[arg(value_name = "PARTITION/POSITION", value_parser = place)]
    place: (PartitionId, LogPosition),
}

fn place(text: &str) -> Result<(PartitionId, LogPosition), String> {
    let (partition, position) = text.split_once('/').ok_or("a place is a partition and a position, such as 1/4711")?;
    let partition = partition.parse().map_err(|error| format!("{partition} is no partition: {error}"))?;
    let position = position.parse().map_err(|error| format!("{position} is no position: {error}"))?;
    if position == 0 {
        return Err("positions count from 1".into());
    }
    Ok((PartitionId::new(partition), LogPosition::new(position)))
}

/// Prints it.
pub async fn run(place: &Place, args: Args) -> miette::Result<()> {
    let (partition, position) = args.place;
    check(partition, &place.own_cluster()?.partitions)?;
    let operator = place.operator().await?;
    // An exchange that trades is never silent.
    let last = operator.present(partition).await?.min(LogPosition::new(position.get().saturating_add(LATER_MAX)));
    if last < position {
        return Err(missing(partition, position));
    }
    let names = Names::known(&operator.inventory(|_| false).await?);
    let mut stream = operator.events(partition, position);
    let mut orders = BTreeSet::new();
    let mut is_found = false;
    while let Ok(Some(item)) = tokio::time::timeout(SILENCE, stream.next()).await {
        let reached = match item {
            StreamItem::Events { position: at, timestamp, origin, events } if at == position => {
                is_found = true;
                println!(
                    "{}/{at}  {}  session {} sequence {}",
                    partition.get(),
                    shown(timestamp),
                    origin.session.get(),
                    origin.sequence.get()
                );
                for event in &events {
                    println!("    {}", told(&names, event));
                    orders.extend(order_of(event));
                }
                at
            }
            StreamItem::Events { position: at, timestamp, events, .. } => {
                is_found.then_some(()).ok_or_else(|| missing(partition, position))?;
                let of_it = |event: &&Event| order_of(event).is_some_and(|order| orders.contains(&order));
                for event in events.iter().filter(of_it) {
                    println!("{}/{at}  {}\n    {}", partition.get(), shown(timestamp), told(&names, event));
                }
                at
            }
            StreamItem::Progress { position: at } => at,
        };
        if reached >= last || (is_found && orders.is_empty()) {
            break;
        }
    }
    if is_found { Ok(()) } else { Err(missing(partition, position)) }
}

/// Of a partition that there is not nobody would ever answer. Where it is not said which there are, the nodes are asked.
fn check(partition: PartitionId, known: &[u16]) -> miette::Result<()> {
    if known.is_empty() || known.contains(&partition.get()) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(u16::to_string).collect();
    Err(miette::miette!("there is no partition {partition}; there are {}", known.join(", ")))
}

fn missing(partition: PartitionId, position: LogPosition) -> miette::Report {
    miette::miette!("the command at {}/{} told nothing, or is not there yet", partition.get(), position.get())
}

/// Seconds and microseconds of log time.
fn shown(at: Timestamp) -> String {
    format!("{}.{:06}", at.nanos() / 1_000_000_000, at.nanos() / 1_000 % 1_000_000)
}

/// An event in words, and what it carries below. API keys are left out, as in the audit log: whoever reads this is not whose they are.
fn told(names: &Names, event: &Event) -> String {
    let (what, account) = match event {
        Event::ApiKeyAdded(added) => ("api key added", added.account),
        Event::ApiKeyRevoked(revoked) => ("api key revoked", revoked.account),
        Event::ApiKeyRestricted(restricted) => ("api key restricted", restricted.account),
        Event::ApiKeyExtended(_) => return "api key extended".into(),
        event => return names.lines(event).join("\n      "),
    };
    format!("{what}: account {}", names.account(account))
}

/// The order that an event of the ledger speaks of.
fn order_of(event: &Event) -> Option<OrderId> {
    Some(match event {
        Event::OrderPending(event) => event.order,
        Event::OrderAccepted(event) => event.order,
        Event::OrderRejected(event) => event.order,
        Event::OrderExecuted(event) => event.order,
        Event::OrderResting(event) => event.order,
        Event::OrderCanceled(event) => event.order,
        Event::OrderTriggered(event) => event.order,
        Event::OrderPegged(event) => event.order,
        Event::OrderAmended(event) => event.order,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_told() {
        let key = wire::ApiKeyText::new(&[b'K'; 64]).unwrap();
        let revoked = wire::event::ApiKeyRevoked { account: wire::AccountId::new(7), key };
        assert_eq!(told(&Names::default(), &Event::ApiKeyRevoked(revoked)), "api key revoked: account 7");
    }

    #[test]
    fn a_partition_that_there_is_not_is_told_at_once() {
        assert!(check(PartitionId::new(4), &[1, 2, 3, 4]).is_ok());
        assert!(check(PartitionId::new(9), &[]).is_ok(), "nobody has said which there are");
        let error = check(PartitionId::new(9), &[1, 2, 3, 4]).unwrap_err().to_string();
        assert_eq!(error, "there is no partition 9; there are 1, 2, 3, 4");
    }

    #[test]
    fn a_place_is_a_partition_and_a_position() {
        assert_eq!(place("1/4711"), Ok((PartitionId::new(1), LogPosition::new(4711))));
        for text in ["", "1", "1/", "/1", "1/0", "1/x", "x/1", "1/2/3", "70000/1", "-1/2"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
