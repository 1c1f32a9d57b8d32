//! Casts by Aeron: one thread with a client of a media driver, for all streams of a cluster's client.
//!
//! It opens what comes and hands it on, and waits for nobody: a stream without room has its link. What streams want is in a
//! book that it looks into when its edition has changed. Why so: `ops/decisions/0029-aeron-beside-the-link.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use beside::engine::{Channel, Engine, EngineError, Stream};
use beside::seal::{Between, Opener, bypass_of};
pub use beside::{AeronDriver, AeronIdle, room};
use tokio::sync::mpsc;
use wire::link::{CastOpen, Place};
use wire::{ClusterEpoch, NodeId};

use crate::driver::{CastBytes, Ear};
use crate::subscription::CastCounters;

/// From one attempt to reach a media driver to the next.
const CONNECT_EVERY: Duration = Duration::from_secs(1);
/// Cycles without work before a thread that backs off waits.
const YIELDS: u32 = 64;
/// How long it then waits.
const WAIT: Duration = Duration::from_micros(100);
/// The same while there is no driver.
const WAIT_FOR_DRIVER: Duration = Duration::from_millis(10);
/// Keys of one stream that nodes have told since the one that seals. The oldest are forgotten.
const KEYS_MAX: usize = 4;

/// How a client takes casts.
#[derive(Debug, Clone)]
pub struct AeronConfig {
    /// The cluster's epoch.
    pub epoch: ClusterEpoch,
    /// Where nodes send casts by UDP; without it in the memory of the host, from nodes that use the same media driver.
    pub udp: Option<SocketAddr>,
    /// Whose media driver.
    pub driver: AeronDriver,
    /// What the thread does while nothing comes.
    pub idle: AeronIdle,
}

/// See the module.
pub struct AeronEar {
    place: Place,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<BTreeMap<u64, Wanted>>,
    /// Raised by every change of the book.
    edition: AtomicU64,
    ends: AtomicBool,
    counters: Arc<CastCounters>,
}

/// What streams want of one cast, by its id.
#[derive(Debug)]
struct Wanted {
    node: NodeId,
    open: CastOpen,
    /// Whether anything was sealed with it.
    has_opened: bool,
    streams: BTreeMap<u64, Hearer>,
}

/// A stream that wants it.
#[derive(Debug)]
struct Hearer {
    /// In the order in which casts were told.
    told: u64,
    to: mpsc::Sender<CastBytes>,
}

impl Wanted {
    fn ends(&self) -> Vec<mpsc::Sender<CastBytes>> {
        self.streams.values().map(|hearer| hearer.to.clone()).collect()
    }
}

impl AeronEar {
    /// Starts the thread. `InvalidInput` when nodes could not reach the address, `StorageFull` when there is no room for the
    /// driver's files.
    pub fn start(config: AeronConfig, casts: usize) -> io::Result<AeronEar> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        match (config.udp, &config.driver) {
            (Some(at), _) if at.ip().is_unspecified() || at.ip().is_multicast() || at.port() == 0 => {
                return invalid(format!("nodes cannot reach {at}: Aeron needs the address itself, with its port"));
            }
            (None, AeronDriver::Own(_)) => {
                return invalid("memory is shared through one media driver: nobody else uses the process's own".into());
            }
            (_, AeronDriver::Own(directory)) => {
                // While leaders move, the casts of two nodes are there.
                let casts = u64::try_from(casts).unwrap_or(u64::MAX).saturating_mul(2);
                let wanted = room::MEMORY_OF_A_CAST.saturating_mul(casts);
                room::check(directory, wanted).map_err(|text| io::Error::new(io::ErrorKind::StorageFull, text))?;
            }
            _ => {}
        }
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            edition: AtomicU64::new(0),
            ends: AtomicBool::new(false),
            counters: Arc::default(),
        });
        let (place, listener) = (Place::of(config.udp), Arc::clone(&shared));
        // Made there: what Aeron's wrappers hold stays in one thread.
        let run = move || Listener::new(config, listener).run();
        let thread = thread::Builder::new().name("aeron".to_owned()).spawn(run)?;
        Ok(AeronEar { place, shared, thread: Some(thread) })
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, BTreeMap<u64, Wanted>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_changed(&self) {
        self.edition.fetch_add(1, Ordering::Release);
    }
}

impl Ear for AeronEar {
    fn place(&self) -> Place {
        self.place
    }

