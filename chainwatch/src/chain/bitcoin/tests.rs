use bitcoin::absolute::LockTime;
use bitcoin::block::Version;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::transaction::Version as TxVersion;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Txid, Witness};

use super::*;

/// Bitcoin's block 0.
const BITCOIN_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
/// Litecoin's block 0.
const LITECOIN_GENESIS: &str = "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97b9aa8e4ef0ff0f1ecd513f7c";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

#[test]
fn known_headers_have_their_proof_of_work_under_their_own_hash_only() {
    let bitcoin = BitcoinRules::bitcoin().header(&bytes(BITCOIN_GENESIS)).unwrap();
    let rules = crate::chain::ChainRules::Bitcoin(BitcoinRules::bitcoin());
    assert_eq!(rules.hash_text(bitcoin.hash.0), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!(bitcoin.work, 0x1_0001_0001);
    let litecoin = BitcoinRules::litecoin().header(&bytes(LITECOIN_GENESIS)).unwrap();
    assert_eq!(rules.hash_text(litecoin.hash.0), "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2");
    assert_eq!(BitcoinRules::bitcoin().header(&bytes(LITECOIN_GENESIS)), Err(Lie::ProofOfWork));
    let mut nonce_changed = bytes(LITECOIN_GENESIS);
    nonce_changed[79] ^= 1;
    assert_eq!(BitcoinRules::litecoin().header(&nonce_changed), Err(Lie::ProofOfWork));
    assert_eq!(BitcoinRules::litecoin().header(&nonce_changed[..79]), Err(Lie::HeaderHash));
}

#[test]
fn a_header_may_not_choose_an_easier_target_than_the_chains_limit() {
    let mut easy = bytes(BITCOIN_GENESIS);
    easy[72..76].copy_from_slice(&0x207f_ffff_u32.to_le_bytes());
    assert_eq!(BitcoinRules::bitcoin().header(&easy), Err(Lie::ProofOfWork));
}

/// Bitcoin's first retarget that changed anything: blocks 30240 to 32255 took less than two weeks.
#[test]
fn the_target_of_a_new_period_follows_from_the_one_before() {
    let rules = BitcoinRules::bitcoin();
    let hash = |height: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&height.to_le_bytes());
        BlockHash(hash)
    };
    let first = Head { height: Height(30_240), hash: hash(30_240) };
    let root = Placed { head: first, parent: hash(0), time_s: 1_261_130_161, chain_work: 0, bits: 0x1d00_ffff };
    let mut tree = HeaderTree::new(root);
    for height in 30_241..=32_255 {
        let time_s = if height == 32_255 { 1_262_152_739 } else { 0 };
        let (of, parent) = (hash(height), hash(height - 1));
        tree.place(&Header { hash: of, parent, height: None, time_s, work: 1, bits: 0x1d00_ffff }).unwrap();
    }
    let next = |bits| Header { hash: hash(32_256), parent: hash(32_255), height: None, time_s: 0, work: 1, bits };
    assert_eq!(rules.check_in_place(&next(0x1d00_d86a), &tree), Ok(()));
    assert_eq!(rules.check_in_place(&next(0x1d00_ffff), &tree), Err(Lie::ProofOfWork));
    assert_eq!(rules.check_in_place(&next(0x1d00_d86b), &tree), Err(Lie::ProofOfWork));
    let early = Header { hash: hash(1), parent: hash(31_000), height: None, time_s: 0, work: 1, bits: 0x1d00_d86a };
    assert_eq!(rules.check_in_place(&early, &tree), Err(Lie::ProofOfWork), "only a new period changes the target");
}

fn pay(from: u8, to: &[u8], sats: u64) -> Transaction {
    let outpoint = OutPoint { txid: Txid::from_byte_array([from; 32]), vout: 3 };
    Transaction {
        version: TxVersion::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: outpoint,
            script_sig: ScriptBuf::from_bytes(vec![from; 30]),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(sats), script_pubkey: ScriptBuf::from_bytes(to.to_vec()) }],
    }
}

fn coinbase() -> Transaction {
    let mut tx = pay(1, b"miner", 50);
    tx.input[0].previous_output = OutPoint::null();
    tx
}

