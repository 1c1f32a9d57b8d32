use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const PARTITION: PartitionId = PartitionId::new(2);

fn frames() -> Vec<Frame<'static>> {
    let (partition, session, sequence) = (PARTITION, SessionId::new(11), Sequence::new(12));
    let (position, leader, epoch) = (LogPosition::new(13), NodeId::new(3), ClusterEpoch::new(1));
    let origin = Origin { session, sequence };
    vec![
        Frame::Hello(Hello {
            protocol: PROTOCOL,
            epoch,
            role: Role::Gateway,
            name: Text::new(b"gateway-1").unwrap(),
            node: NodeId::new(0),
        }),
        Frame::Welcome(Welcome { protocol: PROTOCOL, epoch, node: leader }),
        Frame::Ping(Ping { nonce: 1 }),
        Frame::Pong(Pong { nonce: 1 }),
        Frame::Leader(Leader { partition, leader, term: Term::new(4) }),
        Frame::Members(MembersOf { partition, index: 9 }, b"places"),
        Frame::ChangeMembers(ChangeMembers {
            partition,
            token: 6,
            change: MemberChange::Add,
            node: NodeId::new(4),
            place: Place::of(Some((core::net::Ipv4Addr::LOCALHOST, 7104).into())),
            instead_of: leader,
            version: 0,
        }),
        Frame::MembersAnswer(MembersAnswer { partition, token: 6, outcome: MemberOutcome::UnderWay }),
        Frame::OpenSession(OpenSession { partition, nonce: 5 }),
        Frame::SessionOpened(SessionOpened { partition, nonce: 5, session }),
        Frame::Request(Request { partition, session, sequence, acknowledged_below: sequence }, b"command"),
        Frame::Reply(Reply { partition, session, sequence, position }, b"reply"),
        Frame::Refused(Refused { partition, session, sequence, refusal: Refusal::NotLeader, detail: 3 }),
        Frame::ReadIndex(ReadIndex { partition, token: 6 }),
        Frame::ReadReady(ReadReady { partition, token: 6, position }),
        Frame::ReadRefused(ReadRefused { partition, token: 6, refusal: Refusal::Busy, detail: 0 }),
        Frame::Subscribe(Subscribe { partition, from: position }),
        Frame::Unsubscribe(Unsubscribe { partition }),
        Frame::Events(Events { partition, position, timestamp: Timestamp::from_nanos(7), origin }, b"events"),
        Frame::Progress(Progress { partition, position }),
        Frame::SubscribeRefused(SubscribeRefused { partition, refusal: Refusal::PositionGone, detail: 9 }),
        Frame::Raft(PartitionMessage { partition }, b"raft"),
        Frame::Mail(PartitionMessage { partition }, b""),
        Frame::BypassOpen(BypassOpen {
            bypass: 14,
            key: BypassKey::new([15; 32]),
            place: Place::of(Some((core::net::Ipv4Addr::LOCALHOST, 7301).into())),
            stream: 16,
        }),
        Frame::BypassSeen(BypassSeen { bypass: 14, number: 17 }),
        Frame::JoinCast(JoinCast { partition, place: Place::of(Some((core::net::Ipv4Addr::LOCALHOST, 7401).into())) }),
        Frame::CastOpen(CastOpen {
            partition,
            cast: 18,
            key: BypassKey::new([19; 32]),
            place: Place::default(),
            stream: 20,
        }),
        Frame::CastSent(CastSent { partition, position }),
    ]
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

#[test]
fn every_frame_reads_back_as_it_was() {
    for frame in frames() {
        let bytes = encoded(&frame);
        let (body, taken) = split(&bytes, CLIENT_BODY_MAX).unwrap().unwrap();
        assert_eq!(taken, bytes.len());
        assert_eq!(Frame::decode(body), Ok(frame));
    }
}

#[test]
fn frames_follow_each_other_in_one_stream() {
    let stream: Vec<u8> = frames().iter().flat_map(encoded).collect();
    let (mut rest, mut found) = (&stream[..], Vec::new());
    while let Some((body, taken)) = split(rest, CLIENT_BODY_MAX).unwrap() {
        found.push(Frame::decode(body).unwrap());
        rest = &rest[taken..];
    }
    assert_eq!(found, frames());
    assert!(rest.is_empty());
}

#[test]
fn incomplete_frame_is_waited_for() {
    let bytes = encoded(&frames()[0]);
    for end in 0..bytes.len() {
        assert_eq!(split(&bytes[..end], CLIENT_BODY_MAX), Ok(None));
    }
}

#[test]
fn body_cut_short_is_truncated_wherever_it_has_fixed_fields() {
    for frame in frames() {
        let bytes = encoded(&frame);
        let payload = match frame {
            Frame::Request(_, p) | Frame::Reply(_, p) | Frame::Events(_, p) | Frame::Raft(_, p) => p.len(),
            Frame::Mail(_, p) | Frame::Members(_, p) => p.len(),
            _ => 0,
        };
        for end in HEADER_LEN..bytes.len() - payload {
            assert_eq!(Frame::decode(&bytes[HEADER_LEN..end]), Err(CodecError::Truncated), "{frame:?} at {end}");
        }
    }
}

#[test]
fn body_longer_than_allowed_is_refused_by_its_header_alone() {
    let header = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    assert_eq!(split(&header(CLIENT_BODY_MAX), CLIENT_BODY_MAX), Ok(None));
    assert_eq!(split(&header(CLIENT_BODY_MAX + 1), CLIENT_BODY_MAX), Err(CodecError::TooLong));
    assert_eq!(split(&[0xff; 4], PEER_BODY_MAX), Err(CodecError::TooLong));
}

#[test]
fn empty_body_unknown_tag_and_trailing_bytes_are_refused() {
    assert_eq!(Frame::decode(&[]), Err(CodecError::Truncated));
    assert_eq!(Frame::decode(&[0]), Err(CodecError::UnknownNumber));
    let mut ping = encoded(&Frame::Ping(Ping { nonce: 1 }));
    ping.push(0);
    assert_eq!(Frame::decode(&ping[HEADER_LEN..]), Err(CodecError::TrailingBytes));
}

proptest! {
    #[test]
    fn random_bodies_never_panic_and_what_reads_writes_back(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = Frame::decode(&body) {
            prop_assert_eq!(&encoded(&frame)[HEADER_LEN..], &body[..]);
        }
    }
}

#[test]
fn members_and_their_places_read_back_as_they_were() {
    let v4 = "10.1.2.3:7101".parse().unwrap();
    let v6 = "[2001:db8::1]:7101".parse().unwrap();
    let places = [Some(v4), Some(v6), None];
    let member = |(at, node): (usize, Option<core::net::SocketAddr>)| MemberPlace {
        node: NodeId::new(at as u64 + 1),
        place: Place::of(node),
        votes: at == 0,
        stays_learner: at == 2,
        is_draining: at == 2,
    };
    let members: Vec<MemberPlace> = places.into_iter().enumerate().map(member).collect();
    assert!(members.iter().map(|member| member.place.address()).eq(places));
    let bytes = encode_places(&members);
    assert_eq!(decode_places(&bytes), Ok(members));
    for len in 0..bytes.len() {
        assert!(decode_places(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn a_bypass_keeps_its_key_to_itself() {
    let open = BypassOpen { bypass: 1, key: BypassKey::new([0xAB; 32]), place: Place::default(), stream: 2 };
    let shown = alloc::format!("{:?}", Frame::BypassOpen(open));
    assert!(shown.contains("BypassKey") && !shown.contains("171") && !shown.to_lowercase().contains("ab, "), "{shown}");
}
