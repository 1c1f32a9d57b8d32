//! `mainstay ctl backup`: what lies in a backup, whether it is whole, and a cluster from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miette::{IntoDiagnostic, WrapErr};
use node::recovery::{self, Backup, Cut, EventFiles, Former, Laid, NewLife};
use replicator::snapshot;
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, Timestamp};

use crate::backup::library::Library;
use crate::backup::place::Place;
use crate::config::NodeFile;
use crate::demo::home;
use crate::demo::layout::Paths;
use crate::report::usage_with_help;

/// `mainstay ctl backup`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the lives in a backup and how far each partition has been shipped.
    Status(From),
    /// Read every piece, replay every partition, and compare its state with every snapshot on the way.
    Verify(VerifyArgs),
    /// Make the data directories of a cluster's nodes from a backup, at a consistent cut over its partitions.
    Restore(RestoreArgs),
}

#[derive(Debug, clap::Args)]
pub struct From {
    /// A directory, or s3://BUCKET/FOLDER (credentials and endpoint from AWS_... variables).
    #[arg(long, value_name = "PLACE")]
    from: String,
}

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    from: From,
    /// The life of the cluster, by its epoch; the newest, if it is not said.
    #[arg(long, value_name = "EPOCH")]
    life: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every node must be down, and its demo: one that runs is refused. The nodes' old data directories must have been moved away; new ones are written, each in the
place that the node's configuration names. The restored cluster has a greater epoch: set it in the configuration of every
node, gateway and chainwatch. Whatever still speaks for the old epoch is refused.

  mainstay ctl backup restore --from s3://backups/exchange --at 2026-11-21T16:00:00Z \\
      --config node-1.toml --config node-2.toml --config node-3.toml

On several hosts: the same command on each, with --config of its own node and --founder for every node. All print the same
epoch, cut, digests and founders. Each founder's configuration names all others among its [[peers]], also those that had joined
while the old cluster ran.

A demo's directory (--data-dir) is restored whole, and its epoch is raised: start the demo again.")]
pub struct RestoreArgs {
    #[command(flatten)]
    from: From,
    /// The latest moment that may be in it: 2026-11-21T16:00:00Z, milliseconds since 1970, or a duration before now such as
    /// -90s. Everything, if it is not said.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    at: Option<Timestamp>,
    /// The life of the cluster that is restored, by its epoch; the newest that had begun by then, if it is not said.
    #[arg(long, value_name = "EPOCH")]
    life: Option<u64>,
    /// The epoch of the restored cluster; one more than the greatest in the backup and in the configurations, if it is not
    /// said.
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,
    /// The configuration of a node whose data directory is to be made here.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Every node that the cluster begins with; those of --config, if it is not said.
    #[arg(long, value_name = "NODE")]
    founder: Vec<u64>,
}

/// Does what was asked. `demo` is the directory of a demo, if one was named.
pub async fn run(demo: Option<&Path>, command: Command) -> miette::Result<()> {
    match command {
        Command::Status(from) => status(&Place::open(&from.from)?).await,
        Command::Verify(args) => verify(&Place::open(&args.from.from)?, args.life).await,
        Command::Restore(args) => restore(demo, args).await,
    }
}

async fn status(place: &Place) -> miette::Result<()> {
    for epoch in Library::lives(place).await? {
        let library = Library::open(place, epoch).await?;
        println!("life {epoch}");
        println!("  partition      entries                 up to                     pieces: log, snapshots, events");
        for partition in &library.former().partitions {
            let summary = library.summary(*partition);
            let (log, snapshots, events) = summary.pieces;
            println!(
                "  {:>9}  {:>10} .. {:<10}  {}  {log}, {snapshots}, {events}",
                partition.get(),
                summary.first,
                summary.last,
                text_of(summary.timestamp)
            );
        }
    }
    Ok(())
}

async fn verify(place: &Place, life: Option<u64>) -> miette::Result<()> {
    let epoch = match life {
        Some(epoch) => ClusterEpoch::new(epoch),
        None => *Library::lives(place).await?.last().expect("there is one"),
    };
    let library = Arc::new(Library::open(place, epoch).await?);
    for partition in library.former().partitions.clone() {
        let library = library.clone();
        let verified = off_thread(move || {
            library.check_log(partition)?;
            verify_partition(&*library, library.former(), partition)
        });
        let verified = verified.await?;
        println!("{}", verified.map_err(|why| miette::miette!("partition {partition}: {why}"))?);
    }
    println!("Every piece is whole.");
    Ok(())
}

