//! What a gateway adds: the same orders in turn straight at the nodes, through the WebSocket API and over REST, in one run at
//! one rate, so that all of them meet the same machine and the same load. Then as many orders as one gateway takes.
//!
//! An order counts from its sending to its outcome: straight at the nodes that is an event of the ledger, at the gateway the
//! answer. Sells and buys at one price, in turn, keep the book short.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterError, EventStream, Patience, Session, StreamItem};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hdrhistogram::Histogram;
use hyper::Method;
use serde_json::Value;
use wire::codec::v1::encode_command;
use wire::command::{NewOrder, Reply};
use wire::{
    AccountId, Amount, Command, Event, LogPosition, MarketId, OrderId, OrderKind, PartitionId, Price, Qty,
    SelfTradePrevention, Side, Text, TimeInForce,
};

use crate::Verdict;
use crate::api::rest::Rest;
use crate::api::sign::Credentials;
use crate::api::timestamp_ms;
use crate::api::ws_api::WsApi;
use crate::replay::venue::{VenueError, connect_with, open_session};
use crate::run::{Percentiles, parse_duration, percentiles};
use crate::state::State;
use crate::target::{OperatorArgs, Target, TargetArgs, TargetError};

/// Where all of it trades.
const SYMBOL: &str = "BTCUSDT";
const PRICE: (&str, i64) = ("50000.00", 5_000_000);
const QTY: (&str, i64) = ("0.00020", 20);
/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time that is told apart, a minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;
/// One order in so many goes over REST: every other one of these sells, too.
const REST_EVERY: u64 = 22;
/// Connections of either account while the most is asked for.
const CONNECTIONS: usize = 4;

/// `mainstay loadgen gateway`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange. A state file must name the operator and four accounts, or flags do.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The operator, who lists the market and sends orders.
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Orders a second in all, half of them straight at the nodes.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,
    /// How long, in seconds, or with a unit: 500ms, 30s, 5m. The first tenth is not measured.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Orders that wait for their answer at any time while the most is asked for; 0 leaves that out.
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    pub outstanding: usize,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The nodes cannot be reached.
    #[error(transparent)]
    Venue(#[from] VenueError),
    /// The cluster stopped answering.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was tried.
        doing: &'static str,
        /// What went wrong.
        source: ClusterError,
    },
    /// The exchange is not the demo.
    #[error("the exchange has no {0}")]
    Missing(String),
}

/// A way into the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Nodes,
    WebSocket,
    Rest,
}

/// What one way took.
struct Taken {
    times: Histogram<u64>,
    failed: u64,
}

impl Default for Taken {
    fn default() -> Taken {
        Taken { times: Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are legal"), failed: 0 }
    }
}

/// What was taken, by way.
#[derive(Default)]
struct Measured {
    nodes: Taken,
    web_socket: Taken,
    rest: Taken,
}

impl Measured {
    fn of(&mut self, way: Way) -> &mut Taken {
        match way {
            Way::Nodes => &mut self.nodes,
            Way::WebSocket => &mut self.web_socket,
            Way::Rest => &mut self.rest,
        }
    }

