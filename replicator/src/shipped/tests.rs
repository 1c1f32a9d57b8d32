use super::*;

fn piece() -> Shipped {
    let entry = |index: u64, data: &[u8], kind| {
        let mut entry = Entry { index, term: 3, data: data.to_vec().into(), ..Entry::default() };
        entry.set_entry_type(kind);
        entry
    };
    let entries = vec![
        entry(7, b"first", EntryType::EntryNormal),
        entry(8, b"", EntryType::EntryNormal),
        entry(9, b"members", EntryType::EntryConfChangeV2),
    ];
    let (partition, epoch) = (PartitionId::new(2), ClusterEpoch::new(5));
    Shipped { partition, epoch, timestamp: Timestamp::from_nanos(99), entries }
}

#[test]
fn a_piece_is_read_as_it_was_written() {
    let bytes = piece().encode();
    assert_eq!(Shipped::decode(&bytes), Ok(piece()));
}

#[test]
fn a_piece_that_is_cut_short_anywhere_is_refused() {
    let bytes = piece().encode();
    for len in 0..bytes.len() {
        let error = Shipped::decode(&bytes[..len]).unwrap_err();
        assert!(matches!(error, ShippedError::Truncated | ShippedError::Damaged), "{len}: {error}");
    }
}

#[test]
fn a_piece_with_any_other_bit_is_refused() {
    let bytes = piece().encode();
    for at in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[at / 8] ^= 1 << (at % 8);
        assert!(Shipped::decode(&other).is_err(), "bit {at}");
    }
}

#[test]
fn a_whole_piece_of_another_version_says_so() {
    let mut bytes = piece().encode();
    bytes.truncate(bytes.len() - 4);
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    assert_eq!(Shipped::decode(&bytes), Err(ShippedError::OtherVersion(2)));
}
