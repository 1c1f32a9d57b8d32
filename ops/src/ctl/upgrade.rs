//! `mainstay ctl upgrade`: another binary on every node, one after the other, while clients trade; and back.
//!
//! Whoever leads the ledger is the last. A node hands over what it leads, ends, is started with the other binary, and must be
//! ready, caught up and of the others' state before the next one's turn. At the first sign that it is not, this node
//! and those before it are put back. No behaviour changes by it: that is the version's entry, a step of its own.

mod health;
mod restart;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use miette::IntoDiagnostic;
use wire::NodeId;

use self::health::Health;
use self::restart::{Restart, Which};
use super::group::Group;
use super::{Place, version};
use crate::report::usage;

/// `mainstay ctl upgrade`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  mainstay ctl upgrade --binary /opt/mainstay-0.2/mainstay      # every node, one after the other
  mainstay ctl upgrade --activate                               # then the greatest version that all of them know
  mainstay ctl upgrade --back                                   # the former version, then the former binaries

Where no demo starts the nodes, say how one is restarted; {id} and {host} are the node's, {to} is `new` or `old`:

  mainstay ctl --state cluster.json upgrade --restart-with 'ssh {host} mainstay-switch {to}'

A node that was drained before stays so. What was before is kept in upgrade.json in the data directory. One that was killed
on its way is gone on with by the same command, or taken back, once the node whose turn it was runs. Errors have codes that stay: upgrade::unhealthy (the nodes are
as before), upgrade::stopped (they are not), upgrade::not-ready, upgrade::nothing-to-go-back-to, and those of
`mainstay ctl version`.")]
pub struct Args {
    /// What the demo starts its nodes with from now on.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["back", "restart_with"])]
    binary: Option<PathBuf>,
    /// How a node is restarted where no demo does it: a shell command, done when the node is on its way.
    #[arg(long, value_name = "COMMAND")]
    restart_with: Option<String>,
    /// Then have every partition behave by the greatest version that every node knows.
    #[arg(long, conflicts_with = "back")]
    activate: bool,
    /// Go back to the version and to the binaries before the last upgrade.
    #[arg(long)]
    back: bool,
    /// Leave everything as it is at the first unhealthy sign, to look at it.
    #[arg(long, conflicts_with = "back")]
    no_rollback: bool,
    /// A node must be healthy within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
}

impl Args {
    fn within(&self) -> Duration {
        Duration::from_secs(self.within.max(1))
    }
}

/// A node that is not ready before anything has begun is waited for so long: elections and restarts take less.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What was before an upgrade, in the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Before {
    /// The greatest version that every node knew.
    version: u16,
    /// Each node's binary, where a demo starts it.
    binaries: BTreeMap<u64, PathBuf>,
    /// The nodes that an operator had drained: they stay so.
    #[serde(default)]
    drained: BTreeSet<u64>,
    /// The node whose turn it is: what drained it is this command, not an operator, also when it is killed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
    /// Whether it has not come to its end: what was before the next one is what was before this one.
    #[serde(default)]
    under_way: bool,
}

impl Before {
    /// What is before an upgrade that begins now, where `left` is what the last one left behind.
    fn of(left: Option<Before>, version: u16, binaries: BTreeMap<u64, PathBuf>, drained: BTreeSet<u64>) -> Before {
        let mut before = Before { version, binaries, drained, turn: None, under_way: true };
        if let Some(left) = left {
            if let Some(turn) = left.turn.filter(|turn| !left.drained.contains(turn)) {
                before.drained.remove(&turn);
            }
            if left.under_way {
                before.version = left.version;
                before.binaries.extend(left.binaries);
            }
        }
        before
    }
}

/// What a step is done with.
struct Tools<'a> {
    group: Group,
    restart: Restart<'a>,
    health: Health<'a>,
    place: &'a Place,
    before: Before,
}

/// Does what was asked.
pub async fn run(place: &Place, args: Args) -> miette::Result<()> {
    if args.back {
        return back(place, args).await;
    }
    if args.binary.is_none() && args.restart_with.is_none() && !args.activate {
        return Err(usage("say what is to run (--binary, or --restart-with), --activate or --back"));
    }
    if args.binary.is_some() || args.restart_with.is_some() {
        walk(place, &args).await?;
    }
    if args.activate {
        let pages = version::pages(place).await?;
        let known = version::known_by_all(&pages).ok_or_else(not_ready)?;
        version::set(place, known[1]).await?;
    }
    Ok(())
}

fn not_ready() -> miette::Report {
    let help = "see `mainstay ctl cluster status`: an upgrade begins with every node ready";
    miette::miette!(code = "upgrade::not-ready", help = help, "not every node answers and is ready")
}