    fn failed(&self) -> u64 {
        self.nodes.failed + self.web_socket.failed + self.rest.failed
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = percentiles(&self.nodes.times);
        for (name, taken) in [("nodes", &self.nodes), ("WebSocket", &self.web_socket), ("REST", &self.rest)] {
            let Percentiles { p50, p99, p999, max } = percentiles(&taken.times);
            let more = |here: u64, there: u64| here as i64 - there as i64;
            write!(
                f,
                "{name:<10} {:>7} orders, {} failed: p50 {p50} us, p99 {p99} us, p99.9 {p999} us, max {max} us",
                taken.times.len(),
                taken.failed
            )?;
            match name {
                "nodes" => writeln!(f)?,
                _ => writeln!(f, "; adds {:+} us p50, {:+} us p99", more(p50, base.p50), more(p99, base.p99))?,
            }
        }
        Ok(())
    }
}

/// Offers the load and prints what came of it.
pub async fn gateway(args: Args) -> Result<Verdict, GatewayError> {
    let mut target = args.target.resolve()?;
    target.cluster = args.operator.cluster(target.cluster);
    let desk = Desk::open(&target, args.rate as usize + args.outstanding).await?;
    let measured = desk.in_turn(&args).await?;
    print!("{measured}");
    let mut failed = measured.failed();
    if args.outstanding > 0 {
        let pid = args
            .target
            .state
            .as_deref()
            .and_then(|path| State::load(path).ok()?.gateways.first().map(|gateway| gateway.pid));
        let (answered, refused, took, cpu) = desk.most(&args, pid).await;
        let cpu = cpu.map_or(String::new(), |cpu| {
            format!("; {:.0} us of the gateway's CPU an order", cpu.as_secs_f64() * 1e6 / answered.max(1) as f64)
        });
        println!(
            "most       {answered} orders in {:.1} s, {refused} failed: {:.0} a second{cpu}",
            took.as_secs_f64(),
            answered as f64 / took.as_secs_f64()
        );
        failed += refused;
    }
    Ok(if failed == 0 { Verdict::Sound } else { Verdict::Unsound })
}

/// Everything that orders are sent by.
struct Desk {
    cluster: Cluster,
    session: Session,
    ledger: PartitionId,
    market: MarketId,
    /// Who sells and who buys straight at the nodes.
    direct: [AccountId; 2],
    /// Who sells and who buys through the gateway.
    through: [WsApi; 2],
    most: Vec<WsApi>,
    credentials: [Credentials; 2],
    rest: Rest,
    run: String,
}

impl Desk {
    async fn open(target: &Target, window: usize) -> Result<Desk, GatewayError> {
        let missing = |what: &str| GatewayError::Missing(what.to_owned());
        let cluster = target.cluster.as_ref().ok_or(VenueError::NoOperator)?;
        let patience = Patience::default();
        let link = connect_with(cluster, Patience { window: window.max(patience.window), ..patience })?;
        let ledger = PartitionId::new(cluster.ledger);
        let session = open_session(&link, ledger).await?;
        let known = Known::read(&link, ledger).await?;
        let [seller, buyer, direct_seller, direct_buyer] = target
            .accounts
            .get(..4)
            .and_then(|accounts| accounts.first_chunk())
            .ok_or_else(|| missing("four accounts"))?;
        let id = |name: &str| known.accounts.get(name).copied().ok_or_else(|| missing(name));
        let gateway = &target.gateways[0];
        let credentials = [seller, buyer].map(|account| Credentials::hmac(&account.api_key, &account.secret));
        let connect =
            |credentials: &Credentials| WsApi::connect(vec![gateway.ws_api.clone()], Some(credentials.clone()));
        Ok(Desk {
            session,
            ledger,
            market: known.market.ok_or_else(|| missing(SYMBOL))?,
            direct: [id(&direct_seller.name)?, id(&direct_buyer.name)?],
            through: [connect(&credentials[0]), connect(&credentials[1])],
            most: (0..2 * CONNECTIONS).map(|index| connect(&credentials[index % 2])).collect(),
            credentials,
            rest: Rest::new(vec![gateway.rest.clone()]),
            cluster: link,
            run: format!("{:x}", timestamp_ms()),
        })
    }

