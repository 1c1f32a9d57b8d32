//! `mainstay ctl log` and `snapshot`: looks at what lies in a node's data directory, without the node. Works on a copy that
//! it makes, so the directory stays as it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr};
use node::recovery::Former;
use replicator::entry::{self, Batch, Kind};
use replicator::log::disk::{self, LogReader, snapshots};
use replicator::log::{Entry, EntryType, Identity, Stored};
use replicator::{Place, Replay, StateMachine as _, snapshot, verdicts};
use wire::codec::v1;
use wire::{ClusterEpoch, LogPosition, PartitionId, Timestamp};

use self::words::Names;
use super::backup::{moment, text_of};

#[cfg(test)]
mod tests;
pub(super) mod words;

/// `mainstay ctl log`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what log each partition has; with --entries, the commands in it.
    Inspect(InspectArgs),
    /// Check that each partition's log and snapshots are whole and lead to the digests that were saved.
    Verify(Directory),
    /// Execute each partition's log again and show the state that it leads to.
    Replay(ReplayArgs),
}

/// `mainstay ctl snapshot`.
#[derive(Debug, clap::Subcommand)]
pub enum SnapshotCommand {
    /// Check a snapshot and show what it is of.
    Inspect {
        /// A file of `log/snapshots/PARTITION/` in a node's data directory, or of a backup.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The partition of the ledger cell.
        #[arg(long, default_value_t = 1)]
        ledger: u16,
    },
}

#[derive(Debug, clap::Args)]
pub struct Directory {
    /// A node's data directory. The node may run: what is looked at is then what it had at one moment.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// This partition alone.
    #[arg(long)]
    partition: Option<u16>,
    /// The partition of the ledger cell.
    #[arg(long, default_value_t = 1)]
    ledger: u16,
}

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    #[command(flatten)]
    directory: Directory,
    /// Show the commands of these log entries, in words.
    #[arg(long, value_name = "FIRST..LAST", value_parser = range)]
    entries: Option<(u64, u64)>,
}

#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    directory: Directory,
    /// Stop at this position.
    #[arg(long, value_name = "POSITION", conflicts_with = "at")]
    upto: Option<u64>,
    /// Stop before what was sequenced after this time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    at: Option<Timestamp>,
    /// Go on behind what this node wrote down as committed. It writes that down late, so its last entries are committed most
    /// likely; but what one node alone has may have been replaced.
    #[arg(long)]
    uncommitted: bool,
}

/// Does what was asked.
pub fn run(command: Command) -> miette::Result<()> {
    match command {
        Command::Inspect(args) => inspect(&args),
        Command::Verify(args) => verify(&args),
        Command::Replay(args) => replay(&args),
    }
}

/// Does what was asked.
pub fn run_snapshot(command: SnapshotCommand) -> miette::Result<()> {
    let SnapshotCommand::Inspect { file, ledger } = command;
    let bytes = std::fs::read(&file).into_diagnostic().wrap_err_with(|| format!("cannot read {}", file.display()))?;
    let unusable = |why: String| miette::miette!("{} cannot be used: {why}", file.display());
    let opened = snapshot::open(&bytes).map_err(|error| unusable(error.to_string()))?;
    let header = &opened.header;
    println!("partition {} of epoch {}, {} bytes", header.partition, header.epoch, bytes.len());
    println!("log entry {} of term {}, position {}", header.index, header.term, header.position);
    println!("sequenced {}", text_of(header.timestamp));
    println!("voters {:?}, learners {:?}", nodes(&header.members.voters), nodes(&header.members.learners));
    let partitions = vec![header.partition, PartitionId::new(u16::MAX)];
    let former = Former::new(header.epoch, PartitionId::new(ledger), partitions);
    let mut replay = former.replay(header.partition, BTreeSet::new(), None);
    replay.restore(&bytes).map_err(|error| unusable(error.to_string()))?;
    println!("sessions {}", replay.sessions());
    println!("digest {:032x}, as saved", header.digest);
    audit(&replay);
    Ok(())
}

/// A copy of a node's logs, to be opened.
struct Copied {
    directory: PathBuf,
    epoch: ClusterEpoch,
    identity: Identity,
    reader: LogReader,
    partitions: Vec<PartitionId>,
    copy: tempfile::TempDir,
}

