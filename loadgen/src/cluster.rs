//! A closed loop straight at the nodes: so many orders are outstanding at any time, each until its outcome is in
//! the ledger's events. What a commit costs, without gateways, signatures and JSON.
//!
//! It trades on a market of its own, which it lists and delists again, and with two accounts that every run uses: one sells
//! and one buys in turn, at one price, so that books stay short however long it lasts.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cluster_client::by_id::MapById;
use cluster_client::{ClusterError, EventStream, Replied, StreamItem};
use wire::codec::v1::encode_command;
use wire::command::{NewOrder, Reply};
use wire::{Amount, Command, Event, OrderId, OrderKind, RejectReason, SelfTradePrevention, Side, Text, TimeInForce};

use self::report::{Report, Timings};
use self::venue::{PRICE, QTY, Venue};
use crate::Verdict;
use crate::api::timestamp_ms;
use crate::ends::Ends;
use crate::failures::Failure;
use crate::replay::venue::VenueError;
use crate::run::{parse_duration, try_to_write};
use crate::target::{OperatorArgs, TargetArgs, TargetError};

mod report;
#[cfg(test)]
mod tests;
mod venue;

/// How many items of the events are taken at a time.
const ITEMS_MAX: usize = 1_024;
/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `mainstay loadgen cluster`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange. A state file that names the operator, or --node, --ca, --cert and --key.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The operator, who lists the market and sends orders.
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Orders that wait for their outcome at any time.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub outstanding: u32,
    /// How long to send, in seconds, or with a unit: 500ms, 30s, 5m. The first tenth is not measured.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Trade on LOADKEPT, which stays listed for the next run with this flag. Without it, it is delisted at the end, also
    /// after ^C; but an exchange has room for 64 markets, delisted ones among them.
    #[arg(long)]
    pub keep_market: bool,
    /// Write the results as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Why the load could not be offered.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No market to trade on.
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
    /// Every order fails.
    #[error("every order fails: {0}")]
    Hopeless(Failure),
    /// It was told to end.
    #[error("ended before the time was over: nothing is reported")]
    Asked,
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// No load at all was asked for.
    #[error("--duration must be above 0")]
    NoTime,
    /// The results cannot be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// Where.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Offers the load and prints the results.
pub async fn cluster(args: Args) -> Result<Verdict, LoadError> {
    if args.duration.is_zero() {
        return Err(LoadError::NoTime);
    }
    let cannot_write =
        |source| LoadError::File { path: args.json.clone().unwrap_or_default().display().to_string(), source };
    args.json.as_deref().map_or(Ok(()), try_to_write).map_err(cannot_write)?;
    // Nodes and operator that are named are all it takes.
    let cluster = match args.operator.cluster(None) {
        Some(cluster) => cluster,
        None if args.target.state.is_none() => return Err(VenueError::NoOperator.into()),
        None => args.target.resolve()?.cluster.ok_or(VenueError::NoOperator)?,
    };
    let mut ends = Ends::new().map_err(LoadError::Signals)?;
    let venue = tokio::select! {
        venue = Venue::make(&cluster, args.outstanding as usize, args.keep_market) => venue?,
        () = ends.asked() => {
            eprintln!("what was listed by then is there: mainstay ctl market list");
            return Err(LoadError::Asked);
        }
    };
    let measured = tokio::select! {
        measured = measure(&venue, &args) => measured,
        () = ends.asked() => Err(LoadError::Asked),
    };
    if !args.keep_market {
        venue.delist().await;
    }
    let (report, hopeless) = measured?;
    println!("{report}");
    if let Some(path) = &args.json {
        report.save(path).map_err(cannot_write)?;
    }
    match hopeless {
        Some(failure) => Err(LoadError::Hopeless(failure)),
        None if report.failed == 0 => Ok(Verdict::Sound),
        None => Ok(Verdict::Unsound),
    }
}

/// What came of it, and what was said last where nothing succeeds any more.
async fn measure(venue: &Venue, args: &Args) -> Result<(Report, Option<Failure>), LoadError> {
    let from = venue.link.read_index(venue.ledger, PATIENCE).await;
    let from = from.map_err(|source| LoadError::Cluster { doing: "read the ledger's position", source })?;
    let events = venue.link.subscribe(venue.ledger, from.next());
    Loop::new(venue, args).turn(events).await
}

/// When an order's outcome came, and why the market refused it, if it did.
type Outcome = (Instant, Option<RejectReason>);

/// The orders under way.
struct Loop<'a> {
    venue: &'a Venue,
    /// An order's name: this run's, since accounts are those of the runs before, then the order's number.
    name: String,
    run_len: usize,
    outstanding: usize,
    begin: Instant,
    measure_from: Instant,
    end: Instant,
    sent: u64,
    /// Sent and without an outcome.
    open: usize,
    waiting: MapById<OrderId, Instant>,
    /// Outcomes that overtook their replies, which come in the order of the ids.
    early: MapById<OrderId, Outcome>,
    replied: OrderId,
    timings: Timings,
    /// What was said last, once nothing succeeds any more.
    hopeless: Option<Failure>,
}

