//! One stream, its node and the two ways between them: what is lost, late, doubled or cut off on either.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use wire::link::cast;
use wire::link::{BypassKey, Events, Hello, PROTOCOL, Progress, Role, Welcome};
use wire::{ClusterEpoch, NodeId, Origin, PartitionId, Text, Timestamp};

use super::*;
use crate::client::connection::cut_frames;
use crate::config::Patience;

mod drawn;
mod without;

const PARTITION: PartitionId = PartitionId::new(1);

/// A replica with a log in which every third position has no events, and one gateway.
struct World {
    stream: Subscription,
    counters: Arc<CastCounters>,
    now: Instant,
    /// Which connection it is; what was under way on others is gone.
    is_connected: bool,
    to_node: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    casting: VecDeque<Vec<u8>>,
    log: u64,
    subscribed: Option<u64>,
    has_joined: bool,
    /// The nodes are of a build that knows of no casts, and close a link on which they are asked for one.
    knows_none: bool,
    /// How often they did.
    closed: u64,
    opened: u64,
    yielded: Vec<u64>,
    progress: u64,
}

impl World {
    /// Connected and greeted; nothing is in the log.
    fn new() -> World {
        let (name, epoch) = (Text::new(b"gateway-1").unwrap(), ClusterEpoch::new(1));
        let hello = Hello { protocol: PROTOCOL, epoch, role: Role::Gateway, name, node: NodeId::default() };
        let (now, nodes) = (Instant::now(), [NodeId::new(1), NodeId::new(2)]);
        let patience = Patience::default();
        let mut stream = Subscription::new(hello, &nodes, PARTITION, LogPosition::new(1), patience, now);
        let counters = Arc::new(CastCounters::default());
        let place = Place::of(Some(([127, 0, 0, 1], 7_401).into()));
        stream.take_casts(place, Arc::clone(&counters), now);
        stream.on_leader(Some(NodeId::new(1)), now);
        let mut world = World {
            stream,
            counters,
            now,
            is_connected: false,
            to_node: VecDeque::new(),
            to_client: VecDeque::new(),
            casting: VecDeque::new(),
            log: 0,
            subscribed: None,
            has_joined: false,
            knows_none: false,
            closed: 0,
            opened: 0,
            yielded: Vec::new(),
            progress: 0,
        };
        world.pass(0);
        world.talk();
        world
    }

    /// The log grows; the node sends it by the cast, says so, and feeds the link.
    fn append(&mut self, count: u64) {
        let (after, mut message) = (self.log, Vec::new());
        self.log += count;
        cast::begin(PARTITION, LogPosition::new(after), &mut message);
        for position in after + 1..=self.log {
            if position % 3 != 0 {
                cast::add(head(position), &[], &mut message);
            }
        }
        cast::end(PARTITION, LogPosition::new(self.log), &mut message);
        if self.has_joined {
            self.casting.push_back(message);
            self.say(&Frame::CastSent(CastSent { partition: PARTITION, position: LogPosition::new(self.log) }));
        }
        self.feed();
    }

    fn feed(&mut self) {
        let Some(next) = self.subscribed else { return };
        for position in (next..=self.log).filter(|position| position % 3 != 0) {
            self.say(&Frame::Events(head(position), &[]));
        }
        self.say(&Frame::Progress(Progress { partition: PARTITION, position: LogPosition::new(self.log) }));
        self.subscribed = Some(self.log.max(next.saturating_sub(1)) + 1);
    }

    fn say(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.to_client.push_back(bytes);
    }

    /// The node takes the next of what was sent to it.
    fn node_hears(&mut self) -> bool {
        let Some(bytes) = self.to_node.pop_front() else { return false };
        let mut is_closed = false;
        cut_frames(&bytes, |frame| {
            match frame {
                Frame::JoinCast(_) if self.knows_none => {
                    // What it was asked for before it has not been sent yet.
                    is_closed = true;
                    return false;
                }
                Frame::Hello(_) => {
                    let (epoch, node) = (ClusterEpoch::new(1), self.stream.node);
                    self.say(&Frame::Welcome(Welcome { protocol: PROTOCOL, epoch, node }));
                }
                Frame::Subscribe(wanted) => {
                    self.subscribed = Some(wanted.from.get());
                    self.feed();
                }
                Frame::Unsubscribe(_) => self.subscribed = None,
                Frame::JoinCast(_) => {
                    self.has_joined = true;
                    self.open();
                }
                _ => {}
            }
            true
        });
        if is_closed {
            self.closed += 1;
            self.cut();
            self.stream.on_closed(self.now);
            self.collect();
        }
        true
    }