/// Replays from the beginning through every snapshot. Where the log was bridged by one, it goes on from that.
fn verify_partition(backup: &impl Backup, former: &Former, partition: PartitionId) -> Result<String, String> {
    use replicator::StateMachine as _;
    let snapshots = backup.snapshots(partition);
    let mut waiting = snapshots.iter().peekable();
    let mut replay = former.replay(partition, verdicts(backup, partition)?, None);
    let (mut entries_read, mut compared) = (0_u64, 0);
    loop {
        let at = replay.place().index;
        if let Some(kept) = waiting.next_if(|kept| kept.index <= at) {
            let bytes = backup.snapshot(partition, kept.index)?;
            let header = snapshot::open(&bytes).map_err(|error| error.to_string())?.header;
            if header.digest != replay.machine().digest() {
                return Err(format!("the snapshot at log entry {} is not what the log leads to", kept.index));
            }
            compared += 1;
        }
        let upto = waiting.peek().map_or(u64::MAX, |kept| kept.index);
        match backup.entries(partition, at + 1)? {
            Some(entries) => {
                for entry in entries.iter().take_while(|entry| entry.index <= upto) {
                    replay.apply(entry).map_err(|error| error.to_string())?;
                    entries_read += 1;
                }
            }
            None => match waiting.next() {
                Some(kept) => {
                    replay.restore(&backup.snapshot(partition, kept.index)?).map_err(|error| error.to_string())?
                }
                None => break,
            },
        }
    }
    let mut next = wire::LogPosition::ZERO.next();
    let upto = snapshots.last().map_or(wire::LogPosition::ZERO, |kept| kept.position);
    while next <= upto {
        let block = backup.events(partition, next)?;
        next = block.ok_or_else(|| format!("events from position {next} on are missing"))?.upto().next();
    }
    let (place, digest) = (replay.place(), replay.machine().digest());
    Ok(format!(
        "partition {partition}: {entries_read} entries replayed, {compared} of {} snapshots compared; entry {}, position {}, \
         digest {digest:032x}",
        snapshots.len(),
        place.index,
        place.position
    ))
}

fn verdicts(
    backup: &impl Backup,
    partition: PartitionId,
) -> Result<std::collections::BTreeSet<replicator::Spot>, String> {
    let mut spots = std::collections::BTreeSet::new();
    let mut starts: Vec<u64> = backup.snapshots(partition).iter().map(|kept| kept.index + 1).collect();
    starts.insert(0, 1);
    let mut next = 0;
    for start in starts {
        next = next.max(start);
        while let Some(entries) = backup.entries(partition, next)? {
            for entry in &entries {
                spots.extend(
                    replicator::verdicts(entry).map_err(|error| format!("log entry {}: {error}", entry.index))?,
                );
                next = entry.index + 1;
            }
        }
    }
    Ok(spots)
}

async fn restore(demo: Option<&Path>, args: RestoreArgs) -> miette::Result<()> {
    let place = Place::open(&args.from.from)?;
    let at = args.at.unwrap_or(Timestamp::from_nanos(u64::MAX));
    let files = configurations(demo, &args.config)?;
    let _kept_down = keep_down(demo.filter(|_| args.config.is_empty()), &files)?;
    let lives = Library::lives(&place).await?;
    let library = Arc::new(choose(&place, &lives, args.life, at).await?);
    let epoch = new_epoch(&lives, &files, args.epoch)?;
    let mut founders: Vec<u64> =
        if args.founder.is_empty() { files.iter().map(|it| it.node).collect() } else { args.founder };
    founders.sort_unstable();
    founders.dedup();
    check_files(&files, &founders, library.former())?;
    // A demo writes its configurations anew at every start.
    if !args.config.is_empty() {
        check_reach(&files, &founders)?;
    }
    let names = founders.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let life = NewLife { epoch: ClusterEpoch::new(epoch), founders: founders.into_iter().map(NodeId::new).collect() };

    let (reader, found) = (library.clone(), library.former().clone());
    let cuts = off_thread(move || recovery::plan(&found, &*reader, at)).await?.into_diagnostic()?;
    println!(
        "life {} at or before {}:",
        library.former().epoch,
        if args.at.is_some() { text_of(at) } else { "its end".into() }
    );
    cuts.iter().for_each(|(partition, cut)| tell(*partition, cut));
    if args.at.is_some() && cuts.values().all(|cut| cut.place.position == LogPosition::ZERO) {
        miette::bail!(
            help = "name a later time, or none for everything",
            "nothing had happened at {}: the exchange would begin empty, and nothing was written",
            text_of(at)
        );
    }
    let near = files[0].data_dir.parent().map_or_else(std::env::temp_dir, Path::to_path_buf);
    std::fs::create_dir_all(&near).into_diagnostic()?;
    let scratch = tempfile::Builder::new().prefix(".mainstay-restore-").tempdir_in(near).into_diagnostic()?;
    let (events, begun) = (scratch.path().to_path_buf(), life.clone());
    let laid = off_thread(move || bring_back(&library, &cuts, &begun, &events)).await?.into_diagnostic()?;
    for file in &files {
        let (node, directory) = (NodeId::new(file.node), file.data_dir.clone());
        let (life, laid, to) = (life.clone(), laid.clone(), directory.clone());
        let written = off_thread(move || recovery::lay(&to, node, &life, &laid)).await?;
        written.into_diagnostic().wrap_err_with(|| format!("cannot restore node {node}"))?;
        println!("node {node}: {}", directory.display());
    }
    for Laid { beginning, digest, .. } in &laid {
        println!("partition {} begins life {epoch} with digest {digest:032x}", beginning.partition);
    }
    println!("Its founders are {names}.");
    match demo.filter(|_| args.config.is_empty()) {
        Some(directory) => {
            home::raise_epoch(directory, epoch)?;
            println!("The demo in {} has epoch {epoch} now: start it again.", directory.display());
        }
        None => println!(
            "Set `epoch = {epoch}` in the configuration of every node, gateway and chainwatch, and start them."
        ),
    }
    Ok(())
}

