//! What is asked of EVM nodes, in the names of the execution API specification.

use serde_json::{Value, json};

use super::{RpcClient, Told, absent};
use crate::chain::evm::EvmRules;
use crate::chain::{ChainTransaction, Lie, VerifiedBlock};
use crate::pool::{Failure, Report};
use crate::tree::Header;
use crate::{BlockHash, Head, TxId};

/// The node's head and what it calls final, with the verified header of the head.
pub(crate) async fn report(rpc: &RpcClient, rules: &EvmRules) -> Result<(Report, Header), Told> {
    let calls = [
        ("eth_chainId", json!([])),
        ("eth_getBlockByNumber", json!(["latest", false])),
        ("eth_getBlockByNumber", json!(["finalized", false])),
    ];
    let results = rpc.batch(&calls).await?;
    let [chain_id, latest, finalized] = &results[..] else { return Err(Told::Failed(Failure::Malformed)) };
    let chain_id = chain_id.as_str().and_then(|id| u64::from_str_radix(id.strip_prefix("0x")?, 16).ok());
    if chain_id.ok_or(Told::Failed(Failure::Malformed))? != rules.chain_id {
        return Err(Lie::WrongChain.into());
    }
    if latest.is_null() {
        return Err(Told::Failed(Failure::Malformed));
    }
    let head = rules.header(latest)?;
    let finalized = if finalized.is_null() { None } else { Some(rules.header(finalized)?) };
    let finalized = finalized.and_then(|header| Some(Head { height: header.height?, hash: header.hash }));
    Ok((Report { head: head.hash, finalized }, head))
}

/// One header, verified.
pub(crate) async fn header(rpc: &RpcClient, rules: &EvmRules, hash: BlockHash) -> Result<Header, Told> {
    let block = rpc.call("eth_getBlockByHash", json!([text(hash.0), false])).await?;
    let header = rules.header(&present(block, "block")?)?;
    if header.hash == hash { Ok(header) } else { Err(Lie::HeaderHash.into()) }
}

/// One whole block, verified.
pub(crate) async fn block(rpc: &RpcClient, rules: &EvmRules, head: Head) -> Result<VerifiedBlock, Told> {
    let hash = text(head.hash.0);
    let calls = [("eth_getBlockByHash", json!([hash, true])), ("eth_getBlockReceipts", json!([hash]))];
    let mut results = rpc.batch_for_block(&calls).await?.into_iter();
    let block = present(results.next().unwrap_or(Value::Null), "block")?;
    let receipts = match results.next().unwrap_or(Value::Null) {
        Value::Null => receipts_by_height(rpc, head, &block).await?,
        receipts => receipts,
    };
    Ok(rules.block(head, &block, &receipts)?)
}

/// The receipts of a block that a node has, and does not find by its hash: not every implementation looks for them by one.
async fn receipts_by_height(rpc: &RpcClient, head: Head, block: &Value) -> Result<Value, Told> {
    let found = rpc.call_for_block("eth_getBlockReceipts", json!([format!("{:#x}", head.height.0)])).await?;
    if are_of(&found, head.hash, block) { Ok(found) } else { Err(absent("receipts")) }
}

/// Whether receipts say that they are of this block. Those of another that the node's chain has at that height by now
/// are no lie, and no answer.
fn are_of(receipts: &Value, hash: BlockHash, block: &Value) -> bool {
    let (Some(receipts), Some(transactions)) = (receipts.as_array(), block["transactions"].as_array()) else {
        return false;
    };
    let hash = text(hash.0);
    let says_so = |receipt: &Value| receipt["blockHash"].as_str().is_some_and(|of| of.eq_ignore_ascii_case(&hash));
    receipts.len() == transactions.len() && receipts.iter().all(says_so)
}

/// The block that the node would make now: what it has in no block, as far as that fits in one.
pub(crate) async fn pooled(rpc: &RpcClient, rules: &EvmRules) -> Result<Vec<ChainTransaction>, Told> {
    let pending = rpc.call_for_block("eth_getBlockByNumber", json!(["pending", true])).await?;
    Ok(rules.pooled(&present(pending, "block to come")?))
}

/// Hands a transaction on.
pub(crate) async fn send(rpc: &RpcClient, bytes: &[u8]) -> Result<(), Told> {
    rpc.call("eth_sendRawTransaction", json!([format!("0x{}", hex::encode(bytes))])).await.map(drop)
}

/// Which of these transactions the node has, among what it would mine or on its chain.
pub(crate) async fn has(rpc: &RpcClient, txs: &[TxId]) -> Result<Vec<bool>, Told> {
    let calls: Vec<_> = txs.iter().map(|tx| ("eth_getTransactionByHash", json!([text(tx.0)]))).collect();
    Ok(rpc.batch(&calls).await?.iter().map(|known| !known.is_null()).collect())
}

