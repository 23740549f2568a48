//! The counts of served requests.

use std::cell::RefCell;
use std::collections::HashMap;

use http::{Method, StatusCode};
use metrics::{Counter, Histogram, SharedString};

use super::Served;
use crate::domain::ApiName;

/// The labels of a series. There is no organization among them, because the number of series must not grow with the
/// number of tenants.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Labels {
    dialect: &'static str,
    method: &'static str,
    status: StatusCode,
}

struct Series {
    labels: Labels,
    seconds: Histogram,
    total: Counter,
}

thread_local! {
    /// By route. Creating a series costs more than counting in it, so each thread caches the ones that it used: as many
    /// as there are routes, methods and statuses.
    static KNOWN: RefCell<HashMap<String, Vec<Series>>> = RefCell::default();
}

/// Counts a request and its latency.
pub(super) fn count(served: &Served<'_>) {
    let labels = Labels {
        dialect: served.dialect.map_or("none", ApiName::as_str),
        method: known_method(served.method),
        status: served.status,
    };
    KNOWN.with_borrow_mut(|known| {
        if !known.contains_key(served.route) {
            known.insert(served.route.to_owned(), Vec::new());
        }
        let Some(all) = known.get_mut(served.route) else { return };
        let place = all.iter().position(|series| series.labels == labels).unwrap_or_else(|| {
            all.push(Series::named(served.route, labels));
            all.len() - 1
        });
        all[place].seconds.record(served.latency.as_secs_f64());
        all[place].total.increment(1);
    });
}

impl Series {
    fn named(route: &str, labels: Labels) -> Self {
        let of_the_route = [
            ("dialect", SharedString::const_str(labels.dialect)),
            ("route", SharedString::from(route.to_owned())),
            ("method", SharedString::const_str(labels.method)),
        ];
        let seconds = metrics::histogram!("sessionary_http_seconds", &of_the_route);
        let [dialect, route, method] = of_the_route;
        let status = ("status", SharedString::from(labels.status.as_str().to_owned()));
        let total = metrics::counter!("sessionary_http_requests_total", &[dialect, route, method, status]);
        Self { labels, seconds, total }
    }
}

/// Returns a method's label from a fixed set, because callers can invent methods.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