/// The life that was named, or the newest that has something at or before the time.
async fn choose(place: &Place, lives: &[ClusterEpoch], life: Option<u64>, at: Timestamp) -> miette::Result<Library> {
    if let Some(epoch) = life {
        return Library::open(place, ClusterEpoch::new(epoch)).await;
    }
    let mut oldest = None;
    for epoch in lives.iter().rev() {
        let library = Library::open(place, *epoch).await?;
        if library.begins() <= at {
            return Ok(library);
        }
        oldest = Some(library.begins());
    }
    let begins = oldest.map_or_else(String::new, text_of);
    Err(miette::miette!("{} has nothing at or before {}: it begins at {begins}", place.text(), text_of(at)))
}

/// Replays every partition up to its cut, its events into files, and begins the new life with it.
fn bring_back(
    library: &Library,
    cuts: &BTreeMap<PartitionId, Cut>,
    life: &NewLife,
    events: &Path,
) -> Result<Vec<Laid>, recovery::RecoveryError> {
    let mut laid = Vec::new();
    for (partition, cut) in cuts {
        let directory = events.join(partition.to_string());
        let files = EventFiles::create(&directory, *partition)?;
        let replay = recovery::replay_to(library.former(), library, *partition, cut, files.sink())?;
        files.finish(replay.place().position)?;
        laid.push(life.begin(*partition, replay, directory));
    }
    Ok(laid)
}

fn tell(partition: PartitionId, cut: &Cut) {
    let earlier = cut.wanted - cut.place.index;
    let why = if earlier > 0 {
        format!(", {earlier} entries earlier for the mail between partitions")
    } else {
        String::new()
    };
    println!(
        "  partition {partition}: entry {}, position {}, {}, digest {:032x}{why}",
        cut.place.index,
        cut.place.position,
        text_of(cut.place.timestamp),
        cut.digest
    );
}

/// The nodes to be made here.
fn configurations(demo: Option<&Path>, named: &[PathBuf]) -> miette::Result<Vec<NodeFile>> {
    let paths: Vec<PathBuf> = match demo {
        Some(directory) if named.is_empty() => {
            let paths = Paths(directory.to_path_buf());
            home::nodes(directory)?.into_iter().map(|node| paths.config(&format!("node-{node}"))).collect()
        }
        _ => named.to_vec(),
    };
    if paths.is_empty() {
        let help = "name the nodes' configurations with --config, or a demo's directory with --data-dir";
        return Err(usage_with_help("no node is named", help));
    }
    paths.iter().map(|path| NodeFile::load(path)).collect()
}