/// What the node would pay per unit of gas at most, twice what a block asks for and a tip; and that tip. Not every implementation
/// has a word for tips: then what the
/// last blocks were paid says it, or what the node would pay in all.
pub(crate) async fn fee(rpc: &RpcClient) -> Result<(u128, u128), Told> {
    let (base, tip) = match told_tip(rpc).await {
        Err(Told::Refused { .. }) => match paid_tip(rpc).await {
            Err(Told::Refused { .. }) => left_tip(rpc).await?,
            paid => paid?,
        },
        told => told?,
    };
    Ok((base.saturating_mul(2).saturating_add(tip), tip))
}

const MALFORMED: Told = Told::Failed(Failure::Malformed);

/// The last block's base fee, and the tip that the node names.
async fn told_tip(rpc: &RpcClient) -> Result<(u128, u128), Told> {
    let calls = [("eth_getBlockByNumber", json!(["latest", false])), ("eth_maxPriorityFeePerGas", json!([]))];
    let results = rpc.batch(&calls).await?;
    let [latest, tip] = &results[..] else { return Err(MALFORMED) };
    Ok((number(&latest["baseFeePerGas"]).ok_or(MALFORMED)?, number(tip).ok_or(MALFORMED)?))
}

/// The next block's base fee, and of what the last blocks' middle transactions have tipped the middle.
async fn paid_tip(rpc: &RpcClient) -> Result<(u128, u128), Told> {
    let history = rpc.call("eth_feeHistory", json!([format!("{TIPS_OF_BLOCKS:#x}"), "latest", [50]])).await?;
    let base = history["baseFeePerGas"].as_array().and_then(|fees| number(fees.last()?)).ok_or(MALFORMED)?;
    let rewards = history["reward"].as_array().into_iter().flatten();
    let mut tips = rewards.map(|reward| number(&reward[0])).collect::<Option<Vec<u128>>>().ok_or(MALFORMED)?;
    // Empty blocks have tipped nothing, and that would be too little.
    tips.retain(|tip| *tip > 0);
    tips.sort_unstable();
    Ok((base, tips.get(tips.len() / 2).copied().unwrap_or(TIP_LEAST)))
}

/// The last block's base fee, and what the node would pay beyond it.
async fn left_tip(rpc: &RpcClient) -> Result<(u128, u128), Told> {
    let calls = [("eth_getBlockByNumber", json!(["latest", false])), ("eth_gasPrice", json!([]))];
    let results = rpc.batch(&calls).await?;
    let [latest, price] = &results[..] else { return Err(MALFORMED) };
    let (base, price) = (number(&latest["baseFeePerGas"]).ok_or(MALFORMED)?, number(price).ok_or(MALFORMED)?);
    Ok((base, price.saturating_sub(base).max(TIP_LEAST)))
}

/// Blocks whose tips are looked at.
const TIPS_OF_BLOCKS: u64 = 20;
/// Where nobody has tipped lately: a thousandth of a gwei, the least that most who build blocks take.
const TIP_LEAST: u128 = 1_000_000;

/// The next nonce of an account, its coins, and its tokens of these contracts, after the block at `height`.
pub(crate) async fn account(
    rpc: &RpcClient,
    account: [u8; 20],
    tokens: &[[u8; 20]],
    height: u64,
) -> Result<(u64, Vec<u128>), Told> {
    let (account, block) = (format!("0x{}", hex::encode(account)), json!(format!("{height:#x}")));
    let mut calls =
        vec![("eth_getTransactionCount", json!([account, block])), ("eth_getBalance", json!([account, block]))];
    let balance_of = format!("{BALANCE_OF}{:0>64}", &account[2..]);
    calls.extend(tokens.iter().map(|token| {
        let call = json!({"to": format!("0x{}", hex::encode(token)), "data": balance_of});
        ("eth_call", json!([call, block]))
    }));
    let results = rpc.batch(&calls).await?;
    let numbers = results.iter().map(number).collect::<Option<Vec<u128>>>();
    let numbers = numbers.ok_or(Told::Failed(Failure::Malformed))?;
    let (nonce, funds) = numbers.split_first().ok_or(Told::Failed(Failure::Malformed))?;
    Ok((u64::try_from(*nonce).map_err(|_| Told::Failed(Failure::Malformed))?, funds.to_vec()))
}

/// `keccak256("balanceOf(address)")`, its first four bytes.
const BALANCE_OF: &str = "0x70a08231";

/// A number of at most 256 bits; more than 128 count as the most of those.
fn number(value: &Value) -> Option<u128> {
    let digits = value.as_str()?.strip_prefix("0x")?.trim_start_matches('0');
    match digits {
        "" => Some(0),
        long if long.len() > 32 => long.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(u128::MAX),
        digits => u128::from_str_radix(digits, 16).ok(),
    }
}

fn present(value: Value, what: &str) -> Result<Value, Told> {
    if value.is_null() { Err(absent(what)) } else { Ok(value) }
}

fn text(hash: [u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

#[cfg(test)]
mod tests;
