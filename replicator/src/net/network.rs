//! The duty cycle of the network thread.

mod accepting;
mod courtesy;
mod dialing;
mod overdue;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustls::{ClientConfig, ServerConfig};
use wire::Timestamp;
use wire::link::{Frame, Hello, PROTOCOL, Pong, Role, Welcome, split};

use self::courtesy::Courtesy;
use super::bypass::Arrivals;
use super::connection::{Connection, Direction, Stage};
use super::dialer::Dialer;
use super::links::{LinkId, Links};
use super::{CloseReason, Handler, NetConfig, NetCounters, NetLimits, PeerIdentity, Waker, greeting};

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

/// Bytes taken from a socket at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// The network thread's state.
pub(super) struct Network<H> {
    poll: Poll,
    clock: Clock,
    waker: Waker,
    listener: TcpListener,
    /// When to try to accept; `None` while nobody waits.
    accept_due: Option<Timestamp>,
    hello: Hello,
    server_tls: Arc<ServerConfig>,
    client_tls: Arc<ClientConfig>,
    limits: NetLimits,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    accepted_now: usize,
    greetings_now: usize,
    /// Slots whose sockets may have more to read.
    readable: Vec<usize>,
    /// Lists that a cycle works through, kept for their memory.
    slots: Vec<usize>,
    /// What a socket says, on its way into TLS.
    scratch: Vec<u8>,
    time_outs_due: Timestamp,
    dialers: Vec<Dialer>,
    links: Links,
    /// What came beside the links, kept for its memory.
    arrivals: Arrivals,
    handler: H,
    counters: Arc<NetCounters>,
    /// Somebody said something in the last cycle.
    has_heard: bool,
}

impl<H: Handler> Network<H> {
    pub(super) fn new(
        config: NetConfig,
        handler: impl FnOnce(Waker) -> H,
        counters: Arc<NetCounters>,
    ) -> io::Result<(Network<H>, Waker)> {
        let invalid = |text: String| io::Error::new(ErrorKind::InvalidInput, text);
        if config.name != greeting::node_name(config.node) {
            return Err(invalid(format!("{} is not the name of node {}", config.name, config.node)));
        }
        let server_tls = config.tls.server_config().map_err(|error| invalid(error.to_string()))?;
        let client_tls = config.tls.client_config().map_err(|error| invalid(error.to_string()))?;
        let poll = Poll::new()?;
        let waker = Waker::new(mio::Waker::new(poll.registry(), WAKER)?);
        config.listen.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(config.listen);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let limits = config.limits;
        let mut links =
            Links::new(config.node, limits.node_out_bytes_max, limits.client_out_bytes_max, Arc::clone(&counters));
        links.bypass = config.bypass.map(|maker| maker.make(waker.clone())).transpose()?;
        let peers = config.peers.into_iter().filter(|(node, _)| *node != config.node);
        let network = Network {
            poll,
            clock: Clock::new(),
            waker: waker.clone(),
            listener,
            accept_due: None,
            hello: Hello {
                protocol: PROTOCOL,
                epoch: config.epoch,
                role: Role::Node,
                name: config.name,
                node: config.node,
            },
            server_tls,
            client_tls,
            limits,
            connections: Vec::new(),
            free: Vec::new(),
            accepted_now: 0,
            greetings_now: 0,
            readable: Vec::new(),
            slots: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            time_outs_due: Timestamp::ZERO,
            dialers: peers.map(|(node, address)| Dialer::new(node, address)).collect(),
            links,
            arrivals: Arrivals::default(),
            handler: handler(waker.clone()),
            counters,
            has_heard: false,
        };
        Ok((network, waker))
    }

