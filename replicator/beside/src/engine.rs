//! A client of a media driver: subscriptions, and a publication for each place that takes messages. The only file that speaks
//! to Aeron's client.
//!
//! The client has no thread of its own either: [`Engine::work`] does what it and the process's own driver have to do.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rusteron_media_driver::{
    Aeron, AeronAsyncAddExclusivePublication, AeronAsyncAddSubscription, AeronAsyncDestination, AeronCError,
    AeronContext, AeronExclusivePublication, AeronFragmentClosureAssembler, AeronHeader, AeronSubscription, Handlers,
};

use crate::AeronDriver;
use crate::driver::{MediaDriver, c_path};

/// Bytes of a term: a third of what a publication, and its image at the other end, have of the host's memory.
pub const TERM_BYTES: usize = 4 * 1024 * 1024;

/// The longest message, an eighth of a term: Aeron cuts what is longer than a datagram into fragments.
pub const MESSAGE_MAX: usize = TERM_BYTES / 8;

/// Bytes of a term of a cast: there is one of each partition.
pub const CAST_TERM_BYTES: usize = 1024 * 1024;

/// The longest message of a cast.
pub const CAST_MESSAGE_MAX: usize = CAST_TERM_BYTES / 8;

/// A driver that says nothing for so long is dead.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(2);

/// What was refused is asked for again after this.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A destination that was refused is told again after this; its reader has its link meanwhile.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Fragments polled at once.
const FRAGMENTS: usize = 256;

/// An Aeron stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    /// By which way.
    pub channel: Channel,
    /// Its number there.
    pub stream: i32,
}

/// The way of a stream.
///
/// By the first two, one end sends to one other, and what the other has no room for waits. A cast waits for nobody: its flow
/// control follows the quickest reader (`max`), nothing is sent again for one that misses some, and a reader of memory that
/// holds the others up is put aside (`tether=false`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// In the memory of this host.
    Ipc,
    /// By UDP to this address.
    Udp(SocketAddr),
    /// To many, in the memory of this host.
    CastIpc,
    /// To many by UDP: sent from this address to each destination of [`Engine::spread`].
    CastFrom(IpAddr),
    /// The other end of that, at this address.
    CastAt(SocketAddr),
    /// To many by UDP multicast.
    CastGroup {
        /// The group.
        group: SocketAddr,
        /// The address of the interface that has it.
        through: IpAddr,
    },
}

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is on its way.
    Taken,
    /// Not now: nobody is there yet, or whoever is has no room.
    Later,
}

/// What Aeron did not do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt}: {said}")]
pub struct EngineError {
    attempt: &'static str,
    said: String,
}

