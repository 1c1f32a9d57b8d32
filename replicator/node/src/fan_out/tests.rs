//! Gateways that come and go, and what they are told; nobody here has Aeron.

use std::sync::{Arc, Mutex};

use wire::link::BypassKey;
use wire::link::cast::CastMessage;
use wire::{Origin, Timestamp};

use super::*;

const PARTITION: PartitionId = PartitionId::new(2);

/// Writes down what is to be carried.
#[derive(Debug, Default, Clone)]
struct Written(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    drawn: u64,
    done: Vec<String>,
    messages: Vec<Vec<u8>>,
}

impl CastWay for Written {
    fn reaches(&self, place: Place) -> bool {
        place != Place::default()
    }

    fn draw(&mut self, partition: PartitionId, stream: Option<u32>) -> Option<CastOpen> {
        let mut book = self.0.lock().unwrap();
        book.drawn += 1;
        let (cast, key) = (book.drawn, BypassKey::new([book.drawn as u8; 32]));
        Some(CastOpen { partition, cast, key, place: Place::default(), stream: stream.unwrap_or(70) })
    }

    fn turn(&mut self, open: CastOpen) {
        self.0.lock().unwrap().done.push(format!("turn {} of {} on {}", open.cast, open.partition, open.stream));
    }

    fn spread(&mut self, _: PartitionId, places: BTreeSet<Place>) {
        self.0.lock().unwrap().done.push(format!("to {}", places.len()));
    }

    fn close(&mut self, partition: PartitionId) {
        self.0.lock().unwrap().done.push(format!("close {partition}"));
    }

    fn message_max(&self) -> usize {
        1_000
    }

    fn send(&mut self, _: PartitionId, message: Vec<u8>) {
        self.0.lock().unwrap().messages.push(message);
    }
}

struct Node {
    fan_out: FanOut<u8>,
    way: Written,
    now: Timestamp,
}

impl Node {
    fn new() -> Node {
        let way = Written::default();
        let now = Timestamp::from_nanos(1_000_000_000);
        let mut fan_out = FanOut::new(Some(Box::new(way.clone()) as Box<dyn CastWay>));
        assert_eq!(fan_out.poll(now).count(), 0);
        Node { fan_out, way, now }
    }

    fn join(&mut self, link: u8, upto: u64) {
        let wish = JoinCast { partition: PARTITION, place: place(link) };
        self.fan_out.join(link, wish, LogPosition::new(upto));
    }

