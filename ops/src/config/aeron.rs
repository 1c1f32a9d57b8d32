//! The `[aeron]` tables of nodes and gateways.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How Raft messages go beside the links between nodes, and events to gateways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AeronFile {
    /// Where they arrive by UDP; the node's own address if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// In the memory of the host instead, through one media driver.
    #[serde(default)]
    pub ipc: bool,
    /// The directory of a media driver that runs beside the node; without it the node has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_dir: Option<PathBuf>,
    /// What the node's Aeron thread does while nothing comes.
    #[serde(default)]
    pub idle: AeronIdle,
    /// The longest datagram, in bytes; the same on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The UDP multicast group to which events go; without it each gateway is sent its own datagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SocketAddr>,
}

/// How events come to a gateway beside its links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayAeronFile {
    /// Where nodes send them by UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// In the memory of the host instead, through one media driver.
    #[serde(default)]
    pub ipc: bool,
    /// The directory of a media driver that runs beside the gateway; without it the gateway has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_dir: Option<PathBuf>,
    /// What the gateway's Aeron thread does while nothing comes.
    #[serde(default)]
    pub idle: AeronIdle,
}

impl GatewayAeronFile {
    /// As the gateway takes it; an error says what is missing.
    pub fn plan(&self) -> miette::Result<gateway::AeronPlan> {
        if !self.ipc && self.listen.is_none() {
            miette::bail!("[aeron] of a gateway needs listen, an address that the nodes reach, or ipc");
        }
        Ok(gateway::AeronPlan {
            udp: self.listen.filter(|_| !self.ipc),
            driver: self.driver_dir.clone(),
            idle: match self.idle {
                AeronIdle::Spin => gateway::AeronIdle::Spin,
                AeronIdle::Yield => gateway::AeronIdle::Yield,
                AeronIdle::Backoff => gateway::AeronIdle::BackOff,
            },
        })
    }
}

/// See [`node::AeronIdle`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AeronIdle {
    /// Polls again at once: for a core of its own.
    Spin,
    /// Lets other threads run first.
    Yield,
    /// Polls some more, then waits for up to a tenth of a millisecond.
    #[default]
    Backoff,
}

impl AeronFile {
    /// As the node takes it, of one that listens there.
    pub fn plan(&self, listen: SocketAddr) -> node::AeronPlan {
        node::AeronPlan {
            udp: (!self.ipc).then(|| self.listen.unwrap_or(listen)),
            driver: self.driver_dir.clone(),
            idle: match self.idle {
                AeronIdle::Spin => node::AeronIdle::Spin,
                AeronIdle::Yield => node::AeronIdle::Yield,
                AeronIdle::Backoff => node::AeronIdle::BackOff,
            },
            mtu: self.mtu,
            group: self.group,
        }
    }
}
