//! The trusted block that a watch starts from: an operator says its hash, any node may show the header.

use std::time::Duration;

use super::within;
use crate::chain::ChainRules;
use crate::rpc::{self, Endpoint, RpcClient, Told};
use crate::tree::Placed;
use crate::{BlockHash, Head, Height};

const PATIENCE: Duration = Duration::from_secs(2);

/// The trusted block of this hash, with what the tree needs to know of it, from the first of `endpoints` that shows a
/// header that hashes to it. A header of a Bitcoin-like chain states no height: `trusted` says it.
pub async fn trusted_block(rules: &ChainRules, endpoints: &[Endpoint], trusted: Head) -> Result<Placed, Told> {
    let mut last = Told::Refused { code: 0, message: "there is no node to ask".into() };
    for endpoint in endpoints {
        match within(PATIENCE, header(rules, &RpcClient::new(endpoint), trusted.hash)).await {
            Ok((stated, placed)) if stated.is_none_or(|height| height == trusted.height) => {
                return Ok(Placed { head: trusted, ..placed });
            }
            Ok(_) => {
                last = Told::Refused { code: 0, message: "the trusted block has another height than is said".into() };
            }
            Err(told) => last = told,
        }
    }
    Err(last)
}

async fn header(rules: &ChainRules, client: &RpcClient, hash: BlockHash) -> Result<(Option<Height>, Placed), Told> {
    let header = match rules {
        ChainRules::Bitcoin(rules) => rpc::bitcoin::header(client, rules, hash).await?,
        ChainRules::Evm(rules) => rpc::evm::header(client, rules, hash).await?,
    };
    let head = Head { height: header.height.unwrap_or(Height(0)), hash };
    let placed = Placed { head, parent: header.parent, time_s: header.time_s, chain_work: 0, bits: header.bits };
    Ok((header.height, placed))
}