    /// The same orders by every way in turn.
    async fn in_turn(&self, args: &Args) -> Result<Measured, GatewayError> {
        let from = self.cluster.read_index(self.ledger, PATIENCE).await;
        let from = from.map_err(|source| GatewayError::Cluster { doing: "read the ledger's position", source })?;
        let outcomes = Arc::new(Outcomes::default());
        let following =
            tokio::spawn(follow(self.cluster.subscribe(self.ledger, from.next()), self.market, Arc::clone(&outcomes)));
        let (begin, period) = (Instant::now(), Duration::from_secs(1) / args.rate);
        let (measure_from, end) = (begin + args.duration / 10, begin + args.duration);
        let (mut measured, mut under_way, mut number) = (Measured::default(), FuturesUnordered::new(), 0_u64);
        loop {
            let due = begin + period * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::select! {
                biased;
                Some((way, began, took)) = under_way.next(), if !under_way.is_empty() => match took {
                    Some(took) if began >= measure_from => measured.of(way).times.saturating_record(Duration::as_micros(&took) as u64),
                    Some(_) => {}
                    None => measured.of(way).failed += 1,
                },
                () = tokio::time::sleep_until(due.into()), if due < end => {
                    let way = match number {
                        number if number.is_multiple_of(2) => Way::Nodes,
                        number if number % REST_EVERY == 1 => Way::Rest,
                        _ => Way::WebSocket,
                    };
                    under_way.push(self.send(way, number, Arc::clone(&outcomes)));
                    number += 1;
                }
                else => break,
            }
        }
        following.abort();
        Ok(measured)
    }

    /// One order; how long it took, unless it failed.
    async fn send(&self, way: Way, number: u64, outcomes: Arc<Outcomes>) -> (Way, Instant, Option<Duration>) {
        // Of each way every other order sells.
        let side = usize::from((number / 2).is_multiple_of(2));
        let name = format!("{}-{number:x}", self.run);
        let began = Instant::now();
        let done = match way {
            Way::Nodes => self.send_directly(side, &name, &outcomes).await,
            Way::WebSocket => {
                let answer = tokio::time::timeout(
                    PATIENCE,
                    self.through[side].call::<Value>("order.place", &params(side, &name)),
                )
                .await;
                matches!(answer, Ok(Ok(_))).then(Instant::now)
            }
            Way::Rest => {
                let query = format!(
                    "symbol={SYMBOL}&side={}&type=LIMIT&timeInForce=GTC&quantity={}&price={}&newClientOrderId={name}",
                    SIDES[side], QTY.0, PRICE.0
                );
                let answer =
                    self.rest.change::<Value>(&self.credentials[side], Method::POST, "/api/v3/order", &query).await;
                answer.is_ok().then(Instant::now)
            }
        };
        (way, began, done.map(|done| done.saturating_duration_since(began)))
    }

