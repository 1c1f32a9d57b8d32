//! A gateway's order entry, as production has it, without sockets and without a runtime.
//!
//! What takes a client's request from parameters to an answer is production's own future ([`gateway::operations`]), and so
//! are the projections that it reads. It waits for the cluster, for events and for time; here all three come from the world
//! ([`gateway::surroundings`], [`gateway::cluster`]), and a future is polled when what it waits for has happened, those that
//! may go on at one moment in any order. So an office is a value: requests, items of streams, replies and time go in, what it
//! asks of the cluster and answers come out.
//!
//! Items are taken in by production's own loop ([`gateway::feed::take_in`]): what has come until it has its turn is taken in
//! together. Its turn may come late, as that of a thread that others keep from the processor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cluster_client::{ClusterError, Replied, StreamItem};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateway::auth::Caller;
use gateway::cluster::Ledger;
use gateway::exchange::Exchange;
use gateway::market_data::MarketData;
use gateway::params::Params;
use gateway::streams::Hub;
use gateway::surroundings::Surroundings;
use gateway::{Answer, Gateway, Limits, Peer, feed, operations};
use replicator::sim::Random;
use tokio::sync::{mpsc, oneshot};
use wire::{LogPosition, PartitionId};

use super::clock::{MS, Moment, SECOND};
use super::machine::LEDGER;

/// Items of a stream that wait at most to be taken in, as in production.
const ITEMS_MAX: usize = 1_024;

/// Who takes items in has its turn before all have come, once for so many of them;
const TOGETHER: u64 = 8;
/// and later, once for so many times that some come,
const LATE: u64 = 4;
/// up to this much.
const LATE_MAX: Moment = 3 * MS;
/// Where it stands still, once for so many times that some come,
const STALLED: u64 = 200;
/// up to this much.
const STALLED_MAX: Moment = 3 * SECOND;

/// Where every client is.
const PEER: Peer = Peer { ip: IpAddr::V4(Ipv4Addr::LOCALHOST) };

/// A request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(u64);

impl Call {
    /// None is before it.
    pub const FIRST: Call = Call(0);
}

/// What an office waits for at the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u64);

/// What an office wants done.
pub enum Output {
    /// Have this sequenced in the ledger's log.
    Request { token: Token, payload: Vec<u8>, timeout: Duration },
    /// Ask how far this partition is committed.
    Read { token: Token, partition: PartitionId, timeout: Duration },
    /// Tell the client.
    Answer { call: Call, answer: Answer },
}

/// See the module.
pub struct Office {
    gateway: Arc<Gateway>,
    place: Place,
    streams: BTreeMap<PartitionId, mpsc::Sender<StreamItem>>,
    /// Nothing is taken in before.
    busy_until: Instant,
    /// Whether who takes items in stands still now and then.
    stalls: bool,
    tasks: BTreeMap<u64, Task>,
    rung: Arc<Mutex<BTreeSet<u64>>>,
    begun: u64,
}

enum Task {
    Call(BoxFuture<'static, Answer>),
    Aside(BoxFuture<'static, ()>),
    /// Takes a stream's items in.
    Feed(BoxFuture<'static, ()>),
}

/// A stream's items, as they are handed over.
struct Handed(mpsc::Receiver<StreamItem>);

impl feed::Items for Handed {
    fn next_many(&mut self, into: &mut Vec<StreamItem>, max: usize) -> impl Future<Output = usize> + Send {
        self.0.recv_many(into, max)
    }
}

/// Wakes one task.
struct Bell {
    task: u64,
    rung: Arc<Mutex<BTreeSet<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        open(&self.rung).insert(self.task);
    }
}

fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics with it")
}

/// Where the gateway runs: what it knows of the world, and what it wants of it.
#[derive(Clone)]
struct Place(Arc<Mutex<Within>>);

struct Within {
    now: Instant,
    wall_us: u64,
    random: Random,
    numbered: u64,
    timers: BTreeMap<(Instant, u64), Waker>,
    aside: Vec<BoxFuture<'static, ()>>,
    is_opened: bool,
    opening: Vec<oneshot::Sender<()>>,
    requests: BTreeMap<Token, oneshot::Sender<Result<Replied, ClusterError>>>,
    reads: BTreeMap<Token, oneshot::Sender<Result<LogPosition, ClusterError>>>,
    outputs: VecDeque<Output>,
}

impl Within {
    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

/// Time, until a moment.
struct Sleep {
    place: Place,
    timer: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut within = open(&self.place.0);
        if within.now >= self.timer.0 {
            return Poll::Ready(());
        }
        within.timers.insert(self.timer, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        open(&self.place.0).timers.remove(&self.timer);
    }
}

impl Surroundings for Place {
    fn wall_us(&self) -> u64 {
        open(&self.0).wall_us
    }

