use alloy_consensus::{Receipt, ReceiptWithBloom, SignableTransaction, TxLegacy};
use alloy_primitives::{Bytes, LogData, Signature, U256};
use serde_json::json;

use super::*;

const RULES: EvmRules = EvmRules { chain_id: 31_337 };
const TOKEN: Address = Address::repeat_byte(0x70);
const ALICE: Address = Address::repeat_byte(0xa1);

fn pay(nonce: u64, value: u64, chain_id: u64) -> TxEnvelope {
    let tx = TxLegacy {
        chain_id: Some(chain_id),
        nonce,
        gas_price: 1,
        gas_limit: 21_000,
        to: TxKind::Call(ALICE),
        value: U256::from(value),
        input: Bytes::new(),
    };
    tx.into_signed(Signature::test_signature()).into()
}

fn transfer_log(contract: Address, to: B256, amount: &[u8]) -> Log {
    let topics = vec![TRANSFER, B256::repeat_byte(1), to];
    Log { address: contract, data: LogData::new_unchecked(topics, Bytes::copy_from_slice(amount)) }
}

fn amount(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

fn receipt(succeeded: bool, logs: Vec<Log>) -> ReceiptEnvelope {
    let receipt = Receipt { status: succeeded.into(), cumulative_gas_used: 21_000, logs };
    ReceiptEnvelope::Legacy(ReceiptWithBloom::from(receipt))
}

/// A block and its receipts as a node shows them.
fn block(txs: &[TxEnvelope], receipts: &[ReceiptEnvelope]) -> (Head, Value, Value) {
    let header = RawHeader {
        number: 7,
        timestamp: 1_000,
        transactions_root: ordered_trie_root_with_encoder(txs, |tx, out| tx.encode_2718(out)),
        receipts_root: ordered_trie_root_with_encoder(receipts, |receipt, out| receipt.encode_2718(out)),
        ..RawHeader::default()
    };
    let hash = header.hash_slow();
    let mut block = serde_json::to_value(&header).unwrap();
    block["hash"] = json!(hash);
    block["transactions"] = json!(txs);
    (Head { height: Height(7), hash: BlockHash(hash.0) }, block, json!(receipts))
}

#[test]
fn a_header_is_what_its_fields_hash_to() {
    let (head, block, _) = block(&[pay(0, 5, 31_337)], &[receipt(true, vec![])]);
    let header = RULES.header(&block).unwrap();
    assert_eq!((header.hash, header.height, header.time_s), (head.hash, Some(Height(7)), 1_000));
    for field in ["number", "timestamp", "gasUsed"] {
        let mut forged = block.clone();
        forged[field] = json!("0x8");
        assert_eq!(RULES.header(&forged), Err(Lie::HeaderHash), "{field}");
    }
    let mut forged = block.clone();
    forged["hash"] = json!(B256::repeat_byte(9));
    assert_eq!(RULES.header(&forged), Err(Lie::HeaderHash));
    assert_eq!(RULES.header(&Value::Null), Err(Lie::HeaderHash));
}

#[test]
fn values_and_tokens_of_transactions_that_succeeded_are_transfers() {
    let logs = vec![transfer_log(TOKEN, ALICE.into_word(), &amount(900))];
    let (head, block, receipts) = block(
        &[pay(0, 5, 31_337), pay(1, 0, 31_337), pay(2, 8, 31_337)],
        &[receipt(true, vec![]), receipt(true, logs.clone()), receipt(false, logs)],
    );
    let verified = RULES.block(head, &block, &receipts).unwrap();
    let [native, token, failed] = &verified.transactions[..] else { panic!("three transactions") };
    assert_eq!((native.transfers[0].amount, native.transfers[0].asset), (5, ChainAsset::Native));
    assert_eq!(native.transfers[0].id, DepositId { tx: native.id, output: 0 });
    assert_eq!(token.transfers[0].asset, ChainAsset::Token(TOKEN.0.0));
    assert_eq!(token.transfers[0].id, DepositId { tx: token.id, output: 1 });
    assert_eq!((token.transfers[0].amount, &token.transfers[0].to.0[..]), (900, &ALICE.0[..]));
    assert!(failed.transfers.is_empty(), "what failed gives nothing");
}

#[test]
fn forged_amounts_omitted_logs_and_invented_success_are_lies() {
    let logs = vec![transfer_log(TOKEN, ALICE.into_word(), &amount(900))];
    let (head, block, receipts) =
        block(&[pay(0, 0, 31_337), pay(1, 5, 31_337)], &[receipt(true, logs), receipt(false, vec![])]);
    let lie = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut block, mut receipts) = (block.clone(), receipts.clone());
        change(&mut block, &mut receipts);
        RULES.block(head, &block, &receipts).unwrap_err()
    };
    let forged = alloy_primitives::hex::encode_prefixed(amount(900_000));
    assert_eq!(lie(&|_, receipts| receipts[0]["logs"][0]["data"] = json!(forged)), Lie::Receipts);
    assert_eq!(lie(&|_, receipts| receipts[0]["logs"] = json!([])), Lie::Receipts);
    assert_eq!(lie(&|_, receipts| receipts[1]["status"] = json!("0x1")), Lie::Receipts);
    assert_eq!(lie(&|_, receipts| drop(receipts.as_array_mut().unwrap().pop())), Lie::Receipts);
    assert_eq!(lie(&|block, _| block["transactions"][1]["value"] = json!("0x5000")), Lie::Transactions);
    assert_eq!(lie(&|block, _| drop(block["transactions"].as_array_mut().unwrap().pop())), Lie::Transactions);
    assert_eq!(lie(&|block, _| block["number"] = json!("0x8")), Lie::HeaderHash);
    assert_eq!(lie(&|_, receipts| *receipts = Value::Null), Lie::Receipts);
}

#[test]
fn a_transaction_of_another_chain_makes_the_node_one_of_that_chain() {
    let (head, block, receipts) = block(&[pay(0, 5, 1)], &[receipt(true, vec![])]);
    assert_eq!(RULES.block(head, &block, &receipts), Err(Lie::WrongChain));
}

#[test]
fn logs_that_only_look_like_a_token_transfer_are_none() {
    let word = ALICE.into_word();
    let mut logs = vec![
        transfer_log(TOKEN, word, &amount(5)[..31]),
        transfer_log(TOKEN, B256::repeat_byte(0xa1), &amount(5)),
        transfer_log(TOKEN, word, &[0xff; 32]),
        transfer_log(TOKEN, word, &amount(5)),
    ];
    let mut nft = transfer_log(TOKEN, word, &[]);
    nft.data = LogData::new_unchecked(vec![TRANSFER, word, word, B256::with_last_byte(1)], Bytes::new());
    let mut approval = transfer_log(TOKEN, word, &amount(5));
    approval.data = LogData::new_unchecked(vec![B256::repeat_byte(3), word, word], Bytes::from(amount(5)));
    logs.extend([nft, approval]);
    let (head, block, receipts) = block(&[pay(0, 0, 31_337)], &[receipt(true, logs)]);
    let verified = RULES.block(head, &block, &receipts).unwrap();
    let transfers = &verified.transactions[0].transfers;
    assert_eq!(transfers.len(), 1);
    assert_eq!(transfers[0].id.output, 4, "the ordinal counts every log");
}