    async fn send_directly(&self, side: usize, name: &str, outcomes: &Outcomes) -> Option<Instant> {
        let order = NewOrder {
            account: self.direct[side],
            market: self.market,
            side: [Side::Sell, Side::Buy][side],
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::new(PRICE.1)?,
            qty: Qty::new(QTY.1)?,
            quote_qty: Amount::ZERO,
            client_order_id: Text::new(name.as_bytes()).ok()?,
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        let mut payload = Vec::with_capacity(128);
        encode_command(&Command::NewOrder(order), &mut payload);
        let replied = self.session.request(payload, PATIENCE).await.ok()?;
        let Reply::Accepted { id } = replied.reply else { return None };
        tokio::time::timeout(PATIENCE, outcomes.of(OrderId::new(id))).await.ok()
    }

    /// As many orders as one gateway answers: how many, how many failed, in what time, at what cost.
    async fn most(&self, args: &Args, pid: Option<u32>) -> (u64, u64, Duration, Option<Duration>) {
        let cpu = || pid.and_then(crate::fanout::cpu_time);
        let (begin, cpu_before) = (Instant::now(), cpu());
        let end = begin + args.duration;
        let (mut answered, mut failed, mut number) = (0, 0, 0_u64);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < args.outstanding && Instant::now() < end {
                let (connection, side) = (number as usize % self.most.len(), number as usize % 2);
                let params = params(side, &format!("{}-m{number:x}", self.run));
                under_way.push(async move {
                    tokio::time::timeout(PATIENCE, self.most[connection].call::<Value>("order.place", &params)).await
                });
                number += 1;
            }
            match under_way.next().await {
                Some(Ok(Ok(_))) => answered += 1,
                Some(_) => failed += 1,
                None => break,
            }
        }
        let spent = cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        (answered, failed, begin.elapsed(), spent)
    }
}

const SIDES: [&str; 2] = ["SELL", "BUY"];

fn params(side: usize, name: &str) -> String {
    format!(
        r#"{{"symbol":"{SYMBOL}","side":"{}","type":"LIMIT","timeInForce":"GTC","quantity":"{}","price":"{}","newClientOrderId":"{name}","timestamp":{}}}"#,
        SIDES[side],
        QTY.0,
        PRICE.0,
        timestamp_ms()
    )
}

/// What the ledger knows that is traded with.
#[derive(Default)]
struct Known {
    accounts: HashMap<String, AccountId>,
    market: Option<MarketId>,
}

impl Known {
    async fn read(cluster: &Cluster, ledger: PartitionId) -> Result<Known, GatewayError> {
        let failed = |source| GatewayError::Cluster { doing: "read the ledger's accounts and markets", source };
        let until = cluster.read_index(ledger, PATIENCE).await.map_err(failed)?;
        let (mut known, mut events) = (Known::default(), cluster.subscribe(ledger, LogPosition::new(1)));
        loop {
            let next =
                tokio::time::timeout(PATIENCE, events.next()).await.map_err(|_| failed(ClusterError::Timeout))?;
            let reached = match next.ok_or_else(|| failed(ClusterError::Closed))? {
                StreamItem::Events { position, events, .. } => {
                    for event in &events {
                        match event {
                            Event::AccountOpened(opened) => {
                                known.accounts.insert(opened.name.to_string(), opened.account);
                            }

                            Event::MarketListed(listed) if listed.symbol.as_str() == SYMBOL => {
                                known.market = Some(listed.market)
                            }
                            _ => {}
                        }
                    }
                    position
                }
                StreamItem::Progress { position } => position,
            };
            if reached >= until {
                return Ok(known);
            }
        }
    }
}

/// When the first outcomes of orders came, whether they are waited for already or not yet.
#[derive(Default)]
struct Outcomes {
    state: Mutex<HashMap<OrderId, Outcome>>,
}

enum Outcome {
    Came(Instant),
    Waits(tokio::sync::oneshot::Sender<Instant>),
}

impl Outcomes {
    async fn of(&self, order: OrderId) -> Instant {
        let receiver = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Outcome::Came(at)) = state.remove(&order) {
                return at;
            }
            let (sender, receiver) = tokio::sync::oneshot::channel();
            state.insert(order, Outcome::Waits(sender));
            receiver
        };
        receiver.await.unwrap_or_else(|_| Instant::now())
    }

    fn came(&self, order: OrderId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.remove(&order) {
            Some(Outcome::Waits(sender)) => drop(sender.send(now)),
            Some(came @ Outcome::Came(_)) => drop(state.insert(order, came)),
            None => drop(state.insert(order, Outcome::Came(now))),
        }
    }
}

/// Notes the first outcome of every order of the market.
async fn follow(mut events: EventStream, market: MarketId, outcomes: Arc<Outcomes>) {
    // Orders have more than one outcome: the first of each is told by its place in the order of ids only for new ones.
    let mut known = std::collections::HashSet::new();
    while let Some(item) = events.next().await {
        let StreamItem::Events { events, .. } = item else { continue };
        for event in &events {
            let (at, order) = match event {
                Event::OrderPending(event) => {
                    if event.market == market {
                        known.insert(event.order);
                    }
                    continue;
                }
                Event::OrderResting(event) => (event.market, event.order),
                Event::OrderExecuted(event) => (event.market, event.order),
                Event::OrderCanceled(event) => (event.market, event.order),
                Event::OrderRejected(event) => (event.market, event.order),
                _ => continue,
            };
            if at == market && known.remove(&order) {
                outcomes.came(order);
            }
        }
    }
}
