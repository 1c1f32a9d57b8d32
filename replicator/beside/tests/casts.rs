//! Casts by Aeron's own driver and sockets: what one end sends to several, and what one of them that stands still does to the
//! others.
#![cfg(feature = "aeron")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use beside::AeronDriver;
use beside::engine::{CAST_MESSAGE_MAX, Channel, Engine, Offer, Stream};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STREAM: i32 = 1_234;

/// A driver of its own for each test; the engine that sends has it.
fn directory(name: &str) -> PathBuf {
    beside::room::directory(&format!("mainstay-test-{}-{name}", std::process::id()))
}

/// A UDP port that nobody has.
fn place() -> SocketAddr {
    UdpSocket::bind((HOST, 0)).unwrap().local_addr().unwrap()
}

struct Reader {
    engine: Engine,
    heard: Vec<Vec<u8>>,
}

impl Reader {
    fn of(directory: &std::path::Path, from: Channel) -> Reader {
        let mut engine = Engine::connect(&AeronDriver::Other(directory.to_owned()), None).unwrap();
        engine.subscribe(Stream { channel: from, stream: STREAM }).unwrap();
        Reader { engine, heard: Vec::new() }
    }

    fn work(&mut self) {
        self.engine.work().unwrap();
        self.engine.poll(&mut self.heard, |heard, message| heard.push(message.to_vec())).unwrap();
    }
}

/// Works until something is so.
fn until(
    what: &str,
    engine: &mut Engine,
    readers: &mut [Reader],
    mut is_so: impl FnMut(&mut Engine, &[Reader]) -> bool,
) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so(engine, readers) {
        assert!(Instant::now() < end, "{what}");
        engine.work().unwrap();
        readers.iter_mut().for_each(Reader::work);
    }
}

/// Sends until each reader has heard something, then forgets what was heard.
fn connect(engine: &mut Engine, to: Stream, readers: &mut [Reader]) {
    until("nobody hears anything", engine, readers, |engine, readers| {
        engine.offer(to, b"probe");
        readers.iter().all(|reader| !reader.heard.is_empty())
    });
    let settled = Instant::now() + Duration::from_millis(100);
    until("settled", engine, readers, |_, _| Instant::now() >= settled);
    readers.iter_mut().for_each(|reader| reader.heard.clear());
}

fn send(engine: &mut Engine, to: Stream, readers: &mut [Reader], message: &[u8]) {
    until("no room", engine, readers, |engine, _| engine.offer(to, message) == Offer::Taken);
}

#[test]
fn one_send_reaches_each_destination_until_it_is_taken_away() {
    let directory = directory("each");
    let mut engine = Engine::connect(&AeronDriver::Own(directory.clone()), None).unwrap();
    let places = [place(), place()];
    let mut readers = places.map(|place| Reader::of(&directory, Channel::CastAt(place)));
    let to = Stream { channel: Channel::CastFrom(HOST), stream: STREAM };
    engine.spread(to, BTreeSet::from(places));
    connect(&mut engine, to, &mut readers);
    let long = vec![7; CAST_MESSAGE_MAX];
    for message in [&b"one"[..], &long, b"two"] {
        send(&mut engine, to, &mut readers, message);
    }
    until("all of it", &mut engine, &mut readers, |_, readers| readers.iter().all(|reader| reader.heard.len() == 3));
    assert!(readers.iter().all(|reader| reader.heard == [&b"one"[..], &long, b"two"]));
    engine.spread(to, BTreeSet::from([places[1]]));
    let told = Instant::now() + Duration::from_millis(200);
    until("told", &mut engine, &mut readers, |_, _| Instant::now() >= told);
    send(&mut engine, to, &mut readers, b"three");
    until("the other", &mut engine, &mut readers, |_, readers| readers[1].heard.len() == 4);
    assert_eq!(readers[0].heard.len(), 3, "its destination is gone");
}

#[test]
fn multicast_reaches_all_who_are_in_the_group() {
    let directory = directory("group");
    let mut engine = Engine::connect(&AeronDriver::Own(directory.clone()), None).unwrap();
    let port = place().port();
    let group = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 77, 77)), port);
    let channel = Channel::CastGroup { group, through: HOST };
    let mut readers = [channel, channel].map(|channel| Reader::of(&directory, channel));
    let to = Stream { channel, stream: STREAM };
    connect(&mut engine, to, &mut readers);
    send(&mut engine, to, &mut readers, b"one");
    until("both", &mut engine, &mut readers, |_, readers| readers.iter().all(|reader| reader.heard == [b"one"]));
}

/// Sends far more than all buffers hold while one of two readers does nothing, and then works again.
fn one_stands_still(
    name: &str,
    channel: Channel,
    from: impl Fn() -> Channel,
    spread: impl Fn(&mut Engine, Stream, &[Channel]),
) {
    let directory = directory(name);
    let mut engine = Engine::connect(&AeronDriver::Own(directory.clone()), None).unwrap();
    let froms = [from(), from()];
    let mut readers = froms.map(|from| Reader::of(&directory, from));
    let to = Stream { channel, stream: STREAM };
    spread(&mut engine, to, &froms);
    connect(&mut engine, to, &mut readers);
    let [mut still, lively] = readers;
    let mut lively = [lively];
    let message = vec![3; 8 * 1024];
    let mut longest = Duration::ZERO;
    for _ in 0..2_000 {
        let began = Instant::now();
        until("no room", &mut engine, &mut lively, |engine, _| {
            // Its client says that it lives; a process that stands still as a whole is gone for the driver sooner or later.
            still.engine.work().unwrap();
            engine.offer(to, &message) == Offer::Taken
        });
        longest = longest.max(began.elapsed());
        lively[0].heard.clear();
    }
    assert!(longest < Duration::from_secs(8), "{longest:?}");
    until("the last", &mut engine, &mut lively, |engine, readers| {
        engine.offer(to, b"last");
        readers[0].heard.iter().any(|message| message == b"last")
    });
    // Of what it missed there is no way back by Aeron, but it goes on.
    let mut both = [still];
    until("it goes on", &mut engine, &mut both, |engine, readers| {
        lively[0].work();
        engine.offer(to, b"again");
        readers[0].heard.iter().any(|message| message == b"again")
    });
    assert!(both[0].heard.iter().filter(|message| message.len() == 8 * 1024).count() < 2_000);
}

#[test]
fn reader_that_stands_still_holds_up_nobody_by_udp() {
    let spread = |engine: &mut Engine, to: Stream, froms: &[Channel]| {
        let places = froms.iter().filter_map(|from| match from {
            Channel::CastAt(at) => Some(*at),
            _ => None,
        });
        engine.spread(to, places.collect());
    };
    one_stands_still("still-udp", Channel::CastFrom(HOST), || Channel::CastAt(place()), spread);
}

#[test]
fn reader_that_stands_still_is_put_aside_in_memory() {
    one_stands_still("still-ipc", Channel::CastIpc, || Channel::CastIpc, |_, _, _| {});
}
