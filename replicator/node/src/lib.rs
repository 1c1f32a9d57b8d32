//! One process of the cluster.

mod archive;
mod block;
mod config;
mod data_dir;
mod permissions;

pub use config::{NodeConfig, PartitionPlacement, PeerConfig, TlsPem, Tuning};
pub use data_dir::DataDirError;
