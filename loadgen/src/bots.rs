//! Market-making bots: quotes around a random walk and takers that cross now and then, so that a demo is
//! alive. Each market has a maker and a taker of its own; what they do is paced, and nothing that fails
//! stops them: they look at the book again and go on.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use tokio::time::{Instant, MissedTickBehavior};

use self::quotes::{Quote, Quotes, Step};
use crate::Verdict;
use crate::api::message::{BookTicker, Order};
use crate::api::rest::Rest;
use crate::api::sign::{Credentials, KeyError};
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, CANCEL_REJECTED, timestamp_ms};
use crate::ends::Ends;
use crate::market::{Market, MarketError};
use crate::state::Account;
use crate::target::{TargetArgs, TargetError};

mod quotes;
#[cfg(test)]
mod tests;

/// `mainstay loadgen bots`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange. Only accounts whose names start with `bot-` are used.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Orders and cancels per second, in all.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 30.0)]
    pub rate: f64,
    /// Markets to make, separated by commas.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', default_value = "BTCUSDT,ETHUSDT,ETHBTC")]
    pub symbols: Vec<String>,
    /// Price levels per side.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub levels: usize,
    /// Seed of the random walk.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// How long the exchange may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one request may take before the bot goes on without its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a maker looks at its open orders and the best prices.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a maker rests after something failed.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Why the bots could not start.
#[derive(Debug, thiserror::Error)]
pub enum BotsError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A market is unusable.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// An account's key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The flags make no bots.
    #[error("{0}")]
    Flags(&'static str),
    /// A bot ended by a mistake of its own.
    #[error("a bot broke down; start the bots again")]
    Broken,
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}

/// Makes markets until the process is told to stop by SIGTERM or SIGINT. Quotes stay on the book; the next
/// start cancels them first.
pub async fn bots(args: Args) -> Result<Verdict, BotsError> {
    let mut ends = Ends::new().map_err(BotsError::Signals)?;
    tokio::select! {
        failed = make_markets(&args) => failed.map(|()| Verdict::Sound),
        () = ends.asked() => Ok(Verdict::Sound),
    }
}

async fn make_markets(args: &Args) -> Result<(), BotsError> {
    let target = args.target.resolve()?;
    if target.bots.len() < 2 {
        return Err(BotsError::Flags(
            "bots need two accounts whose names start with bot-: pass --state FILE of a demo, or --account twice",
        ));
    }
    if !(args.rate > 0.0 && args.rate <= 10_000.0) || args.levels == 0 || args.symbols.is_empty() {
        return Err(BotsError::Flags("--rate, --levels and --symbols must be above zero; --rate at most 10,000"));
    }
    let rest = Rest::new(target.gateways.iter().map(|gateway| gateway.rest.clone()).collect());
    let urls: Vec<String> = target.gateways.iter().map(|gateway| gateway.ws_api.clone()).collect();
    let markets = loop {
        match Market::fetch(&rest, &args.symbols, PATIENCE).await {
            // It opens again: by its schedule, or by an operator.
            Err(closed @ MarketError::Closed { .. }) => {
                tracing::warn!("{closed}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            fetched => break fetched?,
        }
    };
    let pause = Duration::from_secs_f64(markets.len() as f64 / args.rate);
    let mut makers = tokio::task::JoinSet::new();
    for (index, market) in markets.into_iter().enumerate() {
        let (making, taking) = cast(&target.bots, index);
        let mid = market.opening_price();
        let random = StdRng::seed_from_u64(args.seed.wrapping_add(index as u64));
        let maker = Maker {
            maker: Hand::new(making, &urls)?,
            taker: Hand::new(taking, &urls)?,
            rest: rest.clone(),
            quotes: Quotes::new(market, mid, args.levels, random),
            prefix: format!("bot-{:x}-", timestamp_ms()),
            placed: 0,
        };
        makers.spawn(maker.run(pause));
    }
    // Makers never end by themselves; without one of them a market is dead, and a new process is better.
    match makers.join_next().await {
        Some(Err(_)) => Err(BotsError::Broken),
        _ => Ok(()),
    }
}

/// Who makes and who takes in the market number `index`: never the same account, and accounts whose names say
/// so take only.
fn cast(bots: &[Account], index: usize) -> (&Account, &Account) {
    let (takers, makers): (Vec<&Account>, Vec<&Account>) = bots.iter().partition(|bot| bot.name.contains("taker"));
    match (makers.is_empty(), takers.is_empty()) {
        (false, false) => (makers[index % makers.len()], takers[index % takers.len()]),
        _ => (&bots[index % bots.len()], &bots[(index + 1) % bots.len()]),
    }
}

/// An account and its connection.
struct Hand {
    api: WsApi,
    credentials: Credentials,
}

impl Hand {
    fn new(account: &Account, urls: &[String]) -> Result<Hand, KeyError> {
        let credentials = Credentials::of(account)?;
        Ok(Hand { api: WsApi::connect(urls.to_vec(), Some(credentials.clone())), credentials })
    }

    async fn call<T: serde::de::DeserializeOwned>(&self, method: &str, params: &str) -> Result<T, ApiError> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.api.call(method, params)).await;
        answer.unwrap_or_else(|_| Err(ApiError::Unanswered(format!("nothing within {ANSWER_TIMEOUT:?}"))))
    }
}