impl EngineError {
    pub(crate) fn of(attempt: &'static str) -> impl Fn(AeronCError) -> EngineError {
        // What the C library says has several lines.
        move |error| EngineError { attempt, said: error.to_string().split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

/// See the module. Fields are dropped in this order.
pub struct Engine {
    spreading: Vec<Told>,
    publications: BTreeMap<Stream, Publication>,
    subscriptions: BTreeMap<Stream, Subscription>,
    client: Aeron,
    driver: Option<MediaDriver>,
    mtu: Option<u16>,
}

struct Publication {
    state: Asked<AeronAsyncAddExclusivePublication, AeronExclusivePublication>,
    /// Where it goes, if it is one of a cast that names them.
    destinations: BTreeSet<SocketAddr>,
    /// Where the driver was told that it goes.
    told: BTreeSet<SocketAddr>,
    /// When the driver is told again what it refused.
    tell_due: Option<Instant>,
}

/// A destination that the driver was told, and has not answered.
struct Told {
    asked: AeronAsyncDestination,
    /// Of which publication; `None` when it is no more, or what was taken away: of that the driver is not told again.
    added: Option<(Stream, SocketAddr)>,
}

struct Subscription {
    state: Asked<AeronAsyncAddSubscription, AeronSubscription>,
    assembler: AeronFragmentClosureAssembler,
}

/// What the driver is asked for.
enum Asked<A, T> {
    At(Instant),
    Waiting(A),
    There(T),
}

impl Engine {
    /// Starts the process's own driver, or finds the other one. It may take [`DRIVER_TIMEOUT`] where there is none.
    pub fn connect(driver: &AeronDriver, mtu: Option<u16>) -> Result<Engine, EngineError> {
        let (driver, directory) = match driver {
            AeronDriver::Own(directory) => (Some(MediaDriver::start(directory)?), directory),
            AeronDriver::Other(directory) => (None, directory),
        };
        if let Some(driver) = &driver {
            // A client takes a driver that has not worked yet for a dead one.
            driver.work()?;
        }
        let connect = || -> Result<Aeron, AeronCError> {
            let context = AeronContext::new()?;
            context.set_dir(&c_path(directory))?;
            context.set_driver_timeout_ms(DRIVER_TIMEOUT.as_millis() as u64)?;
            context.set_use_conductor_agent_invoker(true)?;
            // Without one of ours the C library ends the process.
            context.set_error_handler(Some(|code: i32, text: &str| {
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                tracing::warn!(code, text, "Aeron's client");
            }))?;
            let client = Aeron::new(&context)?;
            client.start()?;
            Ok(client)
        };
        let client = connect().map_err(EngineError::of("connect to the media driver"))?;
        let (publications, subscriptions) = (BTreeMap::new(), BTreeMap::new());
        Ok(Engine { spreading: Vec::new(), publications, subscriptions, client, driver, mtu })
    }

    /// From now on what is sent there is polled. A driver that refuses is asked again.
    pub fn subscribe(&mut self, to: Stream) -> Result<(), EngineError> {
        let assembler = AeronFragmentClosureAssembler::new().map_err(EngineError::of("subscribe"))?;
        self.subscriptions.entry(to).or_insert(Subscription { state: Asked::At(Instant::now()), assembler });
        Ok(())
    }

    /// As [`Engine::subscribe`] of each of these; what is sent elsewhere is polled no longer.
    pub fn keep_subscriptions(&mut self, wanted: BTreeSet<Stream>) -> Result<(), EngineError> {
        self.subscriptions.retain(|from, _| wanted.contains(from));
        wanted.into_iter().try_for_each(|to| self.subscribe(to))
    }

    /// Whether it is subscribed: what is sent there arrives.
    pub fn is_subscribed(&self, to: &Stream) -> bool {
        self.subscriptions.get(to).is_some_and(|subscription| matches!(subscription.state, Asked::There(_)))
    }

    /// What client and driver have to do; how much they did. The error says that the driver is lost.
    pub fn work(&mut self) -> Result<usize, EngineError> {
        let driven = self.driver.as_ref().map_or(Ok(0), MediaDriver::work)?;
        let done = self.client.main_do_work().map_err(EngineError::of("use the media driver"))?;
        let (client, mtu) = (&self.client, self.mtu);
        for (to, subscription) in &mut self.subscriptions {
            subscription.state.go_on(
                *to,
                || client.async_add_subscription(&to.channel.taken(mtu), to.stream, Handlers::NONE, Handlers::NONE),
                AeronAsyncAddSubscription::poll,
            );
        }
        self.look_at_destinations();
        Ok(driven + usize::try_from(done).unwrap_or(0))
    }

    /// Hands what has come to `take`, message by message.
    pub fn poll<T>(&mut self, to: &mut T, take: fn(&mut T, &[u8])) -> Result<usize, EngineError> {
        let mut polled = 0;
        for subscription in self.subscriptions.values_mut() {
            let Asked::There(there) = &subscription.state else { continue };
            let mut taking = (&mut *to, take);
            let fragments = subscription.assembler.poll(there, &mut taking, pass_on::<T>, FRAGMENTS);
            polled += usize::try_from(fragments.map_err(EngineError::of("poll a subscription"))?).unwrap_or(0);
        }
        Ok(polled)
    }

    /// Where a cast that names its destinations goes from now on. Others have none, and Aeron refuses them.
    pub fn spread(&mut self, to: Stream, destinations: BTreeSet<SocketAddr>) {
        if !matches!(to.channel, Channel::CastFrom(_)) {
            return;
        }
        self.publication(to).destinations = destinations;
        self.tell_destinations(to);
    }

    /// Offers a message to whoever takes them there.
    pub fn offer(&mut self, to: Stream, message: &[u8]) -> Offer {
        if let Asked::There(there) = &self.publication(to).state {
            match there.offer(message) {
                Ok(_) => return Offer::Taken,
                Err(error) if error.is_retryable() => return Offer::Later,
                // The greatest position of a stream, or a driver that gave it up.
                Err(error) => self.publication(to).state = again(to, &error.to_string()),
            }
            return Offer::Later;
        }
        let (client, mtu) = (&self.client, self.mtu);
        let Some(publication) = self.publications.get_mut(&to) else { return Offer::Later };
        publication.state.go_on(
            to,
            || client.async_add_exclusive_publication(&to.channel.sent(mtu), to.stream),
            AeronAsyncAddExclusivePublication::poll,
        );
        if matches!(publication.state, Asked::There(_)) {
            publication.told.clear();
            let of_former = self.spreading.iter_mut().filter(|told| told.added.is_some_and(|(of, _)| of == to));
            of_former.for_each(|told| told.added = None);
            self.tell_destinations(to);
        }
        Offer::Later
    }

    /// Closes the publications that nobody wants any more.
    pub fn retain(&mut self, is_wanted: impl Fn(&Stream) -> bool) {
        self.publications.retain(|to, _| is_wanted(to));
    }

    fn publication(&mut self, to: Stream) -> &mut Publication {
        self.publications.entry(to).or_insert_with(|| Publication {
            state: Asked::At(Instant::now()),
            destinations: BTreeSet::new(),
            told: BTreeSet::new(),
            tell_due: None,
        })
    }

    /// What became of destinations that the driver was told, and those that it is to be told again.
    fn look_at_destinations(&mut self) {
        let mut refused = Vec::new();
        self.spreading.retain(|told| match told.asked.aeron_exclusive_publication_async_destination_poll() {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => {
                refused.extend(told.added.map(|added| (added, error)));
                false
            }
        });
        for ((to, at), error) in refused {
            self.tell_again(to, at, &error);
        }
        let now = Instant::now();
        let is_due = |publication: &mut Publication| publication.tell_due.take_if(|due| *due <= now).is_some();
        let due: Vec<Stream> =
            self.publications.iter_mut().filter_map(|(to, publication)| is_due(publication).then_some(*to)).collect();
        due.into_iter().for_each(|to| self.tell_destinations(to));
    }

    /// Nothing reaches the destination until the driver takes it; its reader says over its link that it sees nothing.
    fn tell_again(&mut self, to: Stream, at: SocketAddr, error: &AeronCError) {
        let Some(publication) = self.publications.get_mut(&to) else { return };
        publication.told.remove(&at);
        publication.tell_due.get_or_insert_with(|| Instant::now() + TELL_AGAIN_AFTER);
        let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        tracing::warn!(?to, %at, error, "the media driver is told a destination again");
    }

    fn tell_destinations(&mut self, to: Stream) {
        let Some(publication) = self.publications.get_mut(&to) else { return };
        let Asked::There(there) = &publication.state else { return };
        let (wanted, told) = (&publication.destinations, &publication.told);
        let mut refused = Vec::new();
        for at in wanted.difference(told) {
            match there.async_add_destination(&self.client, &endpoint(at)) {
                Ok(asked) => self.spreading.push(Told { asked, added: Some((to, *at)) }),
                Err(error) => refused.push((*at, error)),
            }
        }
        for at in told.difference(wanted) {
            match there.async_remove_destination(&self.client, &endpoint(at)) {
                Ok(asked) => self.spreading.push(Told { asked, added: None }),
                Err(error) => tracing::warn!(?to, %at, %error, "a destination was not taken from the media driver"),
            }
        }
        publication.told = publication.destinations.clone();
        for (at, error) in refused {
            self.tell_again(to, at, &error);
        }
    }
}

impl<A, T> Asked<A, T> {
    /// Asks when it is time to, and sees what came of it.
    fn go_on(
        &mut self,
        of: Stream,
        ask: impl FnOnce() -> Result<A, AeronCError>,
        poll: impl FnOnce(&A) -> Result<Option<T>, AeronCError>,
    ) {
        let next = match self {
            Asked::At(at) if *at > Instant::now() => return,
            Asked::At(_) => ask().map(Asked::Waiting),
            Asked::Waiting(asked) => match poll(asked) {
                Ok(None) => return,
                Ok(Some(there)) => Ok(Asked::There(there)),
                Err(error) => Err(error),
            },
            Asked::There(_) => return,
        };
        *self = next.unwrap_or_else(|error| again(of, &error.to_string()));
    }
}

fn again<A, T>(of: Stream, error: &str) -> Asked<A, T> {
    let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
    tracing::warn!(?of, error, "the media driver is asked again");
    Asked::At(Instant::now() + ASK_AGAIN_AFTER)
}

fn pass_on<T>(to: &mut (&mut T, fn(&mut T, &[u8])), message: &[u8], _: AeronHeader) {
    (to.1)(to.0, message);
}

impl Channel {
    /// As a publication has it. Nothing of a peer's is in it but an address that was read as one.
    fn sent(&self, mtu: Option<u16>) -> CString {
        let mtu = mtu.map_or(String::new(), |mtu| format!("|mtu={mtu}"));
        c_text(match self {
            Channel::Udp(at) => format!("aeron:udp?endpoint={at}|term-length={TERM_BYTES}{mtu}"),
            Channel::Ipc => format!("aeron:ipc?term-length={TERM_BYTES}"),
            // A reader that takes nothing for so long is put aside until it does; a driver looks once a second.
            Channel::CastIpc => format!(
                "aeron:ipc?term-length={CAST_TERM_BYTES}|untethered-window-limit-timeout=1500ms|untethered-resting-timeout=1500ms"
            ),
            Channel::CastFrom(from) => {
                let from = SocketAddr::new(*from, 0);
                format!("aeron:udp?control={from}|control-mode=manual|fc=max|term-length={CAST_TERM_BYTES}{mtu}")
            }
            Channel::CastAt(at) => format!("aeron:udp?endpoint={at}|fc=max|term-length={CAST_TERM_BYTES}{mtu}"),
            Channel::CastGroup { group, through } => {
                format!(
                    "aeron:udp?endpoint={group}|interface={}|fc=max|term-length={CAST_TERM_BYTES}{mtu}",
                    host(through)
                )
            }
        })
    }

    /// As a subscription has it.
    fn taken(&self, mtu: Option<u16>) -> CString {
        let mtu = mtu.map_or(String::new(), |mtu| format!("|mtu={mtu}"));
        c_text(match self {
            Channel::Udp(at) => format!("aeron:udp?endpoint={at}|term-length={TERM_BYTES}{mtu}"),
            Channel::Ipc => format!("aeron:ipc?term-length={TERM_BYTES}"),
            Channel::CastIpc => "aeron:ipc?tether=false".to_owned(),
            Channel::CastFrom(from) => format!("aeron:udp?endpoint={}|reliable=false", SocketAddr::new(*from, 0)),
            Channel::CastAt(at) => format!("aeron:udp?endpoint={at}|reliable=false"),
            Channel::CastGroup { group, through } => {
                format!("aeron:udp?endpoint={group}|interface={}|reliable=false", host(through))
            }
        })
    }
}

fn endpoint(at: &SocketAddr) -> CString {
    c_text(format!("aeron:udp?endpoint={at}"))
}

/// An address as it stands before a port.
fn host(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn c_text(text: String) -> CString {
    CString::new(text).expect("neither an address nor a number has a zero byte")
}

#[cfg(test)]
mod tests;
