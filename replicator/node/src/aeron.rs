//! What a node makes of its plan for Aeron.

use std::path::PathBuf;
use std::sync::Arc;

use replicator::net::BypassMaker;
use replicator::net::aeron::{self, AeronAt, AeronConfig, AeronCounters, AeronDriver, CastPort, room};

use crate::config::{AeronIdle, AeronPlan, NodeConfig};
use crate::node::StartError;

/// What a driver of ours takes there for each peer: three terms of 4 MiB, to it and from it.
const MEMORY_OF_A_PEER: u64 = 24 * 1024 * 1024;

/// The ways beside the links: of Raft messages, and of events.
pub(crate) fn beside_links(
    plan: &AeronPlan,
    config: &NodeConfig,
    counters: Arc<AeronCounters>,
) -> Result<(BypassMaker, CastPort), StartError> {
    let aeron = AeronConfig {
        node: config.node,
        epoch: config.epoch,
        at: plan.udp.map_or(AeronAt::Ipc, AeronAt::Udp),
        driver: match &plan.driver {
            Some(directory) => AeronDriver::Other(directory.clone()),
            None => {
                let directory = own_directory(config);
                let of = |each: u64, count: usize| each.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
                let wanted = of(MEMORY_OF_A_PEER, config.peers.len())
                    .saturating_add(of(room::MEMORY_OF_A_CAST, config.partitions.len()));
                room::check(&directory, wanted).map_err(StartError::Config)?;
                AeronDriver::Own(directory)
            }
        },
        idle: match plan.idle {
            AeronIdle::Spin => aeron::AeronIdle::Spin,
            AeronIdle::Yield => aeron::AeronIdle::Yield,
            AeronIdle::BackOff => aeron::AeronIdle::BackOff,
        },
        mtu: plan.mtu,
        group: plan.group,
    };
    aeron::bypass(aeron, counters).map_err(|error| StartError::Config(error.to_string()))
}

/// Where the node's own driver has its files: the same at every start, which deletes what a killed process left, and no
/// other node's.
fn own_directory(config: &NodeConfig) -> PathBuf {
    let data_dir = config.data_dir.canonicalize().unwrap_or_else(|_| config.data_dir.clone());
    let name = crc32fast::hash(data_dir.as_os_str().as_encoded_bytes());
    room::directory(&format!("mainstay-node-{}-{name:08x}", config.node))
}
