//! A client of a media driver: one subscription, a publication for each peer. The only file that speaks to Aeron's client.
//!
//! The client has no thread of its own either: [`Engine::work`] does what it and the node's own driver have to do.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rusteron_media_driver::{
    Aeron, AeronAsyncAddExclusivePublication, AeronAsyncAddSubscription, AeronCError, AeronContext,
    AeronExclusivePublication, AeronFragmentClosureAssembler, AeronHeader, AeronSubscription, Handlers,
};

use super::driver::{MediaDriver, c_path};
use super::{AeronAt, AeronConfig, AeronDriver};

/// Bytes of a term: a third of what a publication, and its image at the other end, have of the host's memory.
pub(super) const TERM_BYTES: usize = 4 * 1024 * 1024;

/// The longest message, an eighth of a term: Aeron cuts what is longer than a datagram into fragments.
pub(super) const MESSAGE_MAX: usize = TERM_BYTES / 8;

/// A driver that says nothing for so long is dead.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(2);

/// A publication that was refused is asked for again after this.
const ADD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Fragments polled at once.
const FRAGMENTS: usize = 256;

/// Where a peer takes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Destination {
    /// `None`: in the memory of this host.
    pub(super) udp: Option<SocketAddr>,
    /// The Aeron stream.
    pub(super) stream: i32,
}

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
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
    pub(super) fn of(attempt: &'static str) -> impl Fn(AeronCError) -> EngineError {
        // What the C library says has several lines.
        move |error| EngineError { attempt, said: error.to_string().split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

/// See the module. Fields are dropped in this order.
pub(super) struct Engine {
    publications: BTreeMap<Destination, Publication>,
    subscription: Subscription,
    assembler: AeronFragmentClosureAssembler,
    client: Aeron,
    driver: Option<MediaDriver>,
    mtu: Option<u16>,
}

enum Publication {
    Asked(AeronAsyncAddExclusivePublication),
    There(AeronExclusivePublication),
    AskAt(Instant),
}

enum Subscription {
    Asked(AeronAsyncAddSubscription),
    There(AeronSubscription),
}

impl Engine {
    /// Starts the node's own driver, or finds the other one, and asks for the subscription. It may take
    /// [`DRIVER_TIMEOUT`] where there is no driver.
    pub(super) fn connect(config: &AeronConfig, stream: i32) -> Result<Engine, EngineError> {
        let (driver, directory) = match &config.driver {
            AeronDriver::Own(directory) => (Some(MediaDriver::start(directory)?), directory),
            AeronDriver::Other(directory) => (None, directory),
        };
        if let Some(driver) = &driver {
            // A client takes a driver that has not worked yet for a dead one.
            driver.work()?;
        }
        let connect = || -> Result<(Aeron, AeronAsyncAddSubscription, AeronFragmentClosureAssembler), AeronCError> {
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
            let at = match config.at {
                AeronAt::Udp(address) => Some(address),
                AeronAt::Ipc => None,
            };
            let channel = channel(at, config.mtu);
            let asked = client.async_add_subscription(&channel, stream, Handlers::NONE, Handlers::NONE)?;
            Ok((client, asked, AeronFragmentClosureAssembler::new()?))
        };
        let (client, asked, assembler) = connect().map_err(EngineError::of("connect to the media driver"))?;
        let (publications, subscription) = (BTreeMap::new(), Subscription::Asked(asked));
        Ok(Engine { publications, subscription, assembler, client, driver, mtu: config.mtu })
    }

    /// Whether it is subscribed: what is sent to this node arrives.
    pub(super) fn is_subscribed(&self) -> bool {
        matches!(self.subscription, Subscription::There(_))
    }

    /// What client and driver have to do; how much they did. The error says that the driver is lost.
    pub(super) fn work(&mut self) -> Result<usize, EngineError> {
        let driven = self.driver.as_ref().map_or(Ok(0), MediaDriver::work)?;
        let done = self.client.main_do_work().map_err(EngineError::of("use the media driver"))?;
        if let Subscription::Asked(asked) = &self.subscription
            && let Some(subscription) = asked.poll().map_err(EngineError::of("subscribe"))?
        {
            self.subscription = Subscription::There(subscription);
        }
        Ok(driven + usize::try_from(done).unwrap_or(0))
    }

    /// Hands what has come to `take`, message by message.
    pub(super) fn poll<T>(&mut self, to: &mut T, take: fn(&mut T, &[u8])) -> Result<usize, EngineError> {
        let Subscription::There(subscription) = &self.subscription else { return Ok(0) };
        let mut taking = (to, take);
        let polled = self.assembler.poll(subscription, &mut taking, pass_on::<T>, FRAGMENTS);
        Ok(usize::try_from(polled.map_err(EngineError::of("poll the subscription"))?).unwrap_or(0))
    }

    /// Offers a message to whoever takes frames there.
    pub(super) fn offer(&mut self, to: Destination, message: &[u8]) -> Offer {
        let publication = self.publications.entry(to).or_insert_with(|| Publication::AskAt(Instant::now()));
        let next = match publication {
            Publication::AskAt(at) if *at > Instant::now() => return Offer::Later,
            Publication::AskAt(_) => {
                let asked = self.client.async_add_exclusive_publication(&channel(to.udp, self.mtu), to.stream);
                asked.map(Publication::Asked).unwrap_or_else(|error| again(to, &error.to_string()))
            }
            Publication::Asked(asked) => match asked.poll() {
                Ok(None) => return Offer::Later,
                Ok(Some(there)) => Publication::There(there),
                Err(error) => again(to, &error.to_string()),
            },
            Publication::There(publication) => match publication.offer(message) {
                Ok(_) => return Offer::Taken,
                Err(error) if error.is_retryable() => return Offer::Later,
                // The greatest position of a stream, or a driver that gave it up.
                Err(error) => again(to, &error.to_string()),
            },
        };
        *publication = next;
        Offer::Later
    }

    /// Closes the publications to destinations that nobody wants any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Destination) -> bool) {
        self.publications.retain(|destination, _| is_wanted(destination));
    }
}

fn again(to: Destination, error: &str) -> Publication {
    tracing::warn!(?to, error, "a publication is asked for again");
    Publication::AskAt(Instant::now() + ADD_AGAIN_AFTER)
}

fn pass_on<T>(to: &mut (&mut T, fn(&mut T, &[u8])), message: &[u8], _: AeronHeader) {
    (to.1)(to.0, message);
}

/// Nothing of a peer's is in it but an address that was read as one.
fn channel(udp: Option<SocketAddr>, mtu: Option<u16>) -> CString {
    let mtu = mtu.map_or(String::new(), |mtu| format!("|mtu={mtu}"));
    let channel = match udp {
        Some(address) => format!("aeron:udp?endpoint={address}|term-length={TERM_BYTES}{mtu}"),
        None => format!("aeron:ipc?term-length={TERM_BYTES}"),
    };
    CString::new(channel).expect("neither an address nor a number has a zero byte")
}