    fn now(&self) -> Instant {
        open(&self.0).now
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let number = open(&self.0).number();
        Sleep { place: self.clone(), timer: (at, number) }.boxed()
    }

    fn random(&self) -> u64 {
        open(&self.0).random.draw()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        open(&self.0).aside.push(task);
    }
}

impl Ledger for Place {
    fn opened(&self) -> BoxFuture<'_, ()> {
        async {
            let wait = {
                let mut within = open(&self.0);
                if within.is_opened {
                    return;
                }
                let (opened, wait) = oneshot::channel();
                within.opening.push(opened);
                wait
            };
            // The sender is kept until there is a session.
            let _ = wait.await;
        }
        .boxed()
    }

    fn request(&self, payload: Vec<u8>, timeout: Duration) -> BoxFuture<'_, Result<Replied, ClusterError>> {
        async move {
            let wait = {
                let mut within = open(&self.0);
                let (answered, wait) = oneshot::channel();
                let token = Token(within.number());
                within.requests.insert(token, answered);
                within.outputs.push_back(Output::Request { token, payload, timeout });
                wait
            };
            wait.await.unwrap_or(Err(ClusterError::OutcomeUnknown))
        }
        .boxed()
    }

    fn read_index(
        &self,
        partition: PartitionId,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<LogPosition, ClusterError>> {
        async move {
            let wait = {
                let mut within = open(&self.0);
                let (answered, wait) = oneshot::channel();
                let token = Token(within.number());
                within.reads.insert(token, answered);
                within.outputs.push_back(Output::Read { token, partition, timeout });
                wait
            };
            wait.await.unwrap_or(Err(ClusterError::Closed))
        }
        .boxed()
    }
}

impl Office {
    /// Of a gateway that starts, and has read nothing yet.
    pub fn new(partitions: Vec<PartitionId>, limits: Limits, random: Random, now: Instant, wall_us: u64) -> Office {
        let hub = Arc::new(Hub::default());
        let market_data = Arc::new(MarketData::new(Arc::clone(&hub) as _));
        let exchange = Arc::new(Exchange::new(LEDGER, &partitions, &limits, [0; 32], market_data));
        let place = Place(Arc::new(Mutex::new(Within {
            now,
            wall_us,
            random,
            numbered: 0,
            timers: BTreeMap::new(),
            aside: Vec::new(),
            is_opened: false,
            opening: Vec::new(),
            requests: BTreeMap::new(),
            reads: BTreeMap::new(),
            outputs: VecDeque::new(),
        })));
        let mut gateway = Gateway::new(exchange, hub, Arc::new(place.clone()), limits);
        gateway.surroundings = Arc::new(place.clone());
        let gateway = Arc::new(gateway);
        let mut office = Office {
            gateway: Arc::clone(&gateway),
            place,
            streams: BTreeMap::new(),
            busy_until: now,
            stalls: false,
            tasks: BTreeMap::new(),
            rung: Arc::default(),
            begun: 0,
        };
        for partition in partitions.iter().copied() {
            let (handed, items) = mpsc::channel(ITEMS_MAX);
            office.streams.insert(partition, handed);
            let gateway = Arc::clone(&gateway);
            let feed = async move { feed::take_in(Handed(items), &gateway.exchange, partition, |_| {}).await };
            office.begin(Task::Feed(feed.boxed()));
        }
        office.begin(Task::Aside(feed::become_ready(gateway, partitions).boxed()));
        office.run();
        office
    }

    /// Who takes items in stands still now and then.
    pub fn stalling(mut self, stalls: bool) -> Office {
        self.stalls = stalls;
        self
    }

    /// Nothing stands still any more.
    pub fn heal(&mut self) {
        (self.stalls, self.busy_until) = (false, open(&self.place.0).now);
        self.run();
    }

    /// The projections.
    pub fn exchange(&self) -> &Exchange {
        &self.gateway.exchange
    }

    /// It is this late.
    pub fn on_time(&mut self, now: Instant, wall_us: u64) {
        let due = {
            let mut within = open(&self.place.0);
            (within.now, within.wall_us) = (now, wall_us);
            let later = within.timers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut within.timers, later)
        };
        due.into_values().for_each(Waker::wake);
        self.run();
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let timer = open(&self.place.0).timers.keys().next().map(|(at, _)| *at);
        let is_held_up = !open(&self.rung).is_empty();
        timer.into_iter().chain(is_held_up.then_some(self.busy_until)).min()
    }

