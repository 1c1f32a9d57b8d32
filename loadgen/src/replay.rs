//! A recorded market as orders: the recorded book and trades, reproduced through the gateway on a market of
//! its own, and compared after every recorded update with what our depth stream shows.
//!
//! Read in the order of the data: [`recording`] reads the file, [`venue`] makes the market, or
//! [`listed`] takes one that is there, [`plan`] says
//! what to send, [`player`] sends it, [`mirror`] builds the book from our streams.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::book::{Book, Side};
use self::listed::{Listed, ListedError};
use self::mirror::{Mirror, Shared};
use self::player::{OrderError, Player};
use self::recording::{Recording, RecordingError, Trade, Update};
use self::venue::{Venue, VenueError};
use crate::Verdict;
use crate::api::message::Depth;
use crate::api::rest::Rest;
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, timestamp_ms};
use crate::market::{Market, MarketError};
use crate::progress;
use crate::target::{OperatorArgs, TargetArgs, TargetError};

mod book;
mod listed;
mod mirror;
mod needs;
mod plan;
mod player;
mod recording;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod venue;

/// `mainstay loadgen replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The recording: lines of receive time and combined-stream JSON, plain or gzip.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The exchange.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The operator, who lists the market and funds accounts for it.
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Name of the market to list, which stays when it is over (`mainstay ctl market delist`); by default RPLAY, the
    /// recorded symbol and, if need be, a number. Without an operator (neither --state nor --node): a market that is listed
    /// and empty; the last --account takes, the others make.
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Option<String>,
    /// Replay in recorded time, so many times as fast; without it as fast as the exchange takes it. Each recorded
    /// book is compared with a window of our depth stream, so that no more than ten a second can be.
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<f64>,
    /// Stop after so many depth updates.
    #[arg(long, value_name = "UPDATES")]
    pub limit: Option<usize>,
    /// How many accounts provide the book; without an operator at most so many of the --account.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    pub makers: usize,
}

/// How long the new market may take to appear at the gateway.
const LISTING_PATIENCE: Duration = Duration::from_secs(30);
/// How long our streams may take to show what has been acknowledged before the exchange is asked where it is.
const STREAM_PATIENCE: Duration = Duration::from_secs(2);
/// How long they may take in all: failovers and restarts of a gateway included.
const STREAM_PATIENCE_MAX: Duration = Duration::from_secs(120);
/// How many differences are told.
const SHOWN: usize = 10;

