//! The thread that has Aeron: one duty cycle over what the network thread wants sent and what the media driver has.
//!
//! It polls, for nothing tells it when something has come. Should the driver be lost, what is to be sent is dropped here,
//! the network thread misses it, and frames go over the links until there is a driver again.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use beside::engine::{Channel, Engine, EngineError, Offer, Stream};
use beside::seal::{Opener, Sealer, bypass_of};
use crossbeam::channel::{Receiver, Sender, TryRecvError, TrySendError};
use crossbeam::select;
use wire::NodeId;
use wire::link::HEADER_LEN;

use super::casts::{CastOrder, Casts};
use super::{AeronAt, AeronConfig, AeronCounters, AeronIdle};
use crate::net::Waker;

/// Orders taken in one cycle.
const ORDERS_PER_CYCLE: usize = 256;
/// Messages offered to one peer in one cycle.
const OFFERS_PER_CYCLE: usize = 64;
/// A batch of so many bytes is full.
const BATCH_BYTES: usize = 1024 * 1024;
/// What no publication has taken after this is dropped: its sender has given up the way.
const STALE_AFTER: Duration = Duration::from_millis(200);
/// From one attempt to reach a media driver to the next.
const CONNECT_EVERY: Duration = Duration::from_secs(1);
/// Cycles without work before a thread that backs off waits.
const YIELDS: u32 = 64;
/// How long it then waits for an order; a message that comes meanwhile waits too.
const WAIT: Duration = Duration::from_micros(100);

/// What the network thread wants done.
#[derive(Debug)]
pub(super) enum Order {
    /// A peer will send what this opens.
    Expect { bypass: u64, opener: Opener },
    /// It will not any more.
    Forget { bypass: u64 },
    /// A peer takes frames there, instead of where it did.
    Open { to: NodeId, bypass: u64, destination: Stream, sealer: Sealer },
    /// It does not any more.
    Close { to: NodeId },
    /// A frame.
    Send(Parcel),
}

/// A frame for a peer, with the header that it would have on a link; without any bytes it is a probe.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) to: NodeId,
    pub(super) bypass: u64,
    pub(super) number: u64,
    pub(super) frame: Vec<u8>,
}

/// Frames that were opened: their bypass, their number and where in `bytes` their bodies are.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<(u64, u64, Range<usize>)>,
}

/// See the module.
pub(super) struct Media {
    config: AeronConfig,
    /// What this node takes.
    inlet: Stream,
    orders: Receiver<Order>,
    cast_orders: Receiver<CastOrder>,
    batches: Sender<Batch>,
    waker: Waker,
    counters: Arc<AeronCounters>,
    /// `None` while there is no driver.
    engine: Option<Engine>,
    connect_due: Instant,
    /// Whether frames arrive by it.
    is_there: bool,
    /// Whether the want of a driver was told.
    is_told: bool,
    outlets: BTreeMap<NodeId, Outlet>,
    openers: BTreeMap<u64, Opener>,
    batch: Batch,
    casts: Casts,
}

/// What goes to one peer.
struct Outlet {
    bypass: u64,
    destination: Stream,
    sealer: Sealer,
    waiting: VecDeque<(Parcel, Instant)>,
    /// The first of them, sealed and not taken yet.
    sealed: Vec<u8>,
    is_sealed: bool,
}

impl Media {
    pub(super) fn new(
        config: AeronConfig,
        stream: u32,
        (orders, cast_orders): (Receiver<Order>, Receiver<CastOrder>),
        batches: Sender<Batch>,
        waker: Waker,
        counters: Arc<AeronCounters>,
    ) -> Media {
        let channel = match config.at {
            AeronAt::Udp(address) => Channel::Udp(address),
            AeronAt::Ipc => Channel::Ipc,
        };
        Media {
            config,
            inlet: Stream { channel, stream: i32::try_from(stream).expect("it was drawn so") },
            orders,
            cast_orders,
            batches,
            waker,
            counters,
            engine: None,
            connect_due: Instant::now(),
            is_there: false,
            is_told: false,
            outlets: BTreeMap::new(),
            openers: BTreeMap::new(),
            batch: Batch::default(),
            casts: Casts::default(),
        }
    }

