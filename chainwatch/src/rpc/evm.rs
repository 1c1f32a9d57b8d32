//! What is asked of EVM nodes, in the names of the execution API specification.

use serde_json::{Value, json};

use super::{RpcClient, Told, absent};
use crate::chain::evm::EvmRules;
use crate::chain::{Lie, VerifiedBlock};
use crate::pool::{Failure, Report};
use crate::tree::Header;
use crate::{BlockHash, Head};

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
    let receipts = present(results.next().unwrap_or(Value::Null), "receipts")?;
    Ok(rules.block(head, &block, &receipts)?)
}

fn present(value: Value, what: &str) -> Result<Value, Told> {
    if value.is_null() { Err(absent(what)) } else { Ok(value) }
}

fn text(hash: [u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}
