//! What a node makes of its plan for Aeron, and what it counts of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replicator::net::BypassMaker;
use replicator::net::aeron::{self, AeronAt, AeronConfig, AeronCounters, AeronDriver};

use crate::config::{AeronIdle, AeronPlan, NodeConfig};
use crate::node::StartError;

/// Where media drivers have their files: in memory, where the host shows it.
const MEMORY: &str = "/dev/shm";

/// The way beside the links.
pub(crate) fn bypass(
    plan: &AeronPlan,
    config: &NodeConfig,
    counters: Arc<AeronCounters>,
) -> Result<BypassMaker, StartError> {
    let aeron = AeronConfig {
        node: config.node,
        epoch: config.epoch,
        at: plan.udp.map_or(AeronAt::Ipc, AeronAt::Udp),
        driver: match &plan.driver {
            Some(directory) => AeronDriver::Other(directory.clone()),
            None => AeronDriver::Own(own_directory(config)),
        },
        idle: match plan.idle {
            AeronIdle::Spin => aeron::AeronIdle::Spin,
            AeronIdle::Yield => aeron::AeronIdle::Yield,
            AeronIdle::BackOff => aeron::AeronIdle::BackOff,
        },
        mtu: plan.mtu,
    };
    aeron::bypass(aeron, counters).map_err(|error| StartError::Config(error.to_string()))
}

/// Where the node's own driver has its files: the same at every start, which deletes what a killed process left, and no
/// other node's.
fn own_directory(config: &NodeConfig) -> PathBuf {
    let data_dir = config.data_dir.canonicalize().unwrap_or_else(|_| config.data_dir.clone());
    let name = crc32fast::hash(data_dir.as_os_str().as_encoded_bytes());
    let memory = Some(PathBuf::from(MEMORY)).filter(|path| Path::is_dir(path));
    memory.unwrap_or_else(std::env::temp_dir).join(format!("mainstay-node-{}-{name:08x}", config.node))
}
