//! What is counted of events that come by Aeron.

use std::sync::atomic::{AtomicU64, Ordering};

use cluster_client::CastCounters;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(super) struct CastMetrics {
    following: Gauge<u64, AtomicU64>,
    counted: [Counter; 7],
}

const NAMES: [(&str, &str); 7] = [
    ("aeron_messages", "Messages with events that came by Aeron"),
    ("aeron_refused", "Messages that came by Aeron and that no key opens, or that came again"),
    ("aeron_dropped", "Messages with events that came by Aeron and found no room: their links have the events"),
    ("aeron_begun", "Times that Aeron took the events of a partition over from a link"),
    ("aeron_gaps", "Times that a message was missing, and a link took over"),
    ("aeron_fallen", "Times that nothing was seen of what nodes sent by Aeron, and a link took over"),
    ("aeron_driver_lost", "Times that there was no media driver"),
];

impl CastMetrics {
    pub(super) fn new(registry: &mut Registry) -> CastMetrics {
        let following = Gauge::default();
        registry.register("aeron_following", "Streams of events that come by Aeron now", following.clone());
        let counted = NAMES.map(|(name, help)| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        });
        CastMetrics { following, counted }
    }

    pub(super) fn update(&self, of: &CastCounters) {
        self.following.set(of.following.load(Ordering::Relaxed));
        let counted = [&of.messages, &of.refused, &of.dropped, &of.begun, &of.gaps, &of.fallen, &of.driver_lost];
        for (shown, counted) in self.counted.iter().zip(counted) {
            shown.inner().store(counted.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}