/// Every node, the one that leads the ledger last.
async fn order(place: &Place) -> miette::Result<(Vec<u64>, u16)> {
    let pages = version::pages(place).await?;
    let is_ready = pages.iter().all(|(_, page)| page.as_ref().is_some_and(|page| page.ready));
    version::known_by_all(&pages).filter(|_| is_ready).ok_or_else(not_ready)?;
    // What they behave by, which may be less than what they know.
    let replicas = pages.iter().filter_map(|(_, page)| page.as_ref()).flat_map(|page| &page.partitions);
    let version = replicas.map(|replica| replica.version).max().ok_or_else(not_ready)?;
    let leads = |id: u64, page: &version::Page| {
        let led = page.partitions.iter().filter(|replica| replica.leader == Some(id));
        led.map(|replica| if replica.partition == page.ledger { 1_000 } else { 1 }).sum::<usize>()
    };
    let mut nodes: Vec<(usize, u64)> =
        pages.iter().map(|(id, page)| (page.as_ref().map_or(0, |page| leads(*id, page)), *id)).collect();
    nodes.sort_unstable();
    Ok((nodes.into_iter().map(|(_, id)| id).collect(), version))
}

/// The order, once every node is ready: one that has just begun to lead, or was started a moment ago, is waited for.
async fn order_in_time(place: &Place, within: Duration) -> miette::Result<(Vec<u64>, u16)> {
    let begun = Instant::now();
    loop {
        match order(place).await {
            Err(_) if begun.elapsed() < within => tokio::time::sleep(health::LOOK_EVERY).await,
            settled => return settled,
        }
    }
}

async fn walk(place: &Place, args: &Args) -> miette::Result<()> {
    let (nodes, version) = order_in_time(place, READY_WITHIN.min(args.within())).await?;
    let (mut restart, old) =
        Restart::prepare(place, args.binary.as_deref(), args.restart_with.as_deref(), &nodes).await?;
    let group = Group::connect_quietly(place).await?;
    let drained: BTreeSet<u64> = nodes.iter().copied().filter(|id| group.is_drained(NodeId::new(*id))).collect();
    let before = Before::of(kept(place)?, version, old.clone(), drained);
    keep(place, &before)?;
    restart.goes_back_to(&before.binaries);
    // Those that an upgrade had restarted already that was broken off.
    let is_ahead = |id: &&u64| before.binaries.get(id) != old.get(id);
    let ahead: Vec<u64> = nodes.iter().filter(is_ahead).copied().collect();
    let health = Health { place, within: args.within() };
    let tools = Tools { group, restart, health, place, before };
    for (at, id) in nodes.iter().enumerate() {
        let Err(why) = tools.step(*id, Which::New).await else { continue };
        println!("node {id}: {why}");
        if args.no_rollback {
            let help = "nothing was put back; `mainstay ctl upgrade --back` does";
            return Err(miette::miette!(code = "upgrade::stopped", help = help, "node {id}: {why}"));
        }
        let later = nodes[at + 1..].iter().filter(|id| ahead.contains(id));
        for id in nodes[..=at].iter().rev().chain(later) {
            if let Err(again) = tools.step(*id, Which::Old).await {
                let help = "look at this node; `mainstay ctl upgrade --back` goes on";
                let what = format!("node {id} was to be put back, because: {why}; and {again}");
                return Err(miette::miette!(code = "upgrade::stopped", help = help, "{what}"));
            }
        }
        tools.ended()?;
        let what = format!("node {id}: {why}; every node is as it was before");
        return Err(miette::miette!(code = "upgrade::unhealthy", "{what}"));
    }
    tools.ended()?;
    println!("every node was restarted; `mainstay ctl version` shows what they know");
    Ok(())
}

