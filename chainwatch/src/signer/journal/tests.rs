use std::path::PathBuf;

use wire::{ChainAddress, ChainHash, ChainInputs, Text, TransactionBytes, WithdrawalId};

use super::*;

fn record(withdrawal: u64) -> Record {
    let text = |text: &str| Text::new(text.as_bytes()).unwrap();
    let payment = Payment {
        chain: Text::new(b"ETH").unwrap(),
        withdrawal: WithdrawalId::new(withdrawal),
        contract: ChainAddress::EMPTY,
        address: text("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        amount: 5,
        outputs: Vec::new(),
        inputs: ChainInputs::EMPTY,
        nonce: withdrawal,
        network_fee: 21_000,
        gas_limit: 21_000,
        tip_per_gas: 1,
        purpose: wire::WithdrawalPurpose::Payment,
        key: 0,
    };
    let bytes = TransactionBytes::new(vec![7; 100]).unwrap();
    Record { at_s: 1_000, payment, signed: Some(Signed { tx: ChainHash([withdrawal as u8; 32]), bytes }) }
}

/// A journal of two records, its bytes, and where they end.
fn two_records() -> (tempfile::TempDir, PathBuf, Vec<u8>, [usize; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let (mut journal, _) = Journal::open(&path).unwrap();
    let ends = [1, 2].map(|number| {
        journal.append(&record(number)).unwrap();
        std::fs::metadata(&path).unwrap().len() as usize
    });
    drop(journal);
    let bytes = std::fs::read(&path).unwrap();
    (directory, path, bytes, ends)
}

#[test]
fn a_bit_that_rotted_anywhere_is_an_error_and_the_file_keeps_its_length() {
    let (_directory, path, bytes, _) = two_records();
    for at in 0..bytes.len() {
        for bit in [0, at % 8, 7] {
            let mut rotten = bytes.clone();
            rotten[at] ^= 1 << bit;
            std::fs::write(&path, &rotten).unwrap();
            let Err(error) = Journal::open(&path) else { panic!("bit {bit} of byte {at}") };
            assert!(error.to_string().contains("damaged at byte"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), rotten, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_last_record_that_was_cut_short_anywhere_is_cut_off_and_no_other() {
    let (_directory, path, bytes, ends) = two_records();
    let is_tried = |end: &usize| *end <= ends[0] + HEADER_LEN + 1 || end.is_multiple_of(16) || *end + 2 > bytes.len();
    for end in (ends[0]..=bytes.len()).filter(is_tried) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let (_, records) = Journal::open(&path).unwrap();
        let whole = ends.iter().filter(|at| **at <= end).count();
        assert_eq!(records, [record(1), record(2)][..whole], "cut at {end}");
        assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, ends[whole - 1]);
    }
}

#[test]
fn after_a_record_that_could_not_be_written_nothing_is_appended_any_more() {
    let (_directory, path, bytes, _) = two_records();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let good = journal.file.try_clone().unwrap();
    journal.fail_from_now_on();
    assert!(journal.append(&record(3)).is_err());
    journal.file = good;
    assert!(journal.append(&record(4)).is_err(), "the disk has room again, and nobody knows what became of the third");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
