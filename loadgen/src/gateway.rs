//! What a gateway adds: the same orders in turn straight at the nodes, through the WebSocket API and over REST, in one run at
//! one rate, so that all of them meet the same machine and the same load. Then as many orders as one gateway takes.
//!
//! What an address may ask of a gateway in a minute bounds how many orders there are ([`allowance`]); an order that is refused for a limit
//! ends the measurement, since whoever goes on is banned.
//!
//! An order counts from its sending to its outcome: straight at the nodes that is an event of the ledger, at the gateway the
//! answer. Sells and buys at one price, in turn, keep the book short.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterError, Patience, Session};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::Method;
use serde_json::Value;
use wire::codec::v1::encode_command;
use wire::command::{NewOrder, Reply};
use wire::{
    AccountId, Amount, Command, MarketId, OrderId, OrderKind, PartitionId, Price, Qty, SelfTradePrevention, Side, Text,
    TimeInForce,
};

use self::allowance::Allowance;
use self::outcomes::{Known, Outcomes, follow};
use self::report::{Measured, Most};
use crate::Verdict;
use crate::api::rest::Rest;
use crate::api::sign::Credentials;
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, timestamp_ms};
use crate::failures::Failure;
use crate::replay::venue::{VenueError, connect_with, open_session};
use crate::run::parse_duration;
use crate::state::State;
use crate::target::{OperatorArgs, Target, TargetArgs, TargetError};

mod allowance;
mod outcomes;
mod report;
#[cfg(test)]
mod tests;

/// Where all of it trades.
const SYMBOL: &str = "BTCUSDT";
const PRICE: (&str, i64) = ("50000.00", 5_000_000);
const QTY: (&str, i64) = ("0.00020", 20);
/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// One order in so many goes over REST: every other one of these sells, too.
const REST_EVERY: u64 = 22;
/// How late answers may be before it is said that they are waited for.
const LATE: Duration = Duration::from_secs(2);
/// Connections of either account while the most is asked for.
const CONNECTIONS: usize = 4;

/// `mainstay loadgen gateway`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange. A state file must name the operator and four accounts, or flags do.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The operator, who sends orders straight at the nodes.
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
    /// A limit of the exchange stands in the way.
    #[error(
        "{error}\n  the gateway counts what this address asks of it, other programs of this machine too: try again{again}, with a lower \
         --rate or a shorter --duration, or from another address"
    )]
    Limit {
        /// What it said.
        error: ApiError,
        /// When to try again.
        again: String,
    },
    /// The gateway does not answer what is asked before the first order.
    #[error("cannot learn the exchange's limits: {0}")]
    Api(ApiError),
    /// More orders than the gateway takes.
    #[error(
        "that is {orders} orders a minute through the gateway, which takes {allowed} from one address: a lower --rate or a shorter --duration"
    )]
    TooMany {
        /// Wanted.
        orders: u64,
        /// Taken, with what is left to others.
        allowed: u64,
    },
    /// Every order fails.
    #[error("every order fails: {0}")]
    Hopeless(Failure),
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

/// Offers the load and prints what came of it.
pub async fn gateway(args: Args) -> Result<Verdict, GatewayError> {
    let mut target = args.target.resolve()?;
    target.cluster = args.operator.cluster(target.cluster);
    let rest = Rest::new(vec![target.gateways[0].rest.clone()]);
    // Half of the orders go through the gateway.
    let wanted = (f64::from(args.rate) / 2.0 * args.duration.as_secs_f64().min(60.0)) as u64;
    let allowance = Allowance::admit(&rest, wanted).await?;
    let desk = Desk::open(&target, rest, args.rate as usize + args.outstanding).await?;
    let (measured, end) = desk.in_turn(&args).await?;
    print!("{measured}");
    end.error()?;
    let mut failed = measured.failed();
    if args.outstanding > 0 {
        let pid = args
            .target
            .state
            .as_deref()
            .and_then(|path| State::load(path).ok()?.gateways.first().map(|gateway| gateway.pid));
        let orders_max = allowance.whole_minute(&desk.rest).await?;
        let (most, end) = desk.most(&args, orders_max, pid).await;
        print!("{most}");
        end.error()?;
        failed += most.failures.count();
    }
    Ok(if failed == 0 { Verdict::Sound } else { Verdict::Unsound })
}

