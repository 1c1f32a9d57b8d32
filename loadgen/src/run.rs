//! An open-loop load: orders are sent when planned, whether or not earlier ones were answered.
//!
//! Read in the order an order travels: [`schedule`] says when, [`mix`] what, [`life`] sends it and finds out
//! what became of it, [`record`] keeps what the exchange said, [`books`] reads the exchange's
//! records, [`reconcile`] compares both, [`report`] sums up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::books::{Books, PATIENCE, Unread};
use self::desk::{Desk, Pair, Trader};
use self::life::drained;
use self::measure::Measure;
use self::mix::{Mix, Response};
use self::reconcile::{Findings, flows};
use self::record::{ClientIds, Outcome};
use self::report::Report;
use self::schedule::{Pacer, Schedule, SlotKind};
use crate::Verdict;
use crate::api::rest::Rest;
use crate::api::sign::{Credentials, KeyError};
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, timestamp_ms};
use crate::market::{Market, MarketError};
use crate::progress;
use crate::target::{Target, TargetArgs, TargetError};

pub(crate) use self::measure::{Percentiles, percentiles};

mod books;
mod desk;
mod fetch;
mod life;
mod measure;
mod mix;
mod reconcile;
mod record;
mod report;
mod schedule;
#[cfg(test)]
mod tests;

/// `mainstay loadgen run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Orders to send per second, in all. Cancels come on top (--cancel-ratio).
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1000.0)]
    pub rate: f64,
    /// How long to send, in seconds, or with a unit: 500ms, 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub duration: Duration,
    /// How many accounts to trade with, the first ones that are not the bots'.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    pub accounts: usize,
    /// Markets to trade in, separated by commas.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', default_value = "BTCUSDT,ETHUSDT,ETHBTC")]
    pub symbols: Vec<String>,
    /// Connections per account.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub connections: usize,
    /// Cancels per order, beside those that keep open orders below the market's limit; 0 to 1.
    #[arg(long, value_name = "RATIO", default_value_t = 0.1)]
    pub cancel_ratio: f64,
    /// How much an answer tells: that the market has taken the order, as clients in a hurry ask for; what became of it; its fills,
    /// as Binance answers who does not say; or each in turn. Where a market has a log of its own the first comes one commit
    /// sooner. What was told is compared with the exchange's records:
    /// of the first, that the order is there, once, by that number.
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Response::Ack)]
    pub response: Response,
    /// How long to wait for an answer before the order is looked up by its client order id; at least 100ms.
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// How long to go on looking for orders without an answer after the last one was sent.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Seed of the order mix.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// An account's records are read, to be compared at the end, when it has sent so many orders since the last time: far fewer
    /// than the exchange keeps of it.
    #[arg(long, value_name = "ORDERS", default_value_t = 40_000)]
    pub read_every: usize,
    /// Write the results as JSON to this file; also when the exchange is gone at the end, with `reconciled` false.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write every time without an answer, and every long wait for one, as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub pauses: Option<PathBuf>,
}

/// Resting orders per side, account and market that are placed before the load, so that the first takers
/// find something.
const WARM_UP_ORDERS: usize = 2;
/// Looking up an order costs the exchange far more than the order: nobody is to begin with that.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Why a load could not be offered or reconciled.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An account's key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A market is unusable.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// The flags make no load.
    #[error("{0}")]
    Flags(String),
    /// No order of an account is taken.
    #[error("account {account} gets no order accepted in {symbol}: is it funded, and is its key right?")]
    NothingAccepted {
        /// Whose.
        account: String,
        /// In which market.
        symbol: String,
    },
    /// Every order was refused.
    #[error("no order was acknowledged: nothing is proven")]
    NothingAcknowledged,
    /// The exchange does not answer what has to be known.
    #[error("cannot {doing}: {source}")]
    Api {
        /// What was asked for.
        doing: String,
        /// What it said.
        source: ApiError,
    },
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: String,
        /// What it said.
        source: std::io::Error,
    },
}

