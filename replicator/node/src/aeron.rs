//! What a node makes of its plan for Aeron, and what it counts of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statvfs::statvfs;
use replicator::net::BypassMaker;
use replicator::net::aeron::{self, AeronAt, AeronConfig, AeronCounters, AeronDriver};

use crate::config::{AeronIdle, AeronPlan, NodeConfig};
use crate::node::StartError;

/// Where media drivers have their files: in memory, where the host shows it.
const MEMORY: &str = "/dev/shm";

/// What a driver of ours takes there for each peer: three terms of 4 MiB, to it and from it.
const MEMORY_OF_A_PEER: u64 = 24 * 1024 * 1024;

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
            None => {
                let directory = own_directory(config);
                has_room(&directory, config.peers.len())?;
                AeronDriver::Own(directory)
            }
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

/// Refuses what would end later, when a peer's first frame finds no room: containers have 64 MiB there.
fn has_room(directory: &Path, peers: usize) -> Result<(), StartError> {
    // What a killed process left is deleted by the driver at its start; its room counts.
    let _ = fs::remove_dir_all(directory);
    let parent = directory.parent().unwrap_or(directory);
    // A file system that does not say is one whose first file will fail, and say why.
    let Ok(said) = statvfs(parent) else { return Ok(()) };
    let free = said.blocks_available().saturating_mul(said.fragment_size());
    let wanted = MEMORY_OF_A_PEER.saturating_mul(u64::try_from(peers).unwrap_or(u64::MAX));
    enough(parent, free, wanted)
}

fn enough(place: &Path, free: u64, wanted: u64) -> Result<(), StartError> {
    if free >= wanted {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let place = place.display();
    Err(StartError::Config(format!(
        "[aeron] wants {} MiB in {place} for its peers, which has {} MiB left: give it more (a container takes --shm-size), or name a driver that runs on its own (driver_dir)",
        mib(wanted),
        free / (1024 * 1024),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_before_a_node_starts() {
        let place = Path::new("/dev/shm");
        assert!(enough(place, 2 * MEMORY_OF_A_PEER, 2 * MEMORY_OF_A_PEER).is_ok());
        let refused = enough(place, 2 * MEMORY_OF_A_PEER - 1, 2 * MEMORY_OF_A_PEER).expect_err("a byte is missing");
        let text = refused.to_string();
        assert!(text.contains("48 MiB") && text.contains("47 MiB left") && text.contains("driver_dir"), "{text}");
    }
}