/// One market's bots.
struct Maker {
    maker: Hand,
    taker: Hand,
    rest: Rest,
    quotes: Quotes,
    prefix: String,
    placed: u64,
}

impl Maker {
    async fn run(mut self, pause: Duration) {
        while let Err(error) = self.cancel_stale().await {
            self.rest_after("cancel the orders of an earlier run", &error).await;
        }
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at: Option<Instant> = None;
        loop {
            ticks.tick().await;
            if look_at.is_none_or(|at| at <= Instant::now()) {
                if let Err(error) = self.look().await {
                    self.rest_after("look at the book", &error).await;
                    continue;
                }
                look_at = Some(Instant::now() + LOOK_EVERY);
            }
            if let Err(error) = self.act().await {
                self.rest_after("trade", &error).await;
                look_at = None;
            }
        }
    }

    async fn rest_after(&self, attempt: &str, error: &ApiError) {
        tracing::warn!(symbol = self.quotes.market.symbol, %error, "the bot could not {attempt}");
        tokio::time::sleep(REST_AFTER_FAILURE).await;
    }

    /// Orders of an earlier process would never be looked after again.
    async fn cancel_stale(&self) -> Result<(), ApiError> {
        for order in self.open_orders().await? {
            self.cancel(&order.client_order_id).await?;
        }
        Ok(())
    }

    async fn open_orders(&self) -> Result<Vec<Order>, ApiError> {
        let query = format!("symbol={}", self.quotes.market.symbol);
        self.rest.get_signed(&self.maker.credentials, "/api/v3/openOrders", &query, Duration::ZERO).await
    }

    async fn look(&mut self) -> Result<(), ApiError> {
        let open = self.open_orders().await?.into_iter();
        self.quotes.open =
            open.map(|order| (order.client_order_id, Quote { buy: order.side == "BUY", price: order.price })).collect();
        let query = format!("symbol={}", self.quotes.market.symbol);
        let best: BookTicker = self.rest.get("/api/v3/ticker/bookTicker", &query, Duration::ZERO).await?;
        self.quotes.follow(best.bid_price, best.ask_price);
        Ok(())
    }

    /// One order or one cancel.
    async fn act(&mut self) -> Result<(), ApiError> {
        self.quotes.wander();
        if !self.quotes.open.is_empty() && self.quotes.should_take() {
            let (buy, price, qty) = self.quotes.taker();
            let order = self.order(buy, r#""type":"LIMIT","timeInForce":"IOC""#, price, qty);
            return self.taker.call::<IgnoredAny>("order.place", &order).await.map(drop);
        }
        match self.quotes.next_step() {
            Some(Step::Cancel(id)) => {
                self.cancel(&id).await?;
                self.quotes.open.remove(&id);
            }
            Some(Step::Place { buy, price, qty }) => {
                let order = self.order(buy, r#""type":"LIMIT_MAKER""#, price, qty);
                let order: Order = self.maker.call("order.place", &order).await?;
                self.quotes.open.insert(order.client_order_id, Quote { buy, price });
            }
            None => {}
        }
        Ok(())
    }

    async fn cancel(&self, id: &str) -> Result<(), ApiError> {
        let symbol = &self.quotes.market.symbol;
        let params = format!(r#"{{"symbol":"{symbol}","origClientOrderId":"{id}","timestamp":{}}}"#, timestamp_ms());
        match self.maker.call::<IgnoredAny>("order.cancel", &params).await {
            // It was filled in the meantime.
            Err(error) if error.code() == Some(CANCEL_REJECTED) => Ok(()),
            done => done.map(drop),
        }
    }

    fn order(&mut self, buy: bool, kind: &str, price: Decimal, qty: Decimal) -> String {
        self.placed += 1;
        let (symbol, side) = (&self.quotes.market.symbol, if buy { "BUY" } else { "SELL" });
        let (prefix, number, timestamp) = (&self.prefix, self.placed, timestamp_ms());
        format!(
            r#"{{"symbol":"{symbol}","side":"{side}",{kind},"price":"{price}","quantity":"{qty}","newClientOrderId":"{prefix}{symbol}-{number}","timestamp":{timestamp}}}"#
        )
    }
}
