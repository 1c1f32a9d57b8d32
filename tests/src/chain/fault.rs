//! How a proxy bends what goes through it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use serde_json::{Value, json};

/// What is wrong with a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Every answer comes later.
    Delay(Duration),
    /// Questions are taken and never answered; nothing is executed.
    Stall,
    /// Questions are executed and never answered.
    ExecuteThenStall,
    /// On connections that were made before, questions are taken and never answered; on new ones all is well.
    Wedge,
    /// The connection is closed instead of an answer; nothing is executed.
    HangUp,
    /// HTTP says this, with a body that is no JSON: 429 too much, 5xx broken.
    Status(u16),
    /// Half of every answer's bytes.
    Truncate,
    /// A JSON-RPC error instead of every answer, at once.
    RpcError,
    /// The head is always what it was when this began.
    FrozenHead,
    /// As [`Fault::FrozenHead`], but the head's timestamp is always fresh (EVM).
    FrozenHeadFreshTime,
    /// The head is so many blocks below the node's own.
    Lag(u64),
    /// The head has another hash than its header.
    ForgedHash,
    /// Amounts are a thousand times what they are: in transactions and in outputs.
    ForgedAmount,
    /// Amounts in receipts' logs are a thousand times what they are, and what failed has succeeded.
    ForgedReceipt,
    /// Receipts have no logs; blocks have all transactions but the last.
    Omission,
    /// Another chain id (EVM).
    WrongChainId,
    /// Transactions are taken with thanks, and thrown away.
    AcceptThenDrop,
    /// Whoever asks what to pay is told this: per 1,000 virtual bytes, or per unit of gas.
    FeeSpike(u64),
}

impl Fault {
    /// The answer that this fault invents without asking the node.
    pub(super) fn invented(&self, call: &Value) -> Option<Value> {
        let result = match (self, call["method"].as_str()?) {
            (Fault::RpcError, _) => {
                return Some(
                    json!({"jsonrpc": "2.0", "id": call["id"], "result": null, "error": {"code": -32_000, "message": "out of order"}}),
                );
            }
            (Fault::WrongChainId, "eth_chainId") => json!("0x1"),
            (Fault::AcceptThenDrop, "sendrawtransaction") => {
                let tx: bitcoin::Transaction = deserialize_hex(call["params"][0].as_str()?).ok()?;
                json!(tx.compute_txid().to_string())
            }
            (Fault::AcceptThenDrop, "eth_sendRawTransaction") => {
                let raw = hex::decode(call["params"][0].as_str()?.strip_prefix("0x")?).ok()?;
                json!(alloy_primitives::keccak256(raw))
            }
            _ => return None,
        };
        Some(json!({"jsonrpc": "2.0", "id": call["id"], "result": result, "error": null}))
    }

    /// Bends an answer to `call`.
    pub(super) fn bend(&self, call: &Value, answer: &mut Value) {
        let method = call["method"].as_str().unwrap_or_default();
        let result = &mut answer["result"];
        match (self, method) {
            (Fault::ForgedHash, "getbestblockhash") => forge_hash(result),
            (Fault::ForgedHash, "eth_getBlockByNumber" | "eth_getBlockByHash") => forge_hash(&mut result["hash"]),
            (Fault::FrozenHeadFreshTime, "eth_getBlockByNumber") if !result.is_null() => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                result["timestamp"] = json!(format!("{now:#x}"));
            }
            (Fault::ForgedAmount, "getblock") => bend_block(result, |block| {
                for output in block.txdata.iter_mut().skip(1).flat_map(|tx| &mut tx.output) {
                    output.value = bitcoin::Amount::from_sat(output.value.to_sat() * 1_000);
                }
            }),
            (Fault::ForgedAmount, "eth_getBlockByHash") => {
                for tx in result["transactions"].as_array_mut().into_iter().flatten().filter(|tx| tx.is_object()) {
                    multiply(&mut tx["value"]);
                }
            }
            (Fault::ForgedReceipt, "eth_getBlockReceipts") => {
                for receipt in result.as_array_mut().into_iter().flatten() {
                    receipt["status"] = json!("0x1");
                    for log in receipt["logs"].as_array_mut().into_iter().flatten() {
                        let data = log["data"].as_str().unwrap_or("0x").to_string();
                        log["data"] = json!(format!("{}ffff", &data[..data.len().saturating_sub(4)]));
                    }
                }
            }
            (Fault::Omission, "eth_getBlockReceipts") => {
                for receipt in result.as_array_mut().into_iter().flatten() {
                    receipt["logs"] = json!([]);
                }
            }
            (Fault::FeeSpike(units), "estimatesmartfee") => {
                *result = json!({"feerate": *units as f64 / 1e8, "blocks": 2})
            }
            (Fault::FeeSpike(units), "eth_maxPriorityFeePerGas") => *result = json!(format!("{units:#x}")),
            (Fault::Omission, "getblock") => bend_block(result, |block| drop(block.txdata.pop())),
            _ => {}
        }
    }
}

fn forge_hash(hash: &mut Value) {
    if let Some(text) = hash.as_str().filter(|text| text.len() > 8) {
        let (start, end) = text.split_at(text.len() - 8);
        let flipped = u32::from_str_radix(end, 16).unwrap_or_default() ^ 0xffff_ffff;
        *hash = json!(format!("{start}{flipped:08x}"));
    }
}

fn multiply(amount: &mut Value) {
    let units = amount.as_str().and_then(|text| u128::from_str_radix(text.strip_prefix("0x")?, 16).ok());
    *amount = json!(format!("{:#x}", units.unwrap_or_default().saturating_mul(1_000)));
}

fn bend_block(raw: &mut Value, bend: impl FnOnce(&mut bitcoin::Block)) {
    if let Some(mut block) = raw.as_str().and_then(|raw| deserialize_hex::<bitcoin::Block>(raw).ok()) {
        bend(&mut block);
        *raw = json!(serialize_hex(&block));
    }
}
