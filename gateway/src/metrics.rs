//! What the gateway counts about itself, for Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::gateway::Answer;
use crate::operations::Operation;

/// The gateway's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram>,
    /// Open sockets.
    pub connections: Gauge,
    /// Open WebSockets, no longer among `connections`.
    pub websockets: Gauge,
    /// Clients that were closed because they did not read in time.
    pub slow_clients: Counter,
    /// The furthest position read, per partition.
    positions: Family<PartitionLabels, Gauge<i64, std::sync::atomic::AtomicI64>>,
    /// Level changes that did not follow the ones before them.
    gaps: Gauge<u64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    verb: String,
    status: u16,
    code: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    verb: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    partition: u16,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("mainstay_gateway");
        let requests = Family::default();
        registry.register("requests", "Requests answered, by operation and outcome", requests.clone());
        let seconds: Family<OperationLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_1, 2.0, 17)));
        registry.register("request_seconds", "From parsed request to answer", seconds.clone());
        let connections = Gauge::default();
        registry.register("connections", "Open client connections", connections.clone());
        let websockets = Gauge::default();
        registry.register("websockets", "Open WebSockets", websockets.clone());
        let slow_clients = Counter::default();
        registry.register("slow_clients", "WebSockets closed because the client did not read", slow_clients.clone());
        let positions = Family::default();
        registry.register("position", "The furthest log position read", positions.clone());
        let gaps = Gauge::default();
        registry.register("depth_gaps", "Level changes lost on their way; not 0: replace this gateway", gaps.clone());
        Metrics { registry, requests, seconds, connections, websockets, slow_clients, positions, gaps }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, operation: &Operation, answer: &Answer, took_us: u64) {
        let (status, code) = match answer {
            Ok(_) => (200, 0),
            Err(error) => (error.status, error.code),
        };
        let (verb, path) = (operation.rest.0.to_string(), operation.rest.1);
        let labels = RequestLabels { operation: path, verb: verb.clone(), status, code };
        self.requests.get_or_create(&labels).inc();
        let labels = OperationLabels { operation: path, verb };
        self.seconds.get_or_create(&labels).observe(took_us as f64 / 1e6);
    }

    /// A request that its limits refused.
    pub(crate) fn refused(&self, operation: &Operation, error: &crate::errors::ApiError) {
        let (verb, path) = (operation.rest.0.to_string(), operation.rest.1);
        let labels = RequestLabels { operation: path, verb, status: error.status, code: error.code };
        self.requests.get_or_create(&labels).inc();
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, gateway: &crate::Gateway) -> String {
        for (partition, position) in gateway.exchange.positions() {
            let labels = PartitionLabels { partition: partition.get() };
            self.positions.get_or_create(&labels).set(i64::try_from(position.get()).unwrap_or(i64::MAX));
        }
        self.gaps.set(gateway.exchange.market_data().gaps());
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            Err(std::fmt::Error) => String::new(),
        }
    }
}