    /// Runs until the network thread drops its end.
    pub(super) fn run(mut self) {
        let mut idle_cycles = 0;
        loop {
            let now = Instant::now();
            let Some(ordered) = self.poll_orders(now) else { return };
            let ordered = ordered + self.poll_cast_orders(None, now);
            let done = ordered + self.connect(now) + self.poll_engine() + self.offer(now) + self.hand_over();
            idle_cycles = if done > 0 { 0 } else { idle_cycles + 1 };
            if idle_cycles > 0 && !self.idle(idle_cycles) {
                return;
            }
        }
    }

    /// `None` when there will be no more.
    fn poll_orders(&mut self, now: Instant) -> Option<usize> {
        for taken in 0..ORDERS_PER_CYCLE {
            match self.orders.try_recv() {
                Ok(order) => self.on_order(order, now),
                Err(TryRecvError::Empty) => return Some(taken),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        Some(ORDERS_PER_CYCLE)
    }

    /// Takes `first` and what has come after it.
    fn poll_cast_orders(&mut self, first: Option<CastOrder>, now: Instant) -> usize {
        let (mut first, mut taken, mut is_of_places) = (first, 0, false);
        while taken < ORDERS_PER_CYCLE
            && let Some(order) = first.take().or_else(|| self.cast_orders.try_recv().ok())
        {
            is_of_places |= !matches!(order, CastOrder::Send { .. });
            self.casts.on_order(order, now, &self.counters);
            taken += 1;
        }
        if is_of_places {
            self.forget_publications();
            self.engine.iter_mut().for_each(|engine| self.casts.spread(engine));
        }
        taken
    }

    fn on_order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Expect { bypass, opener } => drop(self.openers.insert(bypass, opener)),
            Order::Forget { bypass } => drop(self.openers.remove(&bypass)),
            Order::Open { to, bypass, destination, sealer } => {
                let (waiting, sealed) = (VecDeque::new(), Vec::new());
                let outlet = Outlet { bypass, destination, sealer, waiting, sealed, is_sealed: false };
                self.outlets.insert(to, outlet);
                self.forget_publications();
            }
            Order::Close { to } => {
                self.outlets.remove(&to);
                self.forget_publications();
            }
            Order::Send(parcel) => {
                let outlet = self.outlets.get_mut(&parcel.to).filter(|outlet| outlet.bypass == parcel.bypass);
                if let Some(outlet) = outlet {
                    outlet.waiting.push_back((parcel, now));
                }
            }
        }
    }

    fn forget_publications(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let (outlets, casts) = (&self.outlets, &self.casts);
        engine.retain(|to| outlets.values().any(|outlet| outlet.destination == *to) || casts.wants(to));
    }

    fn connect(&mut self, now: Instant) -> usize {
        if self.engine.is_some() || now < self.connect_due {
            return 0;
        }
        let connected = Engine::connect(&self.config.driver, self.config.mtu);
        match connected.and_then(|mut engine| engine.subscribe(self.inlet).map(|()| engine)) {
            Ok(mut engine) => {
                self.casts.spread(&mut engine);
                self.engine = Some(engine);
            }
            Err(error) => self.lose(&error),
        }
        1
    }

    fn lose(&mut self, error: &EngineError) {
        self.engine = None;
        let had_one = std::mem::take(&mut self.is_there);
        self.connect_due = Instant::now() + CONNECT_EVERY;
        if !self.is_told {
            self.is_told = true;
            self.counters.driver_lost.add(1);
            let node = self.config.node;
            tracing::warn!(%node, %error, had_one, "no media driver of Aeron: everything goes over the links");
        }
    }

