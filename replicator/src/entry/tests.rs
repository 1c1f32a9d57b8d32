use proptest::prelude::*;
use wire::{Origin, Sequence, SessionId, Timestamp};

use super::{Batch, BatchWriter, Kind, check};

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        any::<u128>().prop_map(Kind::OpenSession),
        any::<(u64, u64, u64)>().prop_map(|(session, sequence, below)| Kind::Request {
            origin: Origin { session: SessionId::new(session), sequence: Sequence::new(sequence) },
            acknowledged_below: Sequence::new(below),
        }),
        Just(Kind::Internal),
        any::<u16>().prop_map(Kind::Version),
        any::<(u64, u32)>().prop_map(|(position, step)| {
            Kind::Quarantine(crate::Spot { position: wire::LogPosition::new(position), step })
        }),
    ]
}

proptest! {
    #[test]
    fn a_batch_reads_back_as_it_was_written(
        commands in prop::collection::vec((kind(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        nanos: u64,
    ) {
        let mut writer = BatchWriter::new(64);
        for (kind, payload) in &commands {
            writer.push(*kind, payload);
        }
        let data = writer.finish(Timestamp::from_nanos(nanos));
        prop_assert!(check(&data).is_ok());
        let mut batch = Batch::decode(&data).unwrap();
        prop_assert_eq!(batch.timestamp.nanos(), nanos);
        for (kind, payload) in &commands {
            let read = batch.next_command().unwrap().unwrap();
            prop_assert_eq!(read.kind, *kind);
            prop_assert_eq!(read.payload, &payload[..]);
        }
        prop_assert_eq!(batch.next_command(), Ok(None));
        for len in 1..data.len() {
            prop_assert!(check(&data[..len]).is_err(), "cut to {} bytes", len);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&data);
    }
}

#[test]
fn the_empty_entry_of_a_new_leader_is_legal() {
    assert_eq!(check(&[]), Ok(()));
}