impl Copied {
    fn of(args: &Directory) -> miette::Result<Copied> {
        let directory = args.directory.clone();
        let (node, epoch) = node::owner(&directory).ok_or_else(|| {
            miette::miette!(
                help = "name the directory that `data_dir` in the node's configuration says",
                "{} is no node's data directory: it has no identity file that can be read",
                directory.display()
            )
        })?;
        let copy = tempfile::Builder::new().prefix("mainstay-log-").tempdir().into_diagnostic()?;
        disk::copy(&directory.join("log"), copy.path()).into_diagnostic().wrap_err("cannot copy the log")?;
        let unusable = || format!("the log in {} cannot be used", directory.display());
        let reader =
            LogReader::open(copy.path()).map_err(|error| original(&error, copy.path(), &directory.join("log")));
        let reader = reader.wrap_err_with(unusable)?;
        let mut partitions = reader.partitions();
        if let Some(only) = args.partition {
            partitions.retain(|partition| partition.get() == only);
        }
        if partitions.is_empty() {
            miette::bail!("{} has no log of such a partition", directory.display());
        }
        let identity = Identity { epoch, node, partition: PartitionId::new(0) };
        Ok(Copied { directory, epoch, identity, reader, partitions, copy })
    }

    /// What ids and units mean, as far as this node's log of the ledger says; nothing where it cannot be read.
    fn names(&mut self, ledger: u16) -> Names {
        let partition = PartitionId::new(ledger);
        let read = |copied: &mut Copied| -> miette::Result<Names> {
            let stored = copied.load(partition)?;
            let mut replay = copied.begin(partition, ledger, &stored)?;
            for entry in behind(&stored, replay.place(), stored.hard_state.commit) {
                replay.apply(entry).into_diagnostic()?;
            }
            Ok(Names::of(&replay.machine().cells().listings()))
        };
        read(self).unwrap_or_else(|why| {
            println!("names and decimals are not known: {why}");
            Names::default()
        })
    }

    fn load(&mut self, partition: PartitionId) -> miette::Result<Stored> {
        let identity = Identity { partition, ..self.identity };
        let cannot_use = || format!("the log of partition {partition} in {} cannot be used", self.directory.display());
        self.reader.load(identity).map_err(|error| self.of_the_original(&error)).wrap_err_with(cannot_use)
    }

    /// An error of the copy, which nobody has any more when it is read, is told of the directory itself.
    fn of_the_original(&self, error: &dyn std::error::Error) -> miette::Report {
        original(error, self.copy.path(), &self.directory.join("log"))
    }

    /// A partition at its oldest snapshot that the log goes on from, or before its first entry.
    fn begin(&self, partition: PartitionId, ledger: u16, stored: &Stored) -> miette::Result<Replay<node::Machine>> {
        let cannot = |why: String| miette::miette!("partition {partition}: {why}");
        let mut put_aside = BTreeSet::new();
        for entry in &stored.entries {
            put_aside.extend(verdicts(entry).map_err(|error| cannot(format!("log entry {}: {error}", entry.index)))?);
        }
        // Limits of mail grow with the greatest number.
        let partitions = self.reader.partitions();
        let former = Former::new(self.epoch, PartitionId::new(ledger), partitions);
        let mut replay = former.replay(partition, put_aside, None);
        let first = stored.entries.first().map_or(u64::MAX, |entry| entry.index);
        let kept = snapshots(self.copy.path(), partition).into_diagnostic()?;
        for (index, path) in kept {
            let bytes = std::fs::read(&path).into_diagnostic()?;
            // One that is damaged is passed over as the node passes over it.
            if (index + 1 >= first || first == u64::MAX) && snapshot::open(&bytes).is_ok() {
                replay.restore(&bytes).map_err(|error| cannot(error.to_string()))?;
                return Ok(replay);
            }
        }
        if first > 1 && first != u64::MAX {
            return Err(cannot(format!("no snapshot leads to log entry {first}, where the log begins")));
        }
        Ok(replay)
    }
}

/// An error about the copy as one about what was copied, with all that it says.
fn original(error: &dyn std::error::Error, copy: &Path, log: &Path) -> miette::Report {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    let text = causes.join(": ").replace(&copy.display().to_string(), &log.display().to_string());
    miette::miette!("{text}")
}

