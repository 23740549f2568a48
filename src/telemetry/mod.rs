//! Logs and metrics. They never contain a credential or a body.

mod logs;
mod served;

pub use logs::{LogWriter, check_filter as check_log_filter, module_without_level, start as start_logs};

use std::time::Duration;

use http::{Method, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::domain::{ApiName, OrgId};

/// Bounds of the latency histogram, in seconds.
const LATENCIES: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Bounds of the batch-size histogram, in requests.
const BATCHES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Bounds of the histograms of replies and deliveries, in seconds.
const REPLIES: [f64; 10] = [0.01, 0.05, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0];

/// Starts to collect metrics. Returns `None` if this process already does.
#[must_use]
pub fn start_metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("sessionary_http_seconds".to_owned()), &LATENCIES)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full("sessionary_batch_size".to_owned()), &BATCHES))
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full("sessionary_responder_seconds".to_owned()), &REPLIES)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full("sessionary_webhook_seconds".to_owned()), &REPLIES)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .ok()
}

/// Updates the counts that are collected elsewhere, before metrics are read.
pub fn refresh_metrics() {
    metrics::counter!("sessionary_log_lines_dropped_total").absolute(logs::dropped_lines());
}

/// The facts of a request that may be logged.
pub struct Served<'a> {
    pub method: &'a Method,
    /// The route's pattern, not the path, because a path can contain an id.
    pub route: &'a str,
    pub status: StatusCode,
    pub latency: Duration,
    pub org: Option<OrgId>,
    pub dialect: Option<ApiName>,
    pub request_id: &'a str,
}

/// Counts and logs a request.
pub fn request_served(served: &Served<'_>) {
    served::count(served);
    tracing::info!(
        http.method = %served.method,
        http.route = served.route,
        http.status = served.status.as_u16(),
        http.latency_us = served.latency.as_micros() as u64,
        org = served.org.map(tracing::field::display),
        dialect = served.dialect.map_or("none", ApiName::as_str),
        request_id = served.request_id,
        "http.request"
    );
}

/// Counts a reply of a responder: its kind, its outcome, and its duration.
pub fn responder_asked(kind: &'static str, outcome: &'static str, latency: Duration) {
    metrics::histogram!("sessionary_responder_seconds", "kind" => kind).record(latency.as_secs_f64());
    metrics::counter!("sessionary_responder_answers_total", "kind" => kind, "outcome" => outcome).increment(1);
}

/// Counts an attempt to deliver an event to an endpoint: its outcome and its duration.
pub fn webhook_attempted(event: &'static str, outcome: &'static str, latency: Duration) {
    metrics::histogram!("sessionary_webhook_seconds").record(latency.as_secs_f64());
    metrics::counter!("sessionary_webhook_attempts_total", "event" => event, "outcome" => outcome).increment(1);
}

/// Counts rows that an erasure has deleted.
pub fn rows_erased(scope: &'static str, table: String, rows: u64) {
    metrics::counter!("sessionary_erased_rows_total", "scope" => scope, "table" => table).increment(rows);
}