/// Offers the load, reconciles it and prints the results.
pub async fn run(args: Args) -> Result<Verdict, RunError> {
    let target = args.target.resolve()?;
    args.check(&target)?;
    for path in args.json.iter().chain(&args.pauses) {
        try_to_write(path).map_err(cannot_write(path))?;
    }
    let rest = Rest::new(target.gateways.iter().map(|gateway| gateway.rest.clone()).collect());
    let markets = Market::fetch(&rest, &args.symbols, PATIENCE).await?;
    let mut mids = Vec::new();
    for market in &markets {
        let mid = market.mid(&rest, PATIENCE).await.map_err(api(|| format!("learn the price of {}", market.symbol)))?;
        mids.push(mid.unwrap_or_else(|| market.opening_price()));
    }
    let traders = traders(&args, &target)?;
    let ids = ClientIds::new(timestamp_ms(), std::process::id());
    let desk = Arc::new(Desk::new(ids, markets, traders, rest, (args.timeout, args.response), mids));
    let books = Arc::new(Books::open(&desk, args.read_every).await?);

    let mut mix = Mix::new(args.seed);
    warm_up(&desk, &mut mix).await?;
    let first_order = desk.pairs().filter_map(|pair| desk.with_record(pair, |record| record.first_order_id())).min();
    books.start_at(first_order.unwrap_or(0)).await;
    let followers = tokio::spawn({
        let (desk, books) = (desk.clone(), books.clone());
        async move { tokio::join!(desk.follow_mids(), desk.follow_open_orders(), books.follow(&desk)) }
    });
    let lasted = offer(&args, &desk, &mut mix).await?;
    let mut patience = PATIENCE;
    if !drained(&desk, args.drain).await {
        desk.close();
        drained(&desk, args.timeout + Duration::from_secs(1)).await;
        // What has not answered for so long is not waited for much longer.
        patience = PATIENCE.min(args.drain);
    }
    followers.abort();
    // It ends as aborted, and lets go of what it shares.
    let _ = followers.await;

    let books = Arc::into_inner(books).expect("nobody else reads the books any more");
    let reconciled = async {
        cancel_the_rest(&desk, patience).await?;
        reconcile(&desk, books, lasted).await
    };
    let (report, failed) = match reconciled.await {
        Ok(report) => (report, None),
        Err(error) => {
            let findings = Findings { unresolved: desk.unanswered(), ..Findings::default() };
            (Report::new(&desk.measure(), lasted, &findings, None, []), Some(error))
        }
    };
    println!("{report}");
    if let Some(path) = &args.json {
        report.save(path).map_err(cannot_write(path))?;
    }
    if let Some(path) = &args.pauses {
        let text = serde_json::to_string(desk.measure().noted_pauses()).expect("numbers are JSON");
        std::fs::write(path, text).map_err(cannot_write(path))?;
    }
    match failed {
        Some(error) => Err(error),
        None if report.acked == 0 => Err(RunError::NothingAcknowledged),
        None => Ok(if report.sound { Verdict::Sound } else { Verdict::Unsound }),
    }
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let doing = format!("write {}", path.display());
    |source| RunError::System { doing, source }
}

/// Whether the results can be written there, before there are any. What is in the file stays.
pub(crate) fn try_to_write(path: &Path) -> std::io::Result<()> {
    let is_there = path.exists();
    std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    if is_there { Ok(()) } else { std::fs::remove_file(path) }
}

impl Args {
    fn check(&self, target: &Target) -> Result<(), RunError> {
        let problem = if !(self.rate > 0.0 && self.rate <= 1e6) {
            "--rate must be above 0 and at most 1,000,000 orders per second"
        } else if !(0.0..=1.0).contains(&self.cancel_ratio) {
            "--cancel-ratio must lie between 0 and 1"
        } else if self.accounts == 0 || self.connections == 0 || self.symbols.is_empty() {
            "--accounts, --connections and --symbols must name at least one"
        } else if self.symbols.iter().any(String::is_empty) {
            "--symbols has an empty name: write BTCUSDT,ETHUSDT"
        } else if self.duration.is_zero() {
            "--duration must be above 0: a load of no orders proves nothing"
        } else if self.timeout < TIMEOUT_MIN {
            "--timeout must be at least 100ms: every order that is not answered by then is looked up, and the exchange \
             bans who looks up too many"
        } else if target.accounts.is_empty() {
            "no account to trade with: pass --state FILE of a running demo, or --account NAME:API_KEY:SECRET"
        } else {
            return Ok(());
        };
        Err(RunError::Flags(problem.to_owned()))
    }
}

fn api(doing: impl FnOnce() -> String) -> impl FnOnce(ApiError) -> RunError {
    |source| RunError::Api { doing: doing(), source }
}

fn traders(args: &Args, target: &Target) -> Result<Vec<Trader>, RunError> {
    let accounts = target.accounts.iter().take(args.accounts);
    let traders = accounts.enumerate().map(|(index, account)| {
        let credentials = Credentials::of(account)?;
        // Accounts spread over the gateways; each knows all of them for when its own is gone.
        let mut urls: Vec<String> = target.gateways.iter().map(|gateway| gateway.ws_api.clone()).collect();
        let gateways = urls.len();
        urls.rotate_left(index % gateways);
        let connect = || WsApi::connect(urls.clone(), Some(credentials.clone()));
        let connections = std::iter::repeat_with(connect).take(args.connections).collect();
        Ok(Trader { name: account.name.clone(), credentials, connections })
    });
    traders.collect()
}

