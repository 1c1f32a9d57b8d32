use super::*;

fn block(height: u64, branch: u8) -> ConnectedBlock {
    let mut hash = [branch; 32];
    hash[..8].copy_from_slice(&height.to_le_bytes());
    let head = Head { height: Height(height), hash: BlockHash(hash) };
    let transfer = |asset, output| Transfer {
        id: DepositId { tx: TxId([branch; 32]), output },
        to: Destination(vec![7; 22]),
        asset,
        amount: u128::MAX,
    };
    ConnectedBlock {
        placed: Placed { head, parent: BlockHash([1; 32]), time_s: 5, chain_work: 9, bits: 3 },
        kept: Kept {
            transfers: vec![transfer(ChainAsset::Native, 0), transfer(ChainAsset::Token([9; 20]), 4)],
            spendings: vec![
                Spending {
                    tx: TxId([6; 32]),
                    spends: vec![DepositId { tx: TxId([5; 32]), output: 3 }],
                    execution: None,
                    key: 0,
                },
                Spending {
                    tx: TxId([7; 32]),
                    spends: Vec::new(),
                    execution: Some(Execution { nonce: u64::MAX, network_fee: 8, is_undone: true }),
                    key: 7,
                },
            ],
        },
    }
}

#[test]
fn connected_blocks_are_there_after_a_restart_and_disconnected_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = BlockStore::open(directory.path(), "evm").unwrap();
    assert_eq!(store.tip().unwrap(), None);
    for height in 250..=260 {
        store.connect(&block(height, 0), 100).unwrap();
    }
    store.disconnect_above(Height(256)).unwrap();
    store.connect(&block(257, 1), 100).unwrap();
    drop(store);
    let store = BlockStore::open(directory.path(), "evm").unwrap();
    assert_eq!(store.tip().unwrap(), Some(block(257, 1)));
    assert_eq!(store.above(Height(255)).unwrap(), [block(256, 0), block(257, 1)]);
    assert_eq!(store.root().unwrap(), Some(block(250, 0)));
}

#[test]
fn what_lies_deeper_than_the_depth_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let store = BlockStore::open(directory.path(), "ltc").unwrap();
    for height in 1..=30 {
        store.connect(&block(height, 0), 12).unwrap();
    }
    assert_eq!(store.root().unwrap().unwrap().placed.head.height, Height(18));
}

#[test]
fn a_record_that_was_cut_or_is_of_another_version_is_refused() {
    let whole = encode(&block(5, 0));
    assert_eq!(decode(&key(Height(5)), &whole).unwrap(), block(5, 0));
    assert!(decode(&key(Height(5)), &whole[..whole.len() - 1]).is_err());
    let mut other = whole;
    other[0] = FORMAT + 1;
    assert!(decode(&key(Height(5)), &other).is_err());
}