impl Tools<'_> {
    /// One node hands over, ends, comes back and is looked at. The error says what is wrong with it.
    async fn step(&self, id: u64, to: Which) -> Result<(), String> {
        let drain = |begins| async move {
            let drained = self.group.drain(NodeId::new(id), begins, self.health.within).await;
            drained.map_err(|error| error.to_string())
        };
        // Before it is drained: should this command be killed, the next one knows by whom it was.
        let turn = |turn| keep(self.place, &Before { turn, ..self.before.clone() }).map_err(|error| error.to_string());
        turn(Some(id))?;
        // One that is down leads nothing, and there may be too few others to say so by the log.
        let drained = if self.restart.runs(id).await { drain(true).await } else { Ok(()) };
        let done = match drained {
            Ok(()) => self.exchange(id, to).await,
            Err(error) => Err(error),
        };
        // Whatever became of it: who is back may lead again, unless an operator had said otherwise.
        let undrained = if self.before.drained.contains(&id) { Ok(()) } else { drain(false).await };
        let said = done?;
        undrained?;
        turn(None)?;
        println!("node {id}: {said}");
        Ok(())
    }

    /// Nothing is under way any more.
    fn ended(&self) -> miette::Result<()> {
        keep(self.place, &Before { turn: None, under_way: false, ..self.before.clone() })
    }

    async fn exchange(&self, id: u64, to: Which) -> Result<String, String> {
        println!("node {id}: leads nothing, is restarted with the {to} binary");
        self.restart.restart(id, to).await?;
        self.health.wait(id, &self.restart).await
    }
}

async fn back(place: &Place, args: Args) -> miette::Result<()> {
    let Some(before) = kept(place)? else {
        let path = path(place)?;
        let help = "an upgrade by this command leaves it";
        let code = "upgrade::nothing-to-go-back-to";
        return Err(miette::miette!(code = code, help = help, "{} does not say what was before", path.display()));
    };
    let pages = version::pages(place).await?;
    let is_above = |replica: &version::Replica| replica.version > before.version;
    if pages.iter().filter_map(|(_, page)| page.as_ref()).any(|page| page.partitions.iter().any(is_above)) {
        version::set(place, before.version).await?;
    }
    let restart = Restart::back(place, args.restart_with.as_deref(), &before.binaries)?;
    let group = Group::connect_quietly(place).await?;
    let health = Health { place, within: args.within() };
    let mut nodes: Vec<u64> = pages.iter().map(|(id, _)| *id).collect();
    if let Ok((in_order, _)) = order(place).await {
        nodes = in_order;
    }
    let tools = Tools { group, restart, health, place, before };
    // Who does not run is the first: the others lead meanwhile.
    nodes.sort_by_key(|id| pages.iter().any(|(node, page)| node == id && page.is_some()));
    for id in nodes {
        tools.step(id, Which::Old).await.map_err(|why| {
            let help = "look at this node; the same command goes on";
            miette::miette!(code = "upgrade::stopped", help = help, "node {id}: {why}")
        })?;
    }
    tools.ended()?;
    println!("every node is as it was before");
    Ok(())
}

fn path(place: &Place) -> miette::Result<PathBuf> {
    Ok(place.data_dir()?.join("upgrade.json"))
}

fn kept(place: &Place) -> miette::Result<Option<Before>> {
    Ok(std::fs::read(path(place)?).ok().and_then(|text| serde_json::from_slice(&text).ok()))
}

fn keep(place: &Place, before: &Before) -> miette::Result<()> {
    let text = serde_json::to_vec(before).into_diagnostic()?;
    crate::private::write(&path(place)?, &text).into_diagnostic()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(of: &[(u64, &str)]) -> BTreeMap<u64, PathBuf> {
        of.iter().map(|(id, path)| (*id, PathBuf::from(path))).collect()
    }

    #[test]
    fn an_upgrade_that_was_killed_drained_its_node_and_no_operator_did() {
        let left = Before {
            version: 1,
            binaries: binaries(&[(1, "a"), (2, "a"), (3, "a")]),
            drained: [2].into(),
            turn: Some(3),
            under_way: true,
        };
        // Node 1 has the new binary already; 2 was drained by an operator, 3 by the upgrade that was killed.
        let now = binaries(&[(1, "b"), (2, "a"), (3, "a"), (4, "a")]);
        let before = Before::of(Some(left), 2, now, [2, 3].into());
        assert_eq!(before.drained, [2].into());
        assert_eq!((before.version, before.under_way), (1, true), "what it goes back to is what was before the first");
        assert_eq!(before.binaries, binaries(&[(1, "a"), (2, "a"), (3, "a"), (4, "a")]));
    }

    #[test]
    fn an_upgrade_that_has_ended_says_nothing_of_what_is_before_the_next() {
        let left = Before { version: 1, binaries: binaries(&[(1, "a")]), ..Before::default() };
        let before = Before::of(Some(left), 2, binaries(&[(1, "b")]), [1].into());
        assert_eq!((before.version, &before.drained, before.binaries), (2, &[1].into(), binaries(&[(1, "b")])));
        // As written by a build that did not know of turns.
        let text = r#"{"version":1,"binaries":{"1":"a"},"drained":[2]}"#;
        let left: Before = serde_json::from_str(text).unwrap();
        assert_eq!((left.turn, left.under_way), (None, false));
    }
}