/// Places a few resting orders, which also opens every connection before latencies count.
async fn warm_up(desk: &Arc<Desk>, mix: &mut Mix) -> Result<(), RunError> {
    let mut tasks = JoinSet::new();
    for pair in desk.pairs() {
        let connections = desk.traders[pair.trader].connections.len();
        for number in 0..WARM_UP_ORDERS.max(connections) * 2 {
            let shape = mix.resting(&desk.markets[pair.market], desk.mid(pair.market), number % 2 == 0);
            tasks.spawn(life::place(desk.clone(), pair, number / 2 % connections, shape, None));
        }
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        let source = ApiError::Unanswered(format!("warm-up orders are not answered within {PATIENCE:?}"));
        return Err(RunError::Api { doing: "place orders over the WebSocket API".to_owned(), source });
    }
    let taken = |pair| {
        desk.with_record(pair, |record| record.orders.values().any(|claim| matches!(claim.outcome, Outcome::Acked(_))))
    };
    match desk.pairs().find(|pair| !taken(*pair)) {
        None => Ok(()),
        Some(Pair { trader, market }) => Err(RunError::NothingAccepted {
            account: desk.traders[trader].name.clone(),
            symbol: desk.markets[market].symbol.clone(),
        }),
    }
}

/// Sends every slot at its time. Returns how long that took.
async fn offer(args: &Args, desk: &Arc<Desk>, mix: &mut Mix) -> Result<Duration, RunError> {
    let schedule = Schedule::new(args.rate, args.cancel_ratio, args.duration);
    let mut progress = progress::bar(schedule.orders(), "orders");
    let start = Instant::now();
    *desk.measure() = Measure::new(start);
    let no_timer = |source| RunError::System { doing: "set a timer".into(), source };
    let mut slots = Pacer::new(schedule, start).map_err(no_timer)?;
    let pairs: Vec<Pair> = desk.pairs().collect();
    let mut shown = start;
    while let Some(slot) = slots.next().await.map_err(no_timer)? {
        let planned = start + slot.after;
        let pair = pairs[mix.pick(pairs.len())];
        let connection = mix.pick(args.connections);
        match slot.kind {
            SlotKind::Order => {
                let market = &desk.markets[pair.market];
                let room = desk.with_open(pair, |open| open.len()) < market.open_orders_max * 3 / 4;
                let shape = mix.order(market, desk.mid(pair.market), room);
                desk.measure().offered += 1;
                tokio::spawn(life::place(desk.clone(), pair, connection, shape, Some(planned)));
            }
            SlotKind::Cancel => {
                if let Some(number) = desk.with_open(pair, |open| open.pop_front()) {
                    desk.measure().cancels_offered += 1;
                    tokio::spawn(life::cancel(desk.clone(), pair, connection, number, planned));
                }
            }
        }
        if shown.elapsed() > Duration::from_millis(250) {
            shown = Instant::now();
            let measure = desk.measure();
            let waiting = measure.outstanding();
            let message = format!("{waiting} waiting, p99 {} µs", measure.order_latency().p99);
            progress.set(measure.offered, message);
        }
    }
    progress.finish();
    Ok(start.elapsed().max(args.duration))
}

/// Cancels what is still open of this run, so that its accounts end as they began.
async fn cancel_the_rest(desk: &Arc<Desk>, patience: Duration) -> Result<(), RunError> {
    for trader in 0..desk.traders.len() {
        let name = &desk.traders[trader].name;
        let refreshed = desk.refresh_open_orders(trader, patience).await;
        refreshed.map_err(api(|| format!("list the open orders of account {name}")))?;
    }
    let mut tasks = JoinSet::new();
    for pair in desk.pairs() {
        for number in desk.with_open(pair, std::mem::take) {
            if tasks.len() >= 64 {
                tasks.join_next().await;
            }
            tasks.spawn(life::cancel_quietly(desk.clone(), pair, number));
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Reads the exchange's records and compares them with everything we were told.
async fn reconcile(desk: &Desk, books: Books, lasted: Duration) -> Result<Report, RunError> {
    let mut progress = progress::bar(desk.traders.len() as u64, "accounts reconciled");
    let mut findings = Findings::default();
    for trader in 0..desk.traders.len() {
        findings.extend(books.reconcile(desk, trader).await?);
        progress.set(trader as u64 + 1, String::new());
    }
    progress.finish();
    let fills = books.into_fills();
    let by_market: Vec<_> = fills.iter().map(|(market, trades)| (&desk.markets[*market], trades.as_slice())).collect();
    let count = fills.iter().map(|(_, trades)| trades.len() as u64).sum();
    Ok(Report::new(&desk.measure(), lasted, &findings, Some(count), flows(&by_market)))
}

impl From<Unread> for RunError {
    fn from(Unread { account, source }: Unread) -> RunError {
        RunError::Api { doing: format!("read the records of account {account}"), source }
    }
}

/// Seconds, or a number with `ms`, `s`, `m` or `h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time; use ms, s, m or h")),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| format!("{text:?} is no length of time; write 500ms, 30s or 5m"))
}
