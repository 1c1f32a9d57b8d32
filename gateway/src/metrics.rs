//! What the gateway counts about itself, for Prometheus.

#[cfg(feature = "aeron")]
mod casts;
mod history;

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::gateway::Answer;
use crate::history::History;
use crate::operations::Operation;
use history::HistoryMetrics;

/// The gateway's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram>,
    /// Open sockets.
    pub connections: Gauge,
    /// Open WebSockets, no longer among `connections`.
    pub websockets: Gauge,
    /// Connections that found no place, or whose address had its share.
    pub refused_connections: Counter,
    /// Clients that were closed because they did not read in time.
    pub slow_clients: Counter,
    /// The furthest position read, per partition.
    positions: Family<PartitionLabels, Gauge<i64, std::sync::atomic::AtomicI64>>,
    /// By kind of market stream.
    subscribers: Family<StreamLabels, Gauge<u64, AtomicU64>>,
    events: Family<StreamLabels, Counter>,
    deliveries: Family<StreamLabels, Counter>,
    /// What waits, and how much may.
    queued: Family<QueueLabels, Gauge<u64, AtomicU64>>,
    queue_limit: Family<QueueLabels, Gauge<u64, AtomicU64>>,
    /// Level changes that did not follow the ones before them.
    gaps: Gauge<u64, AtomicU64>,
    history: HistoryMetrics,
    #[cfg(feature = "aeron")]
    casts: casts::CastMetrics,
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    stream: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
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
        let refused_connections = Counter::default();
        registry.register(
            "refused_connections",
            "Connections closed at once: no place is free, or their address has its share",
            refused_connections.clone(),
        );
        let slow_clients = Counter::default();
        registry.register("slow_clients", "WebSockets closed because the client did not read", slow_clients.clone());
        let positions = Family::default();
        registry.register("position", "The furthest log position read", positions.clone());
        let subscribers = Family::default();
        registry.register("stream_subscribers", "Subscriptions of market streams, by kind", subscribers.clone());
        let events = Family::default();
        registry.register("stream_events", "Events of market streams written, by kind", events.clone());
        let deliveries = Family::default();
        registry.register(
            "stream_deliveries",
            "Events of market streams queued for a client, by kind",
            deliveries.clone(),
        );
        let queued = Family::default();
        registry.register("queue_length", "Places in use", queued.clone());
        let queue_limit = Family::default();
        registry.register("queue_limit", "Places there are; beyond, clients are refused", queue_limit.clone());
        let gaps = Gauge::default();
        registry.register(
            "depth_gaps",
            "Changes of books lost on their way; not 0: replace this gateway",
            gaps.clone(),
        );
        let history = HistoryMetrics::new(&mut registry);
        #[cfg(feature = "aeron")]
        let casts = casts::CastMetrics::new(&mut registry);
        Metrics {
            registry,
            requests,
            seconds,
            connections,
            websockets,
            refused_connections,
            slow_clients,
            positions,
            subscribers,
            events,
            deliveries,
            queued,
            queue_limit,
            gaps,
            history,
            #[cfg(feature = "aeron")]
            casts,
        }
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
        let data = gateway.exchange.market_data();
        self.gaps.set(data.gaps() + data.order_gaps());
        for census in gateway.hub.census() {
            let labels = StreamLabels { stream: census.stream };
            self.subscribers.get_or_create(&labels).set(census.subscribers);
            self.events.get_or_create(&labels).inner().store(census.events, Ordering::Relaxed);
            self.deliveries.get_or_create(&labels).inner().store(census.deliveries, Ordering::Relaxed);
        }
        let limits = &gateway.limits;
        let in_use = [
            ("requests", limits.requests_max, gateway.requests.available_permits()),
            ("connections", limits.connections_max, gateway.connections.free()),
        ];
        let in_use = in_use.map(|(queue, limit, free)| (queue, limit, limit.saturating_sub(free)));
        // Clients that something waits for; each of them once.
        let couriers = ("couriers", limits.connections_max, gateway.hub.calls());
        for (queue, limit, used) in in_use.into_iter().chain([couriers]) {
            self.queued.get_or_create(&QueueLabels { queue }).set(used as u64);
            self.queue_limit.get_or_create(&QueueLabels { queue }).set(limit as u64);
        }
        if let History::Postgres(db) = &gateway.history {
            self.history.update(db.census(), &gateway.exchange);
        }
        #[cfg(feature = "aeron")]
        gateway.casts.iter().for_each(|casts| self.casts.update(casts));
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            Err(std::fmt::Error) => String::new(),
        }
    }
}