    /// What is said after so many milliseconds: `CastOpen`s by their cast, `CastSent`s by their position.
    fn words(&mut self, millis: u64) -> Vec<(u8, &'static str, u64)> {
        self.now = self.now.plus_nanos(millis * 1_000_000);
        let said = self.fan_out.poll(self.now);
        said.map(|(link, word)| match word {
            Frame::CastOpen(open) => (link, "open", open.cast),
            Frame::CastSent(sent) => (link, "sent", sent.position.get()),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.way.0.lock().unwrap().done)
    }

    /// What was sent: after, upto, positions with events.
    fn sent(&self) -> Vec<(u64, u64, Vec<u64>)> {
        let messages = std::mem::take(&mut self.way.0.lock().unwrap().messages);
        let read = messages.iter().map(|message| {
            assert!(message.len() <= 1_000, "{} bytes", message.len());
            let read = CastMessage::read(message).unwrap();
            let positions = read.events.iter().map(|(head, _)| head.position.get()).collect();
            (read.after.get(), read.upto.get(), positions)
        });
        read.collect()
    }
}

fn place(link: u8) -> Place {
    Place::of(Some(([10, 0, 0, link], 7_400).into()))
}

fn block(after: u64, events: &[(u64, usize)], upto: u64) -> EventBlock {
    let mut block = EventBlock::new(LogPosition::new(after));
    for (position, len) in events {
        let (timestamp, origin) = (Timestamp::ZERO, Origin::INTERNAL);
        block.push(EventBatch { position: LogPosition::new(*position), timestamp, origin, events: &vec![7; *len] });
    }
    block.cover(LogPosition::new(upto));
    block
}

#[test]
fn several_gateways_share_one_send() {
    let mut node = Node::new();
    node.fan_out.send(PARTITION, &block(0, &[(1, 10)], 1));
    assert!(node.sent().is_empty(), "nobody has joined");
    node.join(1, 1);
    node.join(2, 1);
    assert_eq!(node.done(), ["turn 1 of 2 on 70", "to 1", "to 2"]);
    assert_eq!(node.words(0), [(1, "open", 1), (2, "open", 1)]);
    node.fan_out.send(PARTITION, &block(1, &[(2, 10), (4, 10)], 5));
    assert_eq!(node.sent(), [(1, 5, vec![2, 4])]);
    node.fan_out.leave(1);
    node.fan_out.leave(2);
    assert_eq!(node.done().last().unwrap(), "close 2");
    node.fan_out.send(PARTITION, &block(5, &[(6, 10)], 6));
    assert!(node.sent().is_empty());
}

#[test]
fn joining_again_and_again_is_joining_once() {
    let mut node = Node::new();
    for _ in 0..1_000 {
        node.join(1, 0);
        node.fan_out.join(1, JoinCast { partition: PARTITION, place: place(9) }, LogPosition::ZERO);
    }
    assert_eq!(node.words(0), [(1, "open", 1)]);
    assert_eq!(node.done(), ["turn 1 of 2 on 70", "to 1"]);
    // Streams of one gateway have links of their own, and one place.
    node.fan_out.join(2, JoinCast { partition: PARTITION, place: place(1) }, LogPosition::ZERO);
    assert_eq!(node.words(0), [(2, "open", 1)]);
    node.fan_out.leave(1);
    assert!(node.done().is_empty(), "the places are the same");
}

#[test]
fn how_far_it_has_come_is_said_at_most_every_ten_milliseconds_and_at_last() {
    let mut node = Node::new();
    node.join(1, 4);
    node.words(0);
    assert!(node.words(50).is_empty(), "what was there before is the link's");
    node.fan_out.send(PARTITION, &block(4, &[(5, 10)], 5));
    assert_eq!(node.words(0), [(1, "sent", 5)]);
    node.fan_out.send(PARTITION, &block(5, &[], 9));
    assert!(node.words(9).is_empty());
    assert_eq!(node.words(1), [(1, "sent", 9)]);
    assert!(node.words(100).is_empty());
}

#[test]
fn who_leaves_does_not_know_the_next_key() {
    let mut node = Node::new();
    (1..=4).for_each(|link| node.join(link, 0));
    node.words(0);
    node.done();
    node.fan_out.leave(1);
    assert!(node.words(99).is_empty());
    node.fan_out.leave(2);
    assert_eq!(node.words(1), [(3, "open", 2), (4, "open", 2)], "one for both");
    assert_eq!(node.done(), ["to 3", "to 2"], "it is told before it seals");
    // Who leaves now has been told that one: it seals nevertheless, and another comes after it.
    assert!(node.words(90).is_empty());
    node.fan_out.leave(3);
    // Who joins now needs both.
    node.join(5, 0);
    assert_eq!(node.words(0), [(5, "open", 1), (5, "open", 2)]);
    node.done();
    assert!(node.words(10).is_empty());
    assert_eq!(node.done(), ["turn 2 of 2 on 70"]);
    assert_eq!(node.words(90), [(4, "open", 3), (5, "open", 3)]);
    assert!(node.words(100).is_empty());
    assert_eq!(node.done(), ["turn 3 of 2 on 70"]);
    assert!(node.words(1_000).is_empty() && node.done().is_empty(), "nobody has left since");
}

#[test]
fn those_who_come_and_go_all_the_time_put_no_key_off() {
    let mut node = Node::new();
    node.join(1, 0);
    node.words(0);
    node.done();
    let mut words = Vec::new();
    for _ in 0..200 {
        node.join(2, 0);
        words.extend(node.words(5));
        node.fan_out.leave(2);
        words.extend(node.words(5));
    }
    let told = words.iter().filter(|(link, word, _)| (*link, *word) == (1, "open")).count();
    let turns = node.done().iter().filter(|done| done.starts_with("turn")).count();
    // In two seconds, one every 100 ms or a little more: none is put off, and there are no more.
    assert!((17..=20).contains(&told) && (17..=20).contains(&turns), "{told} told, {turns} sealed");
}

#[test]
fn cast_that_begins_anew_has_another_key() {
    let mut node = Node::new();
    node.join(1, 0);
    assert_eq!(node.words(0), [(1, "open", 1)]);
    node.fan_out.leave(1);
    node.join(1, 0);
    assert_eq!(node.words(0), [(1, "open", 2)]);
    assert_eq!(node.done(), ["turn 1 of 2 on 70", "to 1", "close 2", "turn 2 of 2 on 70", "to 1"]);
}

#[test]
fn long_block_is_several_messages_and_what_is_too_long_alone_is_missed() {
    let mut node = Node::new();
    node.join(1, 0);
    node.fan_out.send(PARTITION, &block(0, &[(1, 600), (3, 600), (5, 2_000), (6, 10), (7, 931), (9, 932)], 12));
    let sent = node.sent();
    assert_eq!(sent, [(0, 2, vec![1]), (2, 4, vec![3]), (5, 6, vec![6]), (6, 8, vec![7]), (9, 12, vec![])]);
}

#[test]
fn state_that_jumped_is_told_from_where_it_goes_on() {
    let mut node = Node::new();
    node.join(1, 5);
    node.fan_out.send(PARTITION, &block(5, &[(6, 10)], 6));
    node.fan_out.send(PARTITION, &block(90, &[(91, 10)], 91));
    assert_eq!(node.sent(), [(5, 6, vec![6]), (90, 91, vec![91])]);
}

#[test]
fn who_cannot_be_reached_or_comes_as_one_too_many_has_its_link_alone() {
    let mut node = Node::new();
    node.fan_out.join(1, JoinCast { partition: PARTITION, place: Place::default() }, LogPosition::ZERO);
    assert!(node.words(0).is_empty() && node.done().is_empty());
    let mut none = FanOut::new(None);
    none.join(1_u32, JoinCast { partition: PARTITION, place: place(1) }, LogPosition::ZERO);
    none.send(PARTITION, &block(0, &[(1, 10)], 1));
    none.leave(1);
    assert_eq!(none.poll(Timestamp::from_nanos(1)).count(), 0);
    let mut crowd = FanOut::new(Some(Box::new(Written::default()) as Box<dyn CastWay>));
    for link in 0..MEMBERS_MAX as u32 + 1 {
        crowd.join(link, JoinCast { partition: PARTITION, place: place(1) }, LogPosition::ZERO);
    }
    assert_eq!(crowd.poll(Timestamp::from_nanos(1)).count(), MEMBERS_MAX);
}