fn inspect(args: &InspectArgs) -> miette::Result<()> {
    let wanted = args.entries;
    let mut copied = Copied::of(&args.directory)?;
    let names = if wanted.is_some() { copied.names(args.directory.ledger) } else { Names::default() };
    println!("node {} of epoch {}", copied.identity.node, copied.epoch);
    for partition in copied.partitions.clone() {
        let stored = copied.load(partition)?;
        let (first, last) = (stored.entries.first(), stored.entries.last());
        println!(
            "partition {partition}: entries {} to {}, committed {}, term {}, voted for {}",
            first.map_or(0, |entry| entry.index),
            last.map_or(0, |entry| entry.index),
            stored.hard_state.commit,
            stored.hard_state.term,
            replicator::node_of(stored.hard_state.vote)
        );
        for (index, path) in snapshots(copied.copy.path(), partition).into_diagnostic()? {
            let bytes = std::fs::read(&path).into_diagnostic()?;
            match snapshot::open(&bytes) {
                Ok(opened) => println!(
                    "  snapshot at entry {index}: position {}, {}, digest {:032x}, {} bytes",
                    opened.header.position,
                    text_of(opened.header.timestamp),
                    opened.header.digest,
                    bytes.len()
                ),
                Err(error) => println!("  snapshot at entry {index}: DAMAGED: {error}"),
            }
        }
        if let Some((from, to)) = wanted {
            let (first, last) = (first.map_or(0, |entry| entry.index), last.map_or(0, |entry| entry.index));
            if from < first {
                println!(
                    "  entries before {first} are no longer here: a snapshot has what they led to; a backup may have them"
                );
            }
            if from > last || to < first {
                println!("  none of the entries asked for is here");
            } else if to > last && to != u64::MAX {
                println!("  entries behind {last} are not here yet");
            }
            let shown = stored.entries.iter().filter(|entry| (from..=to).contains(&entry.index));
            shown.for_each(|entry| show(entry, &names));
        }
    }
    Ok(())
}

fn verify(args: &Directory) -> miette::Result<()> {
    let mut copied = Copied::of(args)?;
    for partition in copied.partitions.clone() {
        let stored = copied.load(partition)?;
        let mut replay = copied.begin(partition, args.ledger, &stored)?;
        let wrong = |why: String| miette::miette!("partition {partition}: {why}");
        let (mut compared, mut replayed) = (0, 0_u64);
        let kept = snapshots(copied.copy.path(), partition).into_diagnostic()?;
        let mut compare = |replay: &Replay<node::Machine>| -> miette::Result<()> {
            let Some((index, path)) = kept.iter().find(|(index, _)| *index == replay.place().index) else {
                return Ok(());
            };
            let bytes = std::fs::read(path).into_diagnostic()?;
            let opened =
                snapshot::open(&bytes).map_err(|error| wrong(format!("the snapshot at entry {index}: {error}")))?;
            if opened.header.digest != replay.machine().digest() {
                return Err(wrong(format!("the snapshot at entry {index} is not what the log leads to")));
            }
            compared += 1;
            Ok(())
        };
        compare(&replay)?;
        for entry in behind(&stored, replay.place(), stored.hard_state.commit) {
            replay.apply(entry).map_err(|error| wrong(error.to_string()))?;
            replayed += 1;
            compare(&replay)?;
        }
        for (index, path) in &kept {
            let bytes = std::fs::read(path).into_diagnostic()?;
            snapshot::open(&bytes)
                .map_err(|error| wrong(format!("the snapshot at entry {index} is damaged: {error}")))?;
        }
        let (place, digest) = (replay.place(), replay.machine().digest());
        println!(
            "partition {partition}: {replayed} entries replayed, {compared} of {} snapshots compared; entry {}, position {}, \
             digest {digest:032x}",
            kept.len(),
            place.index,
            place.position
        );
    }
    println!("Everything is whole.");
    Ok(())
}