    fn counters(&self) -> Arc<CastCounters> {
        Arc::clone(&self.shared.counters)
    }

    fn listen(&self, stream: u64, node: NodeId, open: CastOpen, to: mpsc::Sender<CastBytes>) {
        let mut book = self.shared.book();
        let told = self.shared.edition.load(Ordering::Relaxed);
        let new = Wanted { node, open, has_opened: false, streams: BTreeMap::new() };
        let wanted = book.entry(open.cast).or_insert(new);
        // A node that tells one identity with two keys, or another's, is not listened to.
        if wanted.node == node && wanted.open == open {
            let told = wanted.streams.get(&stream).map_or(told, |hearer| hearer.told);
            wanted.streams.insert(stream, Hearer { told, to });
        }
        let mut of_stream: Vec<(u64, u64, bool)> = book
            .iter()
            .filter_map(|(cast, wanted)| Some((wanted.streams.get(&stream)?.told, *cast, wanted.has_opened)))
            .collect();
        of_stream.sort_unstable();
        // However many are told, the one that seals until another does is none of the oldest.
        let seals = of_stream.iter().rposition(|(.., has_opened)| *has_opened);
        for (index, (_, cast, _)) in of_stream.iter().enumerate().rev().skip(KEYS_MAX) {
            if Some(index) != seals {
                book.get_mut(cast).and_then(|wanted| wanted.streams.remove(&stream));
            }
        }
        book.retain(|_, wanted| !wanted.streams.is_empty());
        self.shared.has_changed();
    }

    fn forget(&self, stream: u64) {
        let mut book = self.shared.book();
        book.retain(|_, wanted| {
            wanted.streams.remove(&stream);
            !wanted.streams.is_empty()
        });
        self.shared.has_changed();
    }
}

impl fmt::Debug for AeronEar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeronEar").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for AeronEar {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the Aeron thread had panicked");
        }
    }
}

/// The thread.
struct Listener {
    config: AeronConfig,
    shared: Arc<Shared>,
    /// `None` while there is no driver.
    engine: Option<Engine>,
    connect_due: Instant,
    /// Whether the want of a driver was told.
    is_told: bool,
    edition: u64,
    casts: Opening,
}

/// What opens casts, and for whom.
struct Opening {
    casts: BTreeMap<u64, Open>,
    opened: Vec<u8>,
    shared: Arc<Shared>,
}

struct Open {
    from: Stream,
    opener: Opener,
    /// Whether the book knows, as it is now, that something was sealed with it.
    is_noted: bool,
    streams: Vec<mpsc::Sender<CastBytes>>,
}

impl Listener {
    fn new(config: AeronConfig, shared: Arc<Shared>) -> Listener {
        let casts = Opening { casts: BTreeMap::new(), opened: Vec::new(), shared: Arc::clone(&shared) };
        let (engine, connect_due) = (None, Instant::now());
        Listener { config, shared, engine, connect_due, is_told: false, edition: 0, casts }
    }

    fn run(mut self) {
        let mut idle_cycles = 0_u32;
        while !self.shared.ends.load(Ordering::Acquire) {
            let done = self.look_into_book().and_then(|()| self.connect()).and_then(|()| self.poll());
            let done = done.unwrap_or_else(|error| self.lose(&error));
            idle_cycles = if done > 0 { 0 } else { idle_cycles.saturating_add(1) };
            match self.config.idle {
                _ if idle_cycles == 0 => {}
                _ if self.engine.is_none() => thread::sleep(WAIT_FOR_DRIVER),
                AeronIdle::Spin => std::hint::spin_loop(),
                AeronIdle::BackOff if idle_cycles > YIELDS => thread::sleep(WAIT),
                AeronIdle::Yield | AeronIdle::BackOff => thread::yield_now(),
            }
        }
    }

    /// Takes the book over, if it has changed. A key that is known goes on to count.
    fn look_into_book(&mut self) -> Result<(), EngineError> {
        let edition = self.shared.edition.load(Ordering::Acquire);
        if edition == self.edition {
            return Ok(());
        }
        self.edition = edition;
        let book = self.shared.book();
        self.casts.casts.retain(|cast, _| book.contains_key(cast));
        for (cast, wanted) in &*book {
            let Some(from) = self.config.stream(&wanted.open) else { continue };
            let between =
                Between { epoch: self.config.epoch, from: wanted.node, to: NodeId::new(0), bypass: wanted.open.cast };
            let opener = || Opener::new(&wanted.open.key, between);
            let new = || Open { from, opener: opener(), is_noted: false, streams: Vec::new() };
            let open = self.casts.casts.entry(*cast).or_insert_with(new);
            (open.streams, open.is_noted) = (wanted.ends(), false);
        }
        drop(book);
        self.subscribe()
    }