    /// Lets the driver work and takes what has come, unless the network thread has not taken what came before.
    fn poll_engine(&mut self) -> usize {
        let Some(engine) = &mut self.engine else { return 0 };
        let has_room = self.batch.bytes.len() < BATCH_BYTES && !self.batches.is_full();
        let mut taking = Taking { openers: &mut self.openers, batch: &mut self.batch, counters: &self.counters };
        let polled = engine.work().and_then(|worked| {
            let taken = if has_room { engine.poll(&mut taking, Taking::take)? } else { 0 };
            Ok(worked + taken)
        });
        // A driver may be there and refuse the subscription (its port is taken): that is told once, not at every try.
        if polled.is_ok() && !self.is_there && engine.is_subscribed(&self.inlet) {
            (self.is_there, self.is_told) = (true, false);
            tracing::info!(node = %self.config.node, at = ?self.config.at, "Aeron's media driver is there");
        }
        polled.unwrap_or_else(|error| {
            self.lose(&error);
            1
        })
    }

    fn offer(&mut self, now: Instant) -> usize {
        let mut done = 0;
        for outlet in self.outlets.values_mut() {
            for _ in 0..OFFERS_PER_CYCLE {
                let Some((parcel, since)) = outlet.waiting.front() else { break };
                let taken = match &mut self.engine {
                    Some(engine) => {
                        if !outlet.is_sealed {
                            let body = parcel.frame.get(HEADER_LEN..).unwrap_or_default();
                            outlet.sealer.seal(parcel.number, body, &mut outlet.sealed);
                            outlet.is_sealed = true;
                        }
                        engine.offer(outlet.destination, &outlet.sealed) == Offer::Taken
                    }
                    None => false,
                };
                if !taken && now.duration_since(*since) < STALE_AFTER {
                    break;
                }
                outlet.waiting.pop_front();
                outlet.is_sealed = false;
                done += 1;
            }
        }
        done + self.casts.offer(&mut self.engine, now, &self.counters)
    }

    fn hand_over(&mut self) -> usize {
        let frames = self.batch.frames.len();
        if frames == 0 {
            return 0;
        }
        match self.batches.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => {
                self.waker.wake();
                frames
            }
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                0
            }
            // The next look for orders ends the thread.
            Err(TrySendError::Disconnected(_)) => 0,
        }
    }

    /// Whether the thread goes on.
    fn idle(&mut self, cycles: u32) -> bool {
        match self.config.idle {
            _ if self.engine.is_none() => {}
            AeronIdle::Spin => {
                std::hint::spin_loop();
                return true;
            }
            AeronIdle::BackOff if cycles > YIELDS => {}
            AeronIdle::Yield | AeronIdle::BackOff => {
                thread::yield_now();
                return true;
            }
        }
        select! {
            recv(self.orders) -> order => match order {
                Ok(order) => self.on_order(order, Instant::now()),
                Err(_) => return false,
            },
            recv(self.cast_orders) -> order => match order {
                Ok(order) => {
                    self.poll_cast_orders(Some(order), Instant::now());
                }
                // The router ends before the network thread does: what is left to wait for are orders.
                Err(_) => thread::sleep(WAIT),
            },
            default(WAIT) => {}
        }
        true
    }
}

/// Opens messages as they are polled.
struct Taking<'a> {
    openers: &'a mut BTreeMap<u64, Opener>,
    batch: &'a mut Batch,
    counters: &'a AeronCounters,
}

impl Taking<'_> {
    fn take(&mut self, sealed: &[u8]) {
        let opener = bypass_of(sealed).and_then(|bypass| Some((bypass, self.openers.get_mut(&bypass)?)));
        let opened = opener.and_then(|(bypass, opener)| {
            let (number, range) = opener.open(sealed, &mut self.batch.bytes)?;
            Some((bypass, number, range))
        });
        match opened {
            Some(frame) => self.batch.frames.push(frame),
            None => self.counters.refused.add(1),
        }
    }
}