    /// A client asks.
    pub fn on_request(&mut self, caller: Caller, (verb, path): (&str, &str), params: Params) -> Call {
        let operation = operations::find(path).iter().find(|operation| operation.rest.0.as_str() == verb);
        let operation = *operation.expect("users ask for what there is");
        let gateway = Arc::clone(&self.gateway);
        let answer = async move { operations::execute(&gateway, operation, PEER, Some(caller), params).await.answer };
        let call = self.begin(Task::Call(answer.boxed()));
        self.run();
        Call(call)
    }

    /// A client has hung up.
    pub fn on_hang_up(&mut self, call: Call) {
        self.tasks.remove(&call.0);
        self.run();
    }

    /// The next items of a partition's stream, to be taken in when whoever does that has its turn. Whether there was no room
    /// for some of them until then.
    pub fn on_items(&mut self, partition: PartitionId, items: Vec<StreamItem>) -> bool {
        let now = {
            let mut within = open(&self.place.0);
            if within.random.below(LATE) == 0 {
                let until = within.now + Duration::from_nanos(within.random.below(LATE_MAX));
                self.busy_until = self.busy_until.max(until);
            }
            if self.stalls && within.random.below(STALLED) == 0 {
                let until = within.now + Duration::from_nanos(within.random.below(STALLED_MAX));
                self.busy_until = self.busy_until.max(until);
            }
            within.now
        };
        let mut was_full = false;
        for item in items {
            if let Err(refused) = self.streams[&partition].try_send(item) {
                was_full = true;
                self.busy_until = now;
                self.run();
                let sent = self.streams[&partition].try_send(refused.into_inner());
                sent.expect("who takes items in does so as long as the gateway lives");
            }
            let has_turn = open(&self.place.0).random.below(TOGETHER) == 0;
            if has_turn {
                self.run();
            }
        }
        self.run();
        was_full
    }

    /// There is a session.
    pub fn on_opened(&mut self) {
        let waiting = {
            let mut within = open(&self.place.0);
            within.is_opened = true;
            std::mem::take(&mut within.opening)
        };
        for waiting in waiting {
            // Who has given up does not wait.
            let _ = waiting.send(());
        }
        self.run();
    }

    /// What became of a request.
    pub fn on_replied(&mut self, token: Token, result: Result<Replied, ClusterError>) {
        let waiting = open(&self.place.0).requests.remove(&token);
        // Whose client has hung up does not wait.
        let _ = waiting.map(|waiting| waiting.send(result));
        self.run();
    }

    /// What became of a read.
    pub fn on_read(&mut self, token: Token, result: Result<LogPosition, ClusterError>) {
        let waiting = open(&self.place.0).reads.remove(&token);
        let _ = waiting.map(|waiting| waiting.send(result));
        self.run();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        open(&self.place.0).outputs.pop_front()
    }

    fn begin(&mut self, task: Task) -> u64 {
        self.begun += 1;
        self.tasks.insert(self.begun, task);
        open(&self.rung).insert(self.begun);
        self.begun
    }

    /// Polls whoever may go on, until nobody can.
    fn run(&mut self) {
        loop {
            let aside = std::mem::take(&mut open(&self.place.0).aside);
            aside.into_iter().for_each(|task| {
                self.begin(Task::Aside(task));
            });
            let Some(number) = self.next_rung() else { return };
            let Some(mut task) = self.tasks.remove(&number) else { continue };
            let waker = Waker::from(Arc::new(Bell { task: number, rung: Arc::clone(&self.rung) }));
            let mut context = Context::from_waker(&waker);
            let is_over = match &mut task {
                Task::Aside(doing) | Task::Feed(doing) => doing.poll_unpin(&mut context).is_ready(),
                Task::Call(answer) => match answer.poll_unpin(&mut context) {
                    Poll::Ready(answer) => {
                        open(&self.place.0).outputs.push_back(Output::Answer { call: Call(number), answer });
                        true
                    }
                    Poll::Pending => false,
                },
            };
            if !is_over {
                self.tasks.insert(number, task);
            }
        }
    }

    /// Any one of those that may go on.
    fn next_rung(&self) -> Option<u64> {
        let mut within = open(&self.place.0);
        let mut rung = open(&self.rung);
        let is_held_up = within.now < self.busy_until;
        let may_go_on = |number: &&u64| !(is_held_up && matches!(self.tasks.get(number), Some(Task::Feed(_))));
        let count = rung.iter().filter(may_go_on).count() as u64;
        if count == 0 {
            return None;
        }
        let drawn = within.random.below(count) as usize;
        let number = *rung.iter().filter(may_go_on).nth(drawn)?;
        rung.remove(&number);
        Some(number)
    }
}