/// Why no more orders are sent.
#[derive(Debug, Default)]
enum End {
    /// The time is over.
    #[default]
    Time,
    /// The exchange refuses for a limit; the first refusal.
    Limit(ApiError),
    /// Nothing succeeds any more; what was said last.
    Hopeless(Failure),
}

impl End {
    /// What there is to say of it once what was measured is told.
    fn error(self) -> Result<(), GatewayError> {
        match self {
            End::Time => Ok(()),
            End::Limit(error) => Err(GatewayError::Limit { again: again(&error), error }),
            End::Hopeless(failure) => Err(GatewayError::Hopeless(failure)),
        }
    }
}

/// When it makes sense to try again.
fn again(error: &ApiError) -> String {
    error.retry_after().map_or_else(String::new, |after| format!(" in {} s", after.as_secs()))
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
    async fn open(target: &Target, rest: Rest, window: usize) -> Result<Desk, GatewayError> {
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
            rest,
            cluster: link,
            run: format!("{:x}", timestamp_ms()),
        })
    }

    /// The same orders by every way in turn, for the whole time unless there is no sense in it.
    async fn in_turn(&self, args: &Args) -> Result<(Measured, End), GatewayError> {
        let from = self.cluster.read_index(self.ledger, PATIENCE).await;
        let from = from.map_err(|source| GatewayError::Cluster { doing: "read the ledger's position", source })?;
        let outcomes = Arc::new(Outcomes::default());
        let following =
            tokio::spawn(follow(self.cluster.subscribe(self.ledger, from.next()), self.market, Arc::clone(&outcomes)));
        let (begin, period) = (Instant::now(), Duration::from_secs(1) / args.rate);
        let (measure_from, mut end) = (begin + args.duration / 10, begin + args.duration);
        let (mut measured, mut under_way, mut number) = (Measured::default(), FuturesUnordered::new(), 0_u64);
        let (mut why, mut patience) = (End::Time, Patient::default());
        loop {
            let due = begin + period * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::select! {
                biased;
                Some((way, began, took)) = under_way.next(), if !under_way.is_empty() => {
                    let (taken, now) = (measured.of(way), Instant::now());
                    match took {
                        Ok(took) => taken.succeeded((began >= measure_from).then_some(took)),
                        Err(failure) => {
                            taken.failures.note(&failure, now);
                            if let (End::Time, Some(reason)) = (&why, taken.end(failure, now)) {
                                (why, end) = (reason, now.min(end));
                            }
                        }
                    }
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
                () = patience.runs_out(end), if !under_way.is_empty() => patience.tell(under_way.len()),
                else => break,
            }
        }
        following.abort();
        Ok((measured, why))
    }

    /// One order; how long it took, unless it failed.
    async fn send(&self, way: Way, number: u64, outcomes: Arc<Outcomes>) -> (Way, Instant, Result<Duration, Failure>) {
        // Of each way every other order sells.
        let side = usize::from((number / 2).is_multiple_of(2));
        let name = format!("{}-{number:x}", self.run);
        let began = Instant::now();
        let done = match way {
            Way::Nodes => self.send_directly(side, &name, &outcomes).await,
            Way::WebSocket => place(&self.through[side], &params(side, &name)).await,
            Way::Rest => {
                let query = format!(
                    "symbol={SYMBOL}&side={}&type=LIMIT&timeInForce=GTC&quantity={}&price={}&newClientOrderId={name}",
                    SIDES[side], QTY.0, PRICE.0
                );
                let answer =
                    self.rest.change::<Value>(&self.credentials[side], Method::POST, "/api/v3/order", &query).await;
                answer.map(|_| Instant::now()).map_err(Failure::Api)
            }
        };
        (way, began, done.map(|done| done.saturating_duration_since(began)))
    }

    async fn send_directly(&self, side: usize, name: &str, outcomes: &Outcomes) -> Result<Instant, Failure> {
        let order = NewOrder {
            account: self.direct[side],
            market: self.market,
            side: [Side::Sell, Side::Buy][side],
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::new(PRICE.1).expect("the price is one"),
            qty: Qty::new(QTY.1).expect("the quantity is one"),
            quote_qty: Amount::ZERO,
            client_order_id: Text::new(name.as_bytes()).expect("a name of hexadecimal digits is short"),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        let mut payload = Vec::with_capacity(128);
        encode_command(&Command::NewOrder(order), &mut payload);
        let replied = self.session.request(payload, PATIENCE).await.map_err(Failure::Cluster)?;
        let id = match replied.reply {
            Reply::Accepted { id } => id,
            Reply::Rejected { reason, .. } => return Err(Failure::Ledger(reason)),
        };
        match tokio::time::timeout(PATIENCE, outcomes.of(OrderId::new(id))).await {
            Ok((at, None)) => Ok(at),
            Ok((_, Some(reason))) => Err(Failure::Ledger(reason)),
            Err(_) => Err(Failure::Silence(PATIENCE)),
        }
    }

    /// As many orders as one gateway answers, but no more than that.
    async fn most(&self, args: &Args, orders_max: u64, pid: Option<u32>) -> (Most, End) {
        let cpu = || pid.and_then(crate::fanout::cpu_time);
        let (begin, cpu_before) = (Instant::now(), cpu());
        let mut end = begin + args.duration;
        let (mut most, mut why, mut number) = (Most::default(), End::Time, 0_u64);
        let (mut under_way, mut patience) = (FuturesUnordered::new(), Patient::default());
        loop {
            while under_way.len() < args.outstanding && number < orders_max && Instant::now() < end {
                let (connection, side) = (number as usize % self.most.len(), number as usize % 2);
                let params = params(side, &format!("{}-m{number:x}", self.run));
                under_way.push(async move { place(&self.most[connection], &params).await });
                number += 1;
            }
            most.is_cut_short = number >= orders_max;
            let answer = tokio::select! {
                biased;
                answer = under_way.next() => answer,
                () = patience.runs_out(end) => {
                    patience.tell(under_way.len());
                    continue;
                }
            };
            let now = Instant::now();
            match answer {
                Some(Ok(_)) => most.succeeded(),
                Some(Err(failure)) => {
                    most.failures.note(&failure, now);
                    if let (End::Time, Some(reason)) = (&why, report::end(&most.failures, failure, now)) {
                        (why, end) = (reason, now.min(end));
                    }
                }
                None => break,
            }
        }
        most.took = begin.elapsed();
        most.cpu = cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        (most, why)
    }
}

/// One order by the WebSocket API; when its answer came.
async fn place(api: &WsApi, params: &str) -> Result<Instant, Failure> {
    match tokio::time::timeout(PATIENCE, api.call::<Value>("order.place", params)).await {
        Ok(answer) => answer.map(|_| Instant::now()).map_err(Failure::Api),
        Err(_) => Err(Failure::Silence(PATIENCE)),
    }
}

/// Says what is waited for when nothing is sent any more and answers are late.
#[derive(Default)]
struct Patient {
    has_told: bool,
}

impl Patient {
    async fn runs_out(&self, end: Instant) {
        match self.has_told {
            true => std::future::pending().await,
            false => tokio::time::sleep_until((end + LATE).into()).await,
        }
    }

    fn tell(&mut self, count: usize) {
        self.has_told = true;
        eprintln!("{count} orders wait for their answers, for up to {} s", PATIENCE.as_secs());
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
