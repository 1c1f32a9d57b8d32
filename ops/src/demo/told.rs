//! What the demo tells others: the state file that scripts read, the banner that people do.

use std::path::Path;
use std::time::Duration;

use loadgen::state::{Chainwatch, Cluster, ClusterNode, Gateway, Node, Operator as OperatorFiles, Signer, State};
use miette::IntoDiagnostic;

use super::banner::{Banner, Deposits};
use super::chain::Chain;
use super::children::Role;
use super::layout::LEDGER;
use super::{Demo, OPERATOR};
use crate::operator::Operator;
use crate::pki;

impl Demo {
    pub(super) fn cluster(&self) -> Cluster {
        let operator = pki::files(&self.home.paths.pki(), OPERATOR);
        let nodes = self.layout.addresses();
        Cluster {
            epoch: self.home.epoch,
            ledger: LEDGER,
            partitions: self.layout.partitions().iter().map(|partition| partition.partition).collect(),
            nodes: nodes.iter().map(|node| ClusterNode { id: node.node, addr: node.addr }).collect(),
            operator: OperatorFiles { name: OPERATOR.into(), ca: operator.ca, cert: operator.cert, key: operator.key },
            envelope_key_file: self.home.paths.envelope_key(),
        }
    }

    /// What scripts are told. A node that is down keeps the id of its last process.
    pub(super) fn state(&self) -> State {
        let gateway = self.layout.gateway;
        let (rest, ws) = (format!("http://{gateway}"), format!("ws://{gateway}"));
        let ws_api = format!("{ws}/ws-api/v3");
        let nodes = self.layout.nodes.iter().map(|place| Node {
            id: place.id,
            pid: self.children.last_pid(Role::Node(place.id)),
            http: format!("http://{}", place.http),
            data_dir: self.home.paths.node(place.id),
        });
        let pid = self.children.last_pid(Role::Gateway);
        State {
            rest: rest.clone(),
            ws: ws.clone(),
            ws_api: ws_api.clone(),
            accounts: self.accounts.clone(),
            nodes: nodes.collect(),
            gateways: vec![Gateway { pid, rest, ws, ws_api }],
            chainwatches: self.chainwatches(),
            signers: self.signers(),
            cluster: Some(self.cluster()),
        }
    }

    fn chainwatches(&self) -> Vec<Chainwatch> {
        let pid = self.children.last_pid(Role::Chainwatch);
        let of_chain = |chain: &Chain| Chainwatch {
            pid,
            http: format!("http://{}", chain.pages),
            chains: vec![chain.kind.symbol().into()],
        };
        self.chain.iter().filter(|_| pid != 0).map(of_chain).collect()
    }

    fn signers(&self) -> Vec<Signer> {
        let pid = self.children.last_pid(Role::Signer);
        let of_chain = |chain: &Chain| {
            let (socket, symbol) = (chain.signer_socket(), chain.kind.symbol());
            Signer { pid, socket, chains: vec![symbol.into()] }
        };
        self.chain.iter().filter(|_| pid != 0).map(of_chain).collect()
    }

    fn deposits(&self) -> Deposits {
        match (self.args.chain, &self.chain, self.children.pid(Role::Chainwatch)) {
            (None, ..) => Deposits::NotAsked,
            (Some(kind), None, _) => Deposits::Missing(kind.advice()),
            (Some(_), Some(_), None) => Deposits::Failed,
            (Some(kind), Some(_), Some(pid)) => {
                Deposits::Open { symbol: kind.symbol(), elsewhere: kind.elsewhere(), pid }
            }
        }
    }

    pub(super) fn save_state(&self, path: &Path) -> miette::Result<()> {
        self.state().save(path).into_diagnostic()
    }

    pub(super) fn banner(&self, operator: &Operator, took: Duration) -> String {
        let leaders: Vec<Option<u64>> =
            self.layout.partitions().iter().map(|p| leader(operator, p.partition)).collect();
        Banner {
            state: &self.state(),
            layout: &self.layout,
            leaders: &leaders,
            bots: self.children.pid(Role::Bots),
            data_dir: &self.home.paths.0,
            is_temporary: self.home.is_temporary(),
            deposits: self.deposits(),
            took,
            binary: &binary(),
        }
        .text()
    }
}

pub(super) fn leader(operator: &Operator, partition: u16) -> Option<u64> {
    operator.leader(wire::PartitionId::new(partition)).map(wire::NodeId::get)
}

/// How people call this binary from where they are.
pub(super) fn binary() -> String {
    let Ok(exe) = std::env::current_exe() else {
        return "mainstay".into();
    };
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| exe.strip_prefix(here).ok());
    relative.unwrap_or(&exe).display().to_string()
}