/// Why a recording could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The recording is refused.
    #[error("{file}: {source}")]
    Recording {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: RecordingError,
    },
    /// There is no market to replay on.
    #[error(transparent)]
    Venue(#[from] VenueError),
    /// The market that is there is of no use.
    #[error(transparent)]
    Listed(#[from] ListedError),
    /// The market does not appear at the gateway.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// An order was not taken.
    #[error("line {line}: {source}")]
    Order {
        /// The recorded line.
        line: usize,
        /// Which order.
        source: OrderError,
    },
    /// Our streams do not show what was acknowledged.
    #[error("line {line}: our streams show nothing new for {STREAM_PATIENCE_MAX:?}: {reason}")]
    Stream {
        /// The recorded line.
        line: usize,
        /// What is missing.
        reason: String,
    },
    /// The flags make no replay.
    #[error("{0}")]
    Flags(&'static str),
}

/// What the comparison showed.
#[derive(Debug, Default)]
struct Outcome {
    compared: usize,
    differing: usize,
    trades_recorded: usize,
    trades_exact: usize,
    differences: Vec<String>,
}

/// Replays the recording and prints how the books compare.
pub async fn replay(args: Args) -> Result<Verdict, ReplayError> {
    if args.makers == 0 || args.limit == Some(0) || args.speed.is_some_and(|speed| !(speed > 0.0 && speed < 1e6)) {
        return Err(ReplayError::Flags("--makers and --limit must be at least 1, --speed above 0"));
    }
    let target = args.target.resolve()?;
    let recording = Recording::open(&args.file, args.limit)
        .map_err(|source| ReplayError::Recording { file: args.file.clone(), source })?;
    let rest = Rest::new(target.gateways.iter().map(|gateway| gateway.rest.clone()).collect());
    let run = format!("{:x}", timestamp_ms());
    let cluster = args.operator.cluster(target.cluster);
    let (venue, last_trade) = match (&cluster, &args.symbol) {
        (Some(cluster), wished) => {
            let venue = Venue::make(cluster, &recording, wished.as_deref(), args.makers, &run).await?;
            wait_for_market(&rest, &venue.symbol).await?;
            (venue, None)
        }
        (None, Some(symbol)) => {
            let Listed { venue, last_trade } =
                listed::open(&rest, symbol, &target.accounts, args.makers, &recording).await?;
            (venue, last_trade)
        }
        (None, None) => return Err(VenueError::NoOperator.into()),
    };
    let connect = |credentials| {
        let urls = target.gateways.iter().map(|gateway| gateway.ws_api.clone()).collect();
        WsApi::connect(urls, Some(credentials))
    };
    let player = Player {
        makers: venue.makers.into_iter().map(connect).collect(),
        taker: connect(venue.taker),
        symbol: venue.symbol.clone(),
        price_decimals: recording.price_decimals,
        qty_decimals: recording.qty_decimals,
        prefix: format!("rp-{run}-"),
        named: 0,
        standing: BTreeMap::new(),
    };
    let mirror = Mirror::new(recording.price_decimals, recording.qty_decimals, last_trade);
    let bases = target.gateways.iter().map(|gateway| gateway.ws.clone()).collect();
    let mirror = Shared::follow(mirror, rest.clone(), bases, &venue.symbol);
    let mut stage = Stage::new(player, mirror, rest);
    stage.wait_until_live().await?;

    let began = Instant::now();
    let mut progress = progress::bar(recording.updates.len() as u64, "updates");
    let first_ns = recording.updates[0].at_ns;
    let mut failed = None;
    for update in &recording.updates {
        if let Some(speed) = args.speed {
            let recorded = Duration::from_nanos(update.at_ns.saturating_sub(first_ns));
            tokio::time::sleep_until((began + recorded.div_f64(speed)).into()).await;
        }
        if let Err(error) = stage.replay(&recording, update).await {
            failed = Some(error);
            break;
        }
        let Outcome { compared, differing, .. } = stage.outcome;
        progress.set(compared as u64, format!("{differing} differ"));
    }
    progress.finish();
    let summary = Summary { recording: &recording, symbol: &venue.symbol, took: began.elapsed(), stage: &stage };
    println!("{summary}");
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(if stage.is_sound() { Verdict::Sound } else { Verdict::Unsound })
}

async fn wait_for_market(rest: &Rest, symbol: &str) -> Result<(), MarketError> {
    let deadline = Instant::now() + LISTING_PATIENCE;
    loop {
        match Market::fetch(rest, &[symbol.to_owned()], LISTING_PATIENCE).await {
            Ok(_) => return Ok(()),
            Err(MarketError::Api(error)) => return Err(error.into()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A replay under way.
struct Stage {
    player: Player,
    mirror: Shared,
    rest: Rest,
    /// The recorded book after the update at hand.
    recorded: Book,
    /// The book as our acknowledged orders make it.
    ours: Book,
    /// How often our book has changed: the `u` that our depth stream must reach.
    changes: u64,
    /// How many trades our stream must show.
    trades: usize,
    outcome: Outcome,
}

impl Stage {
    fn new(player: Player, mirror: Shared, rest: Rest) -> Stage {
        let (recorded, ours) = (Book::default(), Book::default());
        Stage { player, mirror, rest, recorded, ours, changes: 0, trades: 0, outcome: Outcome::default() }
    }

    async fn replay(&mut self, recording: &Recording, update: &Update) -> Result<(), ReplayError> {
        update.levels.iter().for_each(|level| self.recorded.set(*level));
        let mut rounds = plan::trades(&mut self.ours, &update.trades, &self.recorded);
        rounds.push(plan::settle(&mut self.ours, &self.recorded));
        for round in &rounds {
            let changes = self.player.play(round).await;
            self.changes += changes.map_err(|source| ReplayError::Order { line: update.line, source })?;
        }
        let shown_before = self.trades;
        self.trades += update.trades.len();
        let is_equal = self.wait_for_streams(update.line).await?;
        self.outcome.compared += 1;
        if !is_equal {
            self.outcome.differing += 1;
            self.tell_difference(recording, update.line);
        }
        self.compare_trades(shown_before, update);
        Ok(())
    }

    /// Waits until our streams cover everything acknowledged. Returns whether the book is the recorded one.
    async fn wait_for_streams(&mut self, line: usize) -> Result<bool, ReplayError> {
        let began = Instant::now();
        let mut ask_at = began + STREAM_PATIENCE;
        loop {
            let changed = self.mirror.changed.clone();
            let notified = changed.notified();
            let (is_equal, is_covered, last) = {
                let mirror = self.mirror.lock();
                let is_covered = mirror.last >= self.changes && mirror.trades.len() >= self.trades;
                (mirror.book == self.recorded, is_covered, mirror.last)
            };
            if is_equal && is_covered {
                return Ok(true);
            }
            if tokio::time::timeout_at(ask_at.into(), notified).await.is_ok() {
                continue;
            }
            // Nothing for a while: either the streams are down, or they have shown all there is and the book is
            // another one.
            match self.exchange_position().await {
                Ok(position) if last >= position => {
                    let mirror = self.mirror.lock();
                    (self.changes, self.trades) = (position, mirror.trades.len());
                    return Ok(mirror.book == self.recorded);
                }
                Ok(position) if began.elapsed() > STREAM_PATIENCE_MAX => {
                    let reason = format!("the book is at update {position}, our depth stream at u = {last}");
                    return Err(ReplayError::Stream { line, reason });
                }
                Err(error) if began.elapsed() > STREAM_PATIENCE_MAX => {
                    return Err(ReplayError::Stream { line, reason: error.to_string() });
                }
                _ => ask_at = Instant::now() + STREAM_PATIENCE,
            }
        }
    }

    /// The last update of the market's book.
    async fn exchange_position(&self) -> Result<u64, ApiError> {
        let query = format!("symbol={}&limit=5", self.player.symbol);
        let depth: Depth = self.rest.get("/api/v3/depth", &query, STREAM_PATIENCE).await?;
        Ok(depth.last_update_id)
    }

    /// A market that was traded in before has changes behind it.
    async fn wait_until_live(&mut self) -> Result<(), ReplayError> {
        let live = async {
            loop {
                let notified = self.mirror.changed.notified();
                if let Some(last) = self.mirror.live_at() {
                    return last;
                }
                // A notification may have come between the two lines above: look again soon in any case.
                let _ = tokio::time::timeout(Duration::from_millis(100), notified).await;
            }
        };
        let reason = "no stream and no snapshot of the new market".to_owned();
        let waited = tokio::time::timeout(LISTING_PATIENCE, live).await;
        self.changes = waited.map_err(|_| ReplayError::Stream { line: 0, reason })?;
        Ok(())
    }

    fn tell_difference(&mut self, recording: &Recording, line: usize) {
        if self.outcome.differences.len() >= SHOWN {
            return;
        }
        let mirror = self.mirror.lock();
        let changes = mirror.book.changes_to(&self.recorded);
        for level in changes.iter().take(3) {
            let side = if level.side == Side::Bid { "bid" } else { "ask" };
            self.outcome.differences.push(format!(
                "line {line}: {side} {} holds {}, recorded {} ({} levels differ)",
                recording.price_text(level.price),
                recording.qty_text(mirror.book.qty(level.side, level.price)),
                recording.qty_text(level.qty),
                changes.len(),
            ));
        }
    }

    /// Counts the recorded trades of an update that our stream shows: price, quantity and taker's side.
    fn compare_trades(&mut self, shown_before: usize, update: &Update) {
        let mirror = self.mirror.lock();
        let mut shown: Vec<Trade> = mirror.trades.values().skip(shown_before).copied().collect();
        self.outcome.trades_recorded += update.trades.len();
        self.outcome.trades_exact += in_common(&mut shown, &update.trades);
    }

    fn is_sound(&self) -> bool {
        let Outcome { differing, trades_recorded, trades_exact, .. } = &self.outcome;
        let mirror = self.mirror.lock();
        *differing == 0 && trades_recorded == trades_exact && mirror.gaps.is_empty()
    }
}

/// How many of `wanted` are among `shown`, each used once.
fn in_common(shown: &mut Vec<Trade>, wanted: &[Trade]) -> usize {
    let found = |trade: &&Trade| match shown.iter().position(|shown| shown == *trade) {
        Some(index) => {
            shown.remove(index);
            true
        }
        None => false,
    };
    wanted.iter().filter(found).count()
}

/// The results for people.
struct Summary<'a> {
    recording: &'a Recording,
    symbol: &'a str,
    took: Duration,
    stage: &'a Stage,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { compared, differing, trades_recorded, trades_exact, differences } = &self.stage.outcome;
        let mirror = self.stage.mirror.lock();
        for difference in differences {
            writeln!(f, "DIFFERS    {difference}")?;
        }
        for gap in mirror.gaps.iter().take(SHOWN) {
            writeln!(f, "GAP        {gap}")?;
        }
        let (recorded, took) = (&self.recording.symbol, self.took.as_secs_f64());
        let (of, symbol, orders) = (self.recording.updates.len(), self.symbol, self.stage.player.named);
        if *compared == of {
            writeln!(f, "replayed   {recorded} on {symbol} in {took:.1} s, {orders} orders")?;
        } else {
            writeln!(
                f,
                "BROKEN OFF {recorded} on {symbol} after {compared} of {of} updates, {took:.1} s, {orders} orders"
            )?;
        }
        if self.recording.trailing_trades > 0 {
            let trailing = self.recording.trailing_trades;
            writeln!(f, "passed     {trailing} trades after the last recorded update")?;
        }
        writeln!(
            f,
            "books      {compared} states compared, {differing} differed; {} levels at the end",
            mirror.book.len()
        )?;
        writeln!(f, "trades     {trades_recorded} recorded, {trades_exact} reproduced exactly")?;
        write!(f, "stream     {} gaps in U/u, {} broken connections", mirror.gaps.len(), mirror.breaks)
    }
}