/// The epoch of the new life. A cluster that was restored before may not have shipped anything yet: then its configurations
/// alone know that its epoch is taken.
fn new_epoch(lives: &[ClusterEpoch], files: &[NodeFile], wanted: Option<u64>) -> miette::Result<u64> {
    let shipped = lives.iter().map(|life| life.get()).max().unwrap_or(0);
    let configured = files.iter().map(|file| file.epoch).max().unwrap_or(0);
    // The configuration may have been given the wanted one before.
    let least = if wanted.is_some() { configured } else { configured.saturating_add(1) };
    let epoch = wanted.unwrap_or(shipped.saturating_add(1).max(least));
    if epoch <= shipped || epoch < least {
        miette::bail!(
            help = "whatever the old cluster still sends must be refused by the new one",
            "the epoch {epoch} must be greater than that of every life in the backup ({shipped}), and not below that in the \
             nodes' configurations ({configured})"
        );
    }
    Ok(epoch)
}

/// The founders know of each other by their configurations alone: where nodes joined the old life, its log said.
fn check_reach(files: &[NodeFile], founders: &[u64]) -> miette::Result<()> {
    for file in files {
        let names = |node: &u64| *node == file.node || file.peers.iter().any(|peer| peer.node == *node);
        if let Some(unknown) = founders.iter().find(|founder| !names(founder)) {
            miette::bail!(
                help = "name every founder among its [[peers]], and in the [[nodes]] of gateways",
                "the configuration of node {} does not say where node {unknown} is",
                file.node
            );
        }
    }
    Ok(())
}

/// Refuses while a demo or a node of those to be made runs. Nobody starts the demos while what is returned lives; the nodes'
/// directories are locked where they are written.
fn keep_down(demo: Option<&Path>, files: &[NodeFile]) -> miette::Result<Vec<File>> {
    let of_nodes = files.iter().filter_map(|file| home::of_node(&file.data_dir));
    // By the names that they have for everybody: a lock is not taken twice.
    let named = demo.into_iter().chain(of_nodes).map(|dir| dir.canonicalize().into_diagnostic());
    let demos = named.collect::<miette::Result<BTreeSet<PathBuf>>>()?;
    let kept = demos.iter().map(|dir| home::keep_down(dir)).collect::<miette::Result<Vec<File>>>()?;
    for file in files {
        // Its old directory, and the lock in it, has been moved away: where it listens says whether it runs. An address of
        // another machine is none of this one's.
        let addr = file.listen;
        if TcpListener::bind(addr).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
            miette::bail!(
                help = "end it first: it would go on as it is, and what it acknowledges then would be lost",
                "node {} runs, or another process in its place: somebody listens on {addr}",
                file.node
            );
        }
    }
    Ok(kept)
}

fn check_files(files: &[NodeFile], founders: &[u64], former: &Former) -> miette::Result<()> {
    for file in files {
        let mut partitions: Vec<PartitionId> =
            file.partitions.iter().map(|it| PartitionId::new(it.partition)).collect();
        partitions.sort_unstable();
        let mut wanted = former.partitions.clone();
        wanted.sort_unstable();
        if partitions != wanted || PartitionId::new(file.ledger) != former.ledger {
            miette::bail!("the configuration of node {} has other partitions than the backup: {wanted:?}", file.node);
        }
        if !founders.contains(&file.node) {
            miette::bail!("node {} is not among the founders {founders:?}", file.node);
        }
        if file.data_dir.read_dir().is_ok_and(|mut listing| listing.next().is_some()) {
            return Err(recovery::LayError::NotEmpty(file.data_dir.clone())).into_diagnostic();
        }
    }
    Ok(())
}

/// What waits for the runtime must not run on it.
async fn off_thread<A: Send + 'static>(work: impl FnOnce() -> A + Send + 'static) -> miette::Result<A> {
    tokio::task::spawn_blocking(work).await.into_diagnostic()
}

/// A moment in the words of an operator.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    time(text, SystemTime::now())
}

fn time(text: &str, now: SystemTime) -> Result<Timestamp, String> {
    let wrong = || "a time is such as 2026-11-21T16:00:00Z, 1795276800000 or -90s".to_owned();
    let moment = if let Some(ago) = text.strip_prefix('-') {
        let ago: Duration = humantime::parse_duration(ago).map_err(|_| wrong())?;
        now.checked_sub(ago).ok_or_else(wrong)?
    } else if let Ok(millis) = text.parse::<u64>() {
        UNIX_EPOCH + Duration::from_millis(millis)
    } else {
        humantime::parse_rfc3339_weak(text).map_err(|_| wrong())?
    };
    let since = moment.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    u64::try_from(since.as_nanos()).map(Timestamp::from_nanos).map_err(|_| wrong())
}

/// A log time for people.
pub fn text_of(time: Timestamp) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(time.nanos())).to_string()
}

#[cfg(test)]
mod tests;