impl<'a> Loop<'a> {
    fn new(venue: &'a Venue, args: &Args) -> Loop<'a> {
        let begin = Instant::now();
        let name = format!("{:x}-", timestamp_ms());
        Loop {
            venue,
            run_len: name.len(),
            name,
            hopeless: None,
            outstanding: args.outstanding as usize,
            begin,
            measure_from: begin + args.duration / 10,
            end: begin + args.duration,
            sent: 0,
            open: 0,
            waiting: MapById::default(),
            early: MapById::default(),
            replied: OrderId::new(0),
            timings: Timings::default(),
        }
    }

    /// Sends until the end, unless nothing succeeds, then waits for what is open.
    async fn turn(mut self, mut events: EventStream) -> Result<(Report, Option<Failure>), LoadError> {
        let mut line = self.venue.session.line();
        let (mut replies, mut items) = (Vec::new(), Vec::new());
        let gave_up = self.end + PATIENCE;
        let mut patience = std::pin::pin!(tokio::time::sleep_until(gave_up.into()));
        loop {
            let now = Instant::now();
            if now >= gave_up || self.hopeless.is_some() {
                break;
            }
            if now < self.end && self.open < self.outstanding {
                let orders = self.orders(now);
                replies.extend(line.request_many(orders, PATIENCE));
            }
            if !replies.is_empty() {
                // What is refused at once leaves time to what others wait for all the same.
                tokio::task::yield_now().await;
            } else if self.open == 0 {
                break;
            } else {
                tokio::select! {
                    taken = events.next_many(&mut items, ITEMS_MAX) => if taken == 0 {
                        let source = ClusterError::Closed;
                        return Err(LoadError::Cluster { doing: "follow the events", source });
                    },
                    () = line.next_many(&mut replies) => {}
                    () = &mut patience => {}
                }
            }
            let now = Instant::now();
            for (mark, replied) in replies.drain(..) {
                self.on_reply(self.began(mark), replied, now);
            }
            for item in items.drain(..) {
                if let StreamItem::Events { events, .. } = item {
                    events.iter().for_each(|event| self.on_event(event, now));
                }
            }
        }
        let now = Instant::now();
        if self.hopeless.is_none() {
            (0..self.open).for_each(|_| self.timings.failures.note(&Failure::Silence(PATIENCE), now));
            self.timings.failed += self.open as u64;
        }
        let measured = self.end.min(now).saturating_duration_since(self.measure_from);
        Ok((self.timings.report(self.outstanding, self.sent, measured), self.hopeless))
    }

    /// As many orders as there is room for, each under the mark of its beginning.
    fn orders(&mut self, now: Instant) -> impl Iterator<Item = (u64, Vec<u8>)> + use<'_, 'a> {
        let mark = now.saturating_duration_since(self.begin).as_nanos() as u64;
        (self.open..self.outstanding).map(move |_| (mark, self.order()))
    }

    /// When an order with this mark began.
    fn began(&self, mark: u64) -> Instant {
        self.begin + Duration::from_nanos(mark)
    }

    fn order(&mut self) -> Vec<u8> {
        let is_sell = self.sent.is_multiple_of(2);
        self.name.truncate(self.run_len);
        write!(self.name, "{:x}", self.sent).expect("text grows");
        let order = NewOrder {
            account: if is_sell { self.venue.seller } else { self.venue.buyer },
            market: self.venue.market,
            side: if is_sell { Side::Sell } else { Side::Buy },
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: PRICE,
            qty: QTY,
            quote_qty: Amount::ZERO,
            client_order_id: Text::new(self.name.as_bytes()).expect("33 digits are a name"),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        let mut payload = Vec::with_capacity(128);
        encode_command(&Command::NewOrder(order), &mut payload);
        self.sent += 1;
        self.open += 1;
        payload
    }

    fn on_reply(&mut self, began: Instant, replied: Result<Replied, ClusterError>, now: Instant) {
        match replied.map(|replied| replied.reply) {
            Ok(Reply::Accepted { id }) => {
                let id = OrderId::new(id);
                self.replied = self.replied.max(id);
                if now >= self.measure_from {
                    self.timings.replied(now - began);
                }
                match self.early.remove(&id) {
                    Some(outcome) => self.on_outcome(began, outcome),
                    None => drop(self.waiting.insert(id, began)),
                }
            }
            Ok(Reply::Rejected { reason, .. }) => self.on_refused(reason, now),
            Err(error) => {
                self.open -= 1;
                self.timings.failed += 1;
                self.on_failed(Failure::Cluster(error), now);
            }
        }
    }

    fn on_refused(&mut self, reason: RejectReason, now: Instant) {
        self.open -= 1;
        self.timings.rejected += 1;
        self.on_failed(Failure::Ledger(reason), now);
    }

    fn on_failed(&mut self, failure: Failure, now: Instant) {
        self.timings.failures.note(&failure, now);
        if self.timings.failures.are_all(now) {
            self.hopeless.get_or_insert(failure);
        }
    }

    fn on_event(&mut self, event: &Event, now: Instant) {
        let (market, order, refused) = match event {
            Event::OrderResting(resting) => (resting.market, resting.order, None),
            Event::OrderExecuted(executed) => (executed.market, executed.order, None),
            Event::OrderCanceled(canceled) => (canceled.market, canceled.order, None),
            Event::OrderRejected(rejected) => (rejected.market, rejected.order, Some(rejected.reason)),
            _ => return,
        };
        if market != self.venue.market {
            return;
        }
        let outcome = (now, refused);
        match self.waiting.remove(&order) {
            Some(began) => self.on_outcome(began, outcome),
            // Of an order whose outcome is known more may come: it is no order that waits.
            None if order > self.replied => drop(self.early.entry(order).or_insert(outcome)),
            None => {}
        }
    }

    fn on_outcome(&mut self, began: Instant, (ended, refused): Outcome) {
        if let Some(reason) = refused {
            return self.on_refused(reason, ended);
        }
        self.timings.failures.succeeded();
        self.open -= 1;
        if ended >= self.measure_from && ended <= self.end {
            self.timings.ended(ended.saturating_duration_since(began));
        }
    }
}