    /// A key for the cast, the first or another.
    fn open(&mut self) {
        let (partition, place, key) = (PARTITION, Place::default(), BypassKey::new([1; 32]));
        self.opened += 1;
        self.say(&Frame::CastOpen(CastOpen { partition, cast: self.opened, key, place, stream: 5 }));
    }

    fn client_hears(&mut self) -> bool {
        let Some(bytes) = self.to_client.pop_front() else { return false };
        self.stream.on_bytes(&bytes, self.now);
        self.collect();
        true
    }

    /// The cast brings the message at this index, and it stays if it comes again.
    fn cast_brings(&mut self, index: usize, comes_again: bool) {
        let Some(message) = self.casting.get(index).cloned() else { return };
        if !comes_again {
            self.casting.remove(index);
        }
        self.stream.on_cast(&message, self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(item) = self.stream.poll_item() {
            match item {
                StreamItem::Events { position, .. } => self.yielded.push(position.get()),
                StreamItem::Progress { position } => {
                    assert!(position.get() >= self.progress && position.get() <= self.log);
                    self.progress = position.get();
                }
            }
        }
        while let Some(output) = self.stream.poll_output() {
            match output {
                Output::Connect(_) => {
                    self.cut();
                    self.is_connected = true;
                    self.stream.on_connected(self.now);
                }
                Output::ConnectBeside(node) => {
                    self.cut();
                    self.is_connected = self.stream.on_beside(node, self.now);
                }
                Output::Close => self.cut(),
                Output::Send(bytes) if self.is_connected => self.to_node.push_back(bytes),
                Output::Send(_) => {}
                Output::Listen { open, .. } => assert_eq!(open.stream, 5),
            }
        }
    }

    /// What was under way on the link is gone, and what the node knew of it.
    fn cut(&mut self) {
        self.is_connected = false;
        (self.subscribed, self.has_joined) = (None, false);
        self.to_node.clear();
        self.to_client.clear();
    }

    /// Everything on the link arrives, in time.
    fn talk(&mut self) {
        while self.node_hears() || self.client_hears() {}
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..=millis {
            self.stream.on_timeout(self.now);
            self.collect();
            self.now += Duration::from_millis(1);
        }
    }

    /// The cast has the stream, at position 1.
    fn following() -> World {
        let mut world = World::new();
        world.append(1);
        world.talk();
        world.cast_brings(0, false);
        world.talk();
        assert!(world.follows() && world.subscribed.is_none());
        world
    }

    fn follows(&self) -> bool {
        self.counters.following.load(Relaxed) == 1
    }

    fn counts(&self) -> (u64, u64, u64) {
        let of = &self.counters;
        (of.begun.load(Relaxed), of.gaps.load(Relaxed), of.fallen.load(Relaxed))
    }

    #[track_caller]
    fn has_all(&self) {
        let all: Vec<u64> = (1..=self.log).filter(|position| position % 3 != 0).collect();
        assert_eq!((&self.yielded, self.progress), (&all, self.log), "each once, in order");
    }
}

fn head(position: u64) -> Events {
    let (timestamp, origin) = (Timestamp::ZERO, Origin::INTERNAL);
    Events { partition: PARTITION, position: LogPosition::new(position), timestamp, origin }
}

#[test]
fn link_brings_the_past_and_the_cast_takes_over_at_the_present() {
    let mut world = World::new();
    world.append(10);
    world.append(2);
    // The second comes first: of the past nothing has come by then.
    world.cast_brings(1, false);
    assert!(!world.follows() && world.yielded.is_empty());
    world.talk();
    world.cast_brings(0, false);
    assert!(!world.follows(), "an old message proves nothing of the present");
    world.append(1);
    world.cast_brings(0, false);
    assert!(world.follows());
    world.talk();
    assert_eq!(world.subscribed, None, "the link is asked for nothing");
    world.append(5);
    assert!(!world.to_client.iter().any(|bytes| bytes.len() > 40));
    world.cast_brings(0, false);
    world.has_all();
}

#[test]
fn message_that_is_missing_is_asked_for_over_the_link_at_once() {
    let mut world = World::following();
    world.append(2);
    world.append(2);
    world.casting.pop_front();
    world.cast_brings(0, false);
    assert_eq!(world.counts(), (1, 1, 0));
    world.talk();
    world.has_all();
    // It is not trusted again for a while, and then it is.
    world.append(1);
    world.cast_brings(0, false);
    assert!(!world.follows());
    world.pass(500);
    world.talk();
    world.append(1);
    world.cast_brings(0, false);
    assert!(world.follows());
    world.has_all();
}

#[test]
fn last_message_that_is_missing_is_found_out_by_what_the_link_says() {
    let mut world = World::following();
    world.append(4);
    world.casting.clear();
    world.talk();
    world.pass(49);
    assert_eq!(world.counts(), (1, 0, 0));
    world.pass(1);
    assert_eq!(world.counts(), (1, 0, 1));
    world.talk();
    world.has_all();
    assert!(!world.follows());
}

#[test]
fn quiet_cast_is_no_broken_one() {
    let mut world = World::following();
    for _ in 0..100 {
        world.pass(90);
        // The node answers the pings.
        world.stream.on_resumed();
        world.talk();
    }
    world.append(1);
    world.talk();
    world.pass(49);
    world.cast_brings(0, false);
    world.pass(100);
    assert_eq!(world.counts(), (1, 0, 0));
    assert!(world.follows());
    world.has_all();
}

#[test]
fn word_of_what_was_sent_that_comes_before_the_change_of_ways_counts_after_it() {
    let mut world = World::new();
    world.append(1);
    world.talk();
    world.append(1);
    // The link is slow: it has said that 2 was sent, and has not brought it.
    let said = world.to_client.pop_front().unwrap();
    let unsaid: Vec<_> = world.to_client.drain(..).collect();
    assert!(!unsaid.is_empty());
    world.stream.on_bytes(&said, world.now);
    world.cast_brings(0, false);
    assert!(world.follows());
    world.casting.clear();
    world.pass(50);
    assert_eq!(world.counts(), (1, 0, 1));
    world.talk();
    world.has_all();
}

#[test]
fn what_comes_again_or_late_is_yielded_once() {
    let mut world = World::following();
    world.append(2);
    world.cast_brings(0, true);
    world.append(3);
    world.cast_brings(1, false);
    world.cast_brings(0, false);
    world.talk();
    world.has_all();
    assert_eq!(world.counts(), (1, 0, 0));
}

#[test]
fn node_that_is_restarted_ends_its_cast() {
    let mut world = World::following();
    world.append(2);
    let late = world.casting.clone();
    world.cut();
    world.stream.on_closed(world.now);
    world.collect();
    assert!(!world.follows() && !world.stream.is_listening());
    world.casting.clear();
    world.pass(400);
    world.talk();
    world.has_all();
    // What was under way is true, but nobody listens to it any more.
    world.append(1);
    world.talk();
    late.iter().for_each(|message| world.stream.on_cast(message, world.now));
    world.collect();
    world.cast_brings(0, false);
    assert!(world.follows());
    world.has_all();
}

#[test]
fn new_leader_has_a_cast_of_its_own() {
    let mut world = World::following();
    world.stream.on_leader(Some(NodeId::new(2)), world.now);
    world.collect();
    assert!(!world.follows());
    world.casting.clear();
    world.append(3);
    world.talk();
    world.append(1);
    world.cast_brings(0, false);
    assert!(world.follows());
    world.talk();
    world.has_all();
}

#[test]
fn another_key_changes_nothing_else() {
    let mut world = World::following();
    world.open();
    world.talk();
    world.append(2);
    world.cast_brings(0, false);
    assert!(world.follows());
    assert_eq!(world.counts(), (1, 0, 0));
    world.has_all();
}

#[test]
fn message_that_cannot_be_read_ends_the_connection_and_yields_nothing() {
    for message in [&b"no message"[..], &[]] {
        let mut world = World::following();
        world.stream.on_cast(message, world.now);
        world.collect();
        assert!(!world.follows() && !world.is_connected);
        assert_eq!(world.yielded, [1]);
    }
}

#[test]
fn message_that_reaches_absurdly_far_is_refused_and_moves_nothing() {
    for upto in [u64::MAX, u64::MAX - 1, 2 + AHEAD_MAX] {
        let mut world = World::following();
        let mut message = Vec::new();
        cast::begin(PARTITION, LogPosition::new(1), &mut message);
        cast::end(PARTITION, LogPosition::new(upto), &mut message);
        world.stream.on_cast(&message, world.now);
        world.collect();
        assert!(!world.follows() && !world.is_connected);
        assert_eq!(world.stream.next_position(), LogPosition::new(2));
    }
    for events in [false, true] {
        let mut world = World::following();
        let position = LogPosition::new(u64::MAX);
        match events {
            true => world.say(&Frame::Events(head(u64::MAX), &[])),
            false => world.say(&Frame::Progress(Progress { partition: PARTITION, position })),
        }
        world.talk();
        assert!(!world.is_connected, "over the link neither");
        assert_eq!(world.stream.next_position(), LogPosition::new(2));
    }
}