    /// Runs until it is stopped.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut wait = Some(Duration::ZERO);
        let (mut courtesy, mut has_yielded) = (Courtesy::new(), false);
        while !self.waker.is_stopping() {
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the network thread cannot poll its sockets; it ends");
                    break;
                }
            }
            self.waker.awake();
            let now = self.clock.now();
            self.duty_cycle(&events, now);
            if has_yielded {
                courtesy.learn(self.has_heard);
            } else if self.handler.is_slow_due() && courtesy.is_due() {
                thread::yield_now();
                (has_yielded, wait) = (true, Some(Duration::ZERO));
                continue;
            }
            has_yielded = false;
            // New readiness wakes the poll; only what is known to be unfinished must not wait for it.
            let durable = self.handler.poll_slow();
            if durable > 0 {
                // Somebody waits for what is on disk now: it is said before anything new is heard.
                let now = self.clock.now();
                self.handler.poll(now, &mut self.links);
                self.flush(now);
            }
            let is_unfinished =
                durable > 0 || !self.readable.is_empty() || self.accept_due.is_some_and(|due| due <= now);
            wait = Some(if is_unfinished { Duration::ZERO } else { self.wait_time(now) });
        }
        for slot in 0..self.connections.len() {
            self.disconnect(slot, CloseReason::Stopping, self.clock.now());
        }
    }

    /// Everything the thread does, in this order, each part bounded.
    fn duty_cycle(&mut self, events: &Events, now: Timestamp) -> usize {
        let noted = self.note_readiness(events, now);
        let heard = self.poll_bypass(now) + self.accept(now) + self.read(now);
        self.has_heard = heard > 0;
        noted
            + heard
            + self.handler.poll(now, &mut self.links)
            + self.follow_peers()
            + self.dial_due(now)
            + self.time_out(now)
            + self.flush(now)
            + self.close_unwanted(now)
    }

    /// Looks for work a last time, now that wakers see that the thread sleeps.
    fn wait_time(&mut self, now: Timestamp) -> Duration {
        self.waker.fall_asleep();
        let work = self.poll_bypass(now)
            + self.handler.poll(now, &mut self.links)
            + self.flush(now)
            + self.close_unwanted(now);
        if work == 0 { self.limits.idle_wait.min(self.handler.idle_wait()) } else { Duration::ZERO }
    }

    /// Takes what came beside the links.
    fn poll_bypass(&mut self, now: Timestamp) -> usize {
        let Some(bypass) = &mut self.links.bypass else { return 0 };
        let polled = bypass.poll(now, &mut self.arrivals);
        self.arrivals.deliver(&mut self.handler, &mut self.links, &self.counters);
        polled
    }

    fn note_readiness(&mut self, events: &Events, now: Timestamp) -> usize {
        let mut noted = 0;
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accept_due = Some(now),
                Token(token) => self.note_connection(token - FIRST_CONNECTION, event, now),
            }
            noted += 1;
        }
        noted
    }

    fn note_connection(&mut self, slot: usize, event: &mio::event::Event, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        if event.is_writable() {
            match connection.on_writable() {
                Ok(false) => {}
                // The greeting waits in TLS until the handshake is done.
                Ok(true) => self.links.greet(connection.link, &Frame::Hello(self.hello)),
                Err(reason) => return self.disconnect(slot, reason, now),
            }
            self.links.mark_unflushed(slot);
        }
        let connection = self.connections[slot].as_mut().expect("it was there");
        if (event.is_readable() || event.is_read_closed() || event.is_error()) && connection.stage != Stage::Connecting
        {
            connection.is_readable = true;
            connection.is_at_end |= event.is_read_closed() || event.is_error();
            if !connection.is_listed {
                connection.is_listed = true;
                self.readable.push(slot);
            }
        }
    }

    fn connect(
        &mut self,
        slot: usize,
        direction: Direction,
        connection: Result<Connection, CloseReason>,
        address: SocketAddr,
        now: Timestamp,
    ) {
        let connected = connection.and_then(|mut connection| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered =
                self.poll.registry().register(&mut connection.socket, Token(slot + FIRST_CONNECTION), interest);
            registered.map(|()| connection).map_err(|_| CloseReason::Io)
        });
        match connected {
            Ok(connection) => self.connections[slot] = Some(connection),
            Err(reason) => {
                self.free.push(slot);
                self.count_closed(reason, None, address);
                self.on_gone(direction, Stage::Connecting, reason, now);
            }
        }
    }

    fn free_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    fn read(&mut self, now: Timestamp) -> usize {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        slots.append(&mut self.readable);
        for slot in &slots {
            self.read_one(*slot, now);
        }
        let work = slots.len();
        self.slots = slots;
        work
    }

    fn read_one(&mut self, slot: usize, now: Timestamp) {
        let Some(connection) = self.connections[slot].as_mut() else { return };
        connection.is_listed = false;
        let received = connection.receive(self.limits.read_bytes_per_cycle, &mut self.scratch, now, &self.counters);
        // Frames that arrived whole before the end of the stream count.
        let delivered = self.deliver(slot, now);
        let Some(connection) = self.connections[slot].as_mut() else { return };
        let reason = match (delivered, received) {
            (Err(reason), _) => reason,
            (Ok(()), Err(CloseReason::PeerClosed)) if !connection.inbox.is_empty() => CloseReason::TruncatedFrame,
            (Ok(()), Err(reason)) => reason,
            (Ok(()), Ok(_)) => {
                if connection.is_readable && !connection.is_listed {
                    connection.is_listed = true;
                    self.readable.push(slot);
                }
                if connection.wants_flush() {
                    self.links.mark_unflushed(slot);
                }
                return;
            }
        };
        self.disconnect(slot, reason, now);
    }

    /// Handles every whole frame in the inbox.
    fn deliver(&mut self, slot: usize, now: Timestamp) -> Result<(), CloseReason> {
        let Some(connection) = self.connections[slot].as_mut() else { return Ok(()) };
        let link = connection.link;
        let inbox = std::mem::take(&mut connection.inbox);
        let mut handled = 0;
        let result = loop {
            if self.links.is_closing(link) {
                break Ok(());
            }
            let body_max = self.connections[slot].as_ref().map_or(0, Connection::body_max);
            match split(&inbox[handled..], body_max) {
                Ok(None) => break Ok(()),
                Err(_) => break Err(CloseReason::OversizedFrame),
                Ok(Some((body, length))) => {
                    handled += length;
                    self.counters.frames_in.add(1);
                    let frame = Frame::decode(body).map_err(|_| CloseReason::MalformedFrame);
                    if let Err(reason) = frame.and_then(|frame| self.on_frame(slot, link, frame, now)) {
                        break Err(reason);
                    }
                }
            }
        };
        if let Some(connection) = self.connections[slot].as_mut() {
            connection.keep_rest(inbox, handled);
        }
        result
    }

    fn on_frame(&mut self, slot: usize, link: LinkId, frame: Frame<'_>, now: Timestamp) -> Result<(), CloseReason> {
        let connection = self.connections[slot].as_ref().expect("its frame is being handled");
        let epoch = self.hello.epoch;
        match (connection.stage, connection.direction, frame) {
            (Stage::Open(_), _, Frame::Ping(ping)) => {
                // Without room the peer is not waiting for a sign of life: bytes are on their way to it.
                let _ = self.links.send(link, &Frame::Pong(Pong { nonce: ping.nonce }));
            }
            (Stage::Open(_), _, Frame::Pong(_)) => {}
            (Stage::Open(Role::Node), _, Frame::BypassOpen(_) | Frame::BypassSeen(_)) => {
                self.links.on_bypass_word(link, frame);
            }
            (Stage::Open(role), _, frame) if greeting::may_send(role, &frame) => {
                self.handler.on_frame(link, frame, &mut self.links);
            }
            (Stage::Greeting, Direction::Accepted, Frame::Hello(hello)) => {
                let peer = greeting::check_hello(
                    &hello,
                    epoch,
                    self.hello.node,
                    connection.certificate(),
                    connection.address,
                )?;
                let welcome = Welcome { protocol: PROTOCOL, epoch, node: self.hello.node };
                self.links.greet(link, &Frame::Welcome(welcome));
                self.greetings_now -= 1;
                self.open(slot, link, peer, now);
            }
            (Stage::Greeting, Direction::Dialed(node), Frame::Welcome(welcome)) => {
                let peer = greeting::check_welcome(&welcome, epoch, node, connection.address)?;
                self.open(slot, link, peer, now);
            }
            _ => return Err(CloseReason::ForbiddenFrame),
        }
        Ok(())
    }

    fn open(&mut self, slot: usize, link: LinkId, peer: PeerIdentity, now: Timestamp) {
        self.counters.opened.add(1);
        let connection = self.connections[slot].as_mut().expect("its frame is being handled");
        connection.stage = Stage::Open(peer.role);
        tracing::info!(link = link.get(), peer = %peer.name, address = %peer.address, dialed = peer.is_dialed, "link opened");
        if let Some(dialer) = self.dialer(peer.node) {
            if peer.is_dialed { dialer.on_open(now) } else { dialer.on_accepted(now) }
        }
        self.links.open(link, peer);
        self.handler.on_open(link, &peer, &mut self.links);
    }

    fn flush(&mut self, now: Timestamp) -> usize {
        let mut slots = std::mem::take(&mut self.slots);
        self.links.take_unflushed(&mut slots);
        let mut more = 0;
        for slot in &slots {
            more += usize::from(self.flush_one(*slot, now));
        }
        self.slots = slots;
        more
    }

    /// Whether more could be offered to the socket at once.
    fn flush_one(&mut self, slot: usize, now: Timestamp) -> bool {
        let Some(connection) = self.connections[slot].as_mut() else { return false };
        match connection.flush(self.links.out(slot), self.limits.write_bytes_per_cycle, now, &self.counters) {
            Ok(true) => {
                self.links.mark_unflushed(slot);
                true
            }
            Ok(false) => false,
            Err(reason) => {
                self.disconnect(slot, reason, now);
                false
            }
        }
    }

    fn close_unwanted(&mut self, now: Timestamp) -> usize {
        let mut closed = 0;
        while let Some((link, reason)) = self.links.next_closing() {
            let slot = link.slot();
            if self.connections[slot].as_ref().is_some_and(|connection| connection.link == link) {
                self.flush_one(slot, now);
                self.disconnect(slot, reason, now);
            }
            closed += 1;
        }
        closed
    }

    fn disconnect(&mut self, slot: usize, reason: CloseReason, now: Timestamp) {
        let Some(mut connection) = self.connections.get_mut(slot).and_then(Option::take) else { return };
        if !matches!(reason, CloseReason::PeerClosed | CloseReason::Io | CloseReason::Tls) {
            connection.say_goodbye();
        }
        // Closing the socket takes it out of the poll as well; this frees its registration now.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.free.push(slot);
        let peer = self.links.remove(connection.link);
        self.count_closed(reason, Some(connection.link), connection.address);
        if peer.is_some() {
            self.handler.on_close(connection.link, &mut self.links);
        }
        self.on_gone(connection.direction, connection.stage, reason, now);
    }

    fn on_gone(&mut self, direction: Direction, stage: Stage, reason: CloseReason, now: Timestamp) {
        match direction {
            Direction::Accepted => {
                self.accepted_now -= 1;
                self.greetings_now -= usize::from(!matches!(stage, Stage::Open(_)));
            }
            Direction::Dialed(node) => {
                let is_connected = self.links.is_connected(node);
                let Some(dialer) = self.dialer(node) else { return };
                dialer.on_close(now);
                if reason == CloseReason::ConnectRefused && dialer.on_refused(is_connected) {
                    tracing::info!(%node, "a lost peer refuses to be connected: its process is dead");
                    self.handler.on_peer_refused(node, &mut self.links);
                }
            }
        }
    }

    fn count_closed(&self, reason: CloseReason, link: Option<LinkId>, address: SocketAddr) {
        self.counters.count_closed(reason);
        let link = link.map_or(0, LinkId::get);
        if reason == CloseReason::ConnectRefused {
            tracing::debug!(link, %address, reason = reason.name(), "connection closed");
        } else {
            tracing::info!(link, %address, reason = reason.name(), "connection closed");
        }
    }
}

/// Wall-clock time that never runs backwards.
struct Clock {
    started: Instant,
    started_at: u64,
}

impl Clock {
    fn new() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { started: Instant::now(), started_at: since_epoch.as_nanos() as u64 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.started_at + self.started.elapsed().as_nanos() as u64)
    }
}
