use proptest::prelude::*;
use wire::link::{Progress, Reply};
use wire::{LogPosition, PartitionId, Sequence, SessionId};

use super::*;

fn reply(number: u64, payload: &[u8]) -> Vec<u8> {
    let (session, sequence) = (SessionId::new(7), Sequence::new(number));
    let reply = Reply { partition: PartitionId::new(1), session, sequence, position: LogPosition::new(number) };
    let mut bytes = Vec::new();
    Frame::Reply(reply, payload).encode(&mut bytes);
    bytes
}

fn seen(inbox: &mut Inbox, bytes: &[u8], into: &mut Vec<(u64, Vec<u8>)>) -> Option<()> {
    inbox.cut(bytes, |frame| {
        match frame {
            Frame::Reply(reply, payload) => into.push((reply.sequence.get(), payload.to_vec())),
            Frame::Progress(progress) => into.push((progress.position.get(), Vec::new())),
            _ => unreachable!("nothing else was sent"),
        }
        true
    })
}

proptest! {
    #[test]
    fn frames_are_the_same_however_their_bytes_come(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 1..20),
        cuts in prop::collection::vec(1_usize..120, 1..60),
    ) {
        let sent: Vec<(u64, Vec<u8>)> = (1..).zip(payloads).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|(number, payload)| reply(*number, payload)).collect();
        let (mut inbox, mut came, mut rest) = (Inbox::default(), Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            seen(&mut inbox, now, &mut came).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(came, sent);
        prop_assert!(inbox.begun.is_empty());
    }
}

#[test]
fn what_is_no_frame_is_told_however_its_bytes_come() {
    let too_long = u32::MAX.to_le_bytes();
    assert_eq!(Inbox::default().cut(&too_long, |_| true), None);
    let mut inbox = Inbox::default();
    assert_eq!(inbox.cut(&too_long[..3], |_| true), Some(()));
    assert_eq!(inbox.cut(&too_long[3..], |_| true), None);
    let unknown = [1, 0, 0, 0, 255];
    let mut inbox = Inbox::default();
    assert_eq!(inbox.cut(&unknown[..4], |_| true), Some(()));
    assert_eq!(inbox.cut(&unknown[4..], |_| true), None);
}

#[test]
fn nothing_is_read_after_a_frame_that_ends_the_connection() {
    let mut progress = Vec::new();
    let of = |position| Progress { partition: PartitionId::new(1), position: LogPosition::new(position) };
    Frame::Progress(of(1)).encode(&mut progress);
    Frame::Progress(of(2)).encode(&mut progress);
    for begun in [0, 5] {
        let (mut inbox, mut count) = (Inbox::default(), 0);
        inbox.cut(&progress[..begun], |_| true).unwrap();
        let ended = inbox.cut(&progress[begun..], |_| {
            count += 1;
            false
        });
        assert_eq!((ended, count), (Some(()), 1));
    }
}
