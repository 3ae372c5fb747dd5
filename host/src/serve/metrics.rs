//! What the server counts, in the text format of Prometheus.

use crate::report;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the classes of duration, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Copied, as each request has some.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// The counters of one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    pub instances: Gauge,
    pub garbage: Gauge,
    store_operations: Counter<u64, AtomicU64>,
    store_faults: Counter<u64, AtomicU64>,
    log_lines_dropped: Counter<u64, AtomicU64>,
    dropped: Box<dyn Fn() -> u64 + Send + Sync>,
    rollbacks: Counter<u64, AtomicU64>,
    noticed: Arc<AtomicU64>,
}

impl Metrics {
    /// `dropped` tells how many lines of the log were dropped, `noticed` how many roll-backs were noticed.
    pub fn new(dropped: Box<dyn Fn() -> u64 + Send + Sync>, noticed: Arc<AtomicU64>) -> Self {
        let mut registry = Registry::with_prefix("strongroom");
        let (requests, instances, garbage) = (Family::<Labels, Counter>::default(), Gauge::default(), Gauge::default());
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        let [operations, faults, lost, rollbacks]: [Counter<u64, AtomicU64>; 4] = Default::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register("request_seconds", "How long requests took", seconds.clone());
        registry.register("instances", "Instances of the component that run now", instances.clone());
        let of_garbage =
            "Superseded records that later commits will delete, in the project of the token that asked last";
        registry.register("garbage_records", of_garbage, garbage.clone());
        registry.register("store_operations", "Operations of the key-value store", operations.clone());
        registry.register("store_faults", "Failures of the store and of the files beside it", faults.clone());
        registry.register("log_lines_dropped", "Lines of the log that nobody read in time", lost.clone());
        registry.register("rollbacks", "Times the store was older than it was before", rollbacks.clone());
        Self {
            registry,
            requests,
            seconds,
            instances,
            garbage,
            store_operations: operations,
            store_faults: faults,
            log_lines_dropped: lost,
            dropped,
            rollbacks,
            noticed,
        }
    }

    pub fn request(&self, method: &'static str, route: &'static str, status: u16, duration: Duration) {
        let labels = Labels { method, route, status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub fn text(&self) -> String {
        let follow =
            |counter: &Counter<u64, AtomicU64>, now: u64| _ = counter.inc_by(now.saturating_sub(counter.get()));
        follow(&self.store_operations, report::operations());
        follow(&self.store_faults, report::faults());
        follow(&self.log_lines_dropped, (self.dropped)());
        follow(&self.rollbacks, self.noticed.load(Ordering::Relaxed));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