fn replay(args: &ReplayArgs) -> miette::Result<()> {
    let at = args.at;
    let mut copied = Copied::of(&args.directory)?;
    for partition in copied.partitions.clone() {
        let stored = copied.load(partition)?;
        let mut replay = copied.begin(partition, args.directory.ledger, &stored)?;
        let upto = args.upto.map_or(LogPosition::new(u64::MAX), LogPosition::new);
        check_begin(partition, &replay, upto, at)?;
        let committed = if args.uncommitted { u64::MAX } else { stored.hard_state.commit };
        for entry in behind(&stored, replay.place(), committed) {
            let is_late = at.is_some_and(|at| replay.time_of(entry).is_some_and(|time| time > at));
            let commands =
                entry::count(entry).map_err(|error| miette::miette!("log entry {}: {error}", entry.index))?;
            if is_late || replay.place().position.get() + commands > upto.get() {
                break;
            }
            replay.apply(entry).map_err(|error| miette::miette!("partition {partition}: {error}"))?;
        }
        let (place, digest) = (replay.place(), replay.machine().digest());
        println!(
            "partition {partition}: entry {}, position {}, {}, sessions {}, digest {digest:032x}",
            place.index,
            place.position,
            text_of(place.timestamp),
            replay.sessions()
        );
        audit(&replay);
    }
    Ok(())
}

fn check_begin(
    partition: PartitionId,
    replay: &Replay<node::Machine>,
    upto: LogPosition,
    at: Option<Timestamp>,
) -> miette::Result<()> {
    let place = replay.place();
    if place.position > upto || at.is_some_and(|at| place.timestamp > at) {
        miette::bail!(
            help = "a backup may go back farther: mainstay ctl backup status --from PLACE",
            "partition {partition}: the oldest snapshot here is of position {}, {}",
            place.position,
            text_of(place.timestamp)
        );
    }
    Ok(())
}

/// What is committed behind a place. What is not may never have happened.
fn behind(stored: &Stored, place: Place, committed: u64) -> impl Iterator<Item = &Entry> {
    stored.entries.iter().filter(move |entry| entry.index > place.index && entry.index <= committed)
}

/// An entry in words: a line for each command, and for each of the things that it carries.
fn show(entry: &Entry, names: &Names) {
    let (index, term) = (entry.index, entry.term);
    if entry.get_entry_type() != EntryType::EntryNormal {
        return println!("  {index} term {term}: members change");
    }
    if entry.data.is_empty() {
        return println!("  {index} term {term}: a leader begins");
    }
    let mut batch = match Batch::decode(&entry.data) {
        Ok(batch) => batch,
        Err(error) => return println!("  {index} term {term}: UNREADABLE: {error}"),
    };
    println!("  {index} term {term} {}", text_of(batch.timestamp));
    loop {
        match batch.next_command() {
            Ok(None) => return,
            Err(error) => return println!("    UNREADABLE: {error}"),
            Ok(Some(command)) => {
                for (at, line) in lines(command.kind, command.payload, names).iter().enumerate() {
                    println!("{}{line}", if at == 0 { "    " } else { "        " });
                }
            }
        }
    }
}

fn lines(kind: Kind, payload: &[u8], names: &Names) -> Vec<String> {
    let from = match kind {
        Kind::OpenSession(nonce) => return vec![format!("open session, nonce {nonce:032x}")],
        Kind::Version(version) => return vec![format!("behave by version {version}")],
        kind @ Kind::Drain { .. } => return vec![format!("{kind:?}")],
        Kind::Quarantine(spot) => return vec![format!("put aside position {} step {}", spot.position, spot.step)],
        Kind::Request { origin, .. } => format!("session {} request {}: ", origin.session, origin.sequence),
        Kind::Internal => String::new(),
    };
    if payload.is_empty() {
        return vec![format!("{from}keeps its session")];
    }
    let mut lines = match v1::decode_command(payload) {
        Ok(command) => names.lines(&command),
        Err(error) => vec![format!("malformed: {error}")],
    };
    lines[0].insert_str(0, &from);
    lines
}

fn audit(replay: &Replay<node::Machine>) {
    for books in replay.machine().cells().audit() {
        println!(
            "  asset {}: free {}, held {}, fees {}, clearing {}, deposits {}, withdrawals {}{}",
            books.asset.get(),
            books.free,
            books.held,
            books.fees,
            books.clearing,
            books.deposits,
            books.withdrawals,
            if books.is_conserved() { "" } else { " NOT CONSERVED" }
        );
    }
}

fn nodes(members: &BTreeSet<u64>) -> Vec<u64> {
    members.iter().map(|member| replicator::node_of(*member).get()).collect()
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let parse = || {
        let (first, last) = text.split_once("..")?;
        let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        Some((if first.is_empty() { 1 } else { first.parse().ok()? }, last))
    };
    let range = parse().filter(|(first, last)| first <= last);
    range.ok_or_else(|| format!("{text} is no range: give FIRST..LAST, FIRST.. or ..LAST"))
}