    fn subscribe(&mut self) -> Result<(), EngineError> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let wanted = self.casts.casts.values().map(|open| open.from).collect();
        engine.keep_subscriptions(wanted)
    }

    fn connect(&mut self) -> Result<(), EngineError> {
        if self.engine.is_some() || Instant::now() < self.connect_due {
            return Ok(());
        }
        self.engine = Some(Engine::connect(&self.config.driver, None)?);
        self.is_told = false;
        tracing::info!(at = ?self.config.udp, "Aeron's media driver is there");
        self.subscribe()
    }

    fn poll(&mut self) -> Result<usize, EngineError> {
        let Some(engine) = &mut self.engine else { return Ok(0) };
        Ok(engine.work()? + engine.poll(&mut self.casts, Opening::take)?)
    }

    fn lose(&mut self, error: &EngineError) -> usize {
        self.engine = None;
        self.connect_due = Instant::now() + CONNECT_EVERY;
        if !std::mem::replace(&mut self.is_told, true) {
            CastCounters::add(&self.shared.counters.driver_lost);
            tracing::warn!(%error, "no media driver of Aeron: events come over the links");
        }
        1
    }
}

impl Opening {
    fn take(&mut self, sealed: &[u8]) {
        self.opened.clear();
        let open = bypass_of(sealed).and_then(|cast| self.casts.get_mut(&cast));
        let Some((open, range)) = open.and_then(|open| {
            let (_, range) = open.opener.open(sealed, &mut self.opened)?;
            Some((open, range))
        }) else {
            return CastCounters::add(&self.shared.counters.refused);
        };
        CastCounters::add(&self.shared.counters.messages);
        let message: CastBytes = self.opened[range].into();
        for stream in &open.streams {
            // A stream that has ended takes no more either; that is no loss.
            if let Err(mpsc::error::TrySendError::Full(_)) = stream.try_send(Arc::clone(&message)) {
                CastCounters::add(&self.shared.counters.dropped);
            }
        }
        if let Some(cast) = bypass_of(sealed)
            && !std::mem::replace(&mut open.is_noted, true)
        {
            self.note(cast);
        }
    }

    /// Something was sealed with this key: those before it open nothing from now on.
    fn note(&mut self, cast: u64) {
        let mut book = self.shared.book();
        if forget_before(&mut book, cast) {
            self.casts.retain(|cast, _| book.contains_key(cast));
            for (cast, open) in &mut self.casts {
                open.streams = book.get(cast).map_or_else(Vec::new, Wanted::ends);
            }
            self.shared.has_changed();
        }
    }
}

/// Notes that something was sealed with this key; whether anything is forgotten for it. A node never goes back to a key, so those
/// that it told a stream before are of use to nobody but to who has left and still has them.
fn forget_before(book: &mut BTreeMap<u64, Wanted>, cast: u64) -> bool {
    let Some(opened) = book.get_mut(&cast) else { return false };
    opened.has_opened = true;
    let node = opened.node;
    let told: BTreeMap<u64, u64> = opened.streams.iter().map(|(stream, hearer)| (*stream, hearer.told)).collect();
    let mut is_any = false;
    for former in book.values_mut().filter(|former| former.node == node) {
        let before = former.streams.len();
        former.streams.retain(|stream, hearer| told.get(stream).is_none_or(|told| hearer.told >= *told));
        is_any |= former.streams.len() < before;
    }
    book.retain(|_, wanted| !wanted.streams.is_empty());
    is_any
}

impl AeronConfig {
    /// Where a cast comes; `None` when it is nowhere that this client reaches.
    fn stream(&self, open: &CastOpen) -> Option<Stream> {
        let stream = i32::try_from(open.stream).ok()?;
        let channel = match (self.udp, open.place.address()) {
            (Some(at), Some(group)) if group.ip().is_multicast() => Channel::CastGroup { group, through: at.ip() },
            (Some(at), None) => Channel::CastAt(at),
            (None, None) => Channel::CastIpc,
            _ => return None,
        };
        Some(Stream { channel, stream })
    }
}

#[cfg(test)]
mod tests;