/// A regtest block, mined for `rules`.
fn mined(rules: &BitcoinRules, txdata: Vec<Transaction>) -> Block {
    let header = RawHeader {
        version: Version::TWO,
        prev_blockhash: bitcoin::BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1,
        bits: CompactTarget::from_consensus(rules.limit_bits),
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while rules.header(&serialize(&block.header)).is_err() {
        block.header.nonce += 1;
    }
    block
}

fn head(block: &Block) -> Head {
    Head { height: Height(1), hash: BlockHash(block.block_hash().to_byte_array()) }
}

#[test]
fn a_block_whose_transactions_have_the_headers_root_is_read() {
    let rules = BitcoinRules::litecoin_regtest();
    let block = mined(&rules, vec![coinbase(), pay(7, b"alice", 1_000), pay(8, b"bob", 2_000)]);
    let verified = rules.block(head(&block), &serialize(&block)).unwrap();
    assert!(verified.transactions[0].is_coinbase && verified.transactions[0].spends.is_empty());
    let alice = &verified.transactions[1];
    assert_eq!(alice.spends, [DepositId { tx: TxId([7; 32]), output: 3 }]);
    let transfer = &alice.transfers[0];
    assert_eq!((transfer.to.0.as_slice(), transfer.amount, transfer.id.output), (b"alice".as_slice(), 1_000, 0));
    assert_eq!(transfer.id.tx, alice.id);
}

#[test]
fn a_changed_added_omitted_or_repeated_transaction_is_a_lie() {
    let rules = BitcoinRules::litecoin_regtest();
    let block = mined(&rules, vec![coinbase(), pay(7, b"alice", 1_000), pay(8, b"bob", 2_000)]);
    let lie = |change: &dyn Fn(&mut Block)| {
        let mut forged = block.clone();
        change(&mut forged);
        rules.block(head(&block), &serialize(&forged)).unwrap_err()
    };
    assert_eq!(lie(&|forged| forged.txdata[1].output[0].value = Amount::from_sat(1_000_000)), Lie::Transactions);
    assert_eq!(lie(&|forged| forged.txdata.push(pay(9, b"mallory", 1))), Lie::Transactions);
    assert_eq!(lie(&|forged| drop(forged.txdata.remove(1))), Lie::Transactions);
    // The root of three is the root of four whose last is repeated.
    assert_eq!(lie(&|forged| forged.txdata.push(pay(8, b"bob", 2_000))), Lie::Transactions);
    assert_eq!(lie(&|forged| forged.header.time = 2), Lie::HeaderHash);
    assert_eq!(rules.block(head(&block), &serialize(&block)[..99]), Err(Lie::Transactions));
}

fn sixty_four_bytes() -> Transaction {
    let mut tx = pay(7, &[0x51; 4], 1_000);
    tx.input[0].script_sig = ScriptBuf::new();
    assert_eq!(tx.base_size(), 64);
    tx
}

#[test]
fn a_transaction_of_64_bytes_is_as_good_as_any_in_a_block_and_proves_nothing_alone() {
    let rules = BitcoinRules::litecoin_regtest();
    let block = mined(&rules, vec![coinbase(), sixty_four_bytes()]);
    let whole = rules.block(head(&block), &serialize(&block)).unwrap();
    assert_eq!(whole.transactions.len(), 2, "whoever sends the block as it is does not lie");
    let tx = sixty_four_bytes();
    let proof = MerkleBlock::from_block_with_predicate(&block, |id| *id == tx.compute_txid());
    let refused = rules.inclusion(head(&block).hash, &serialize(&proof), &serialize(&tx));
    assert_eq!(refused, Ok(None));
}

#[test]
fn what_is_pooled_under_a_name_and_not_read_as_that_moves_nothing() {
    let rules = BitcoinRules::litecoin_regtest();
    let alice = pay(7, b"alice", 1_000);
    let id = TxId(alice.compute_txid().to_byte_array());
    let bytes = serialize(&alice);
    assert_eq!(rules.pooled(id, &bytes).transfers.len(), 1);
    let mut marked = bytes.clone();
    // The flag of Litecoin's extension blocks.
    marked.splice(4..4, [0, 8]);
    for unread in [&marked[..], &bytes[..bytes.len() - 1], &serialize(&pay(8, b"bob", 2_000))] {
        let found = rules.pooled(id, unread);
        assert_eq!((found.id, found.transfers.len()), (id, 0));
    }
}

#[test]
fn a_proof_shows_its_own_transaction_in_its_own_block_only() {
    let rules = BitcoinRules::litecoin_regtest();
    let (alice, bob) = (pay(7, b"alice", 1_000), pay(8, b"bob", 2_000));
    let block = mined(&rules, vec![coinbase(), alice.clone(), bob.clone()]);
    let other = mined(&rules, vec![coinbase(), bob.clone()]);
    let proof = serialize(&MerkleBlock::from_block_with_predicate(&block, |id| *id == alice.compute_txid()));
    let at = head(&block).hash;
    assert!(rules.inclusion(at, &proof, &serialize(&alice)).unwrap().is_some());
    assert_eq!(rules.inclusion(at, &proof, &serialize(&bob)), Err(Lie::Inclusion));
    assert_eq!(rules.inclusion(head(&other).hash, &proof, &serialize(&alice)), Err(Lie::HeaderHash));
    assert_eq!(rules.inclusion(at, &proof[..proof.len() - 1], &serialize(&alice)), Err(Lie::Inclusion));
}
