//! The pace of endpoints.

use std::collections::HashMap;

use crate::domain::WebhookId;

/// How quickly an endpoint responded last, whatever the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Prompt,
    Slow,
}

/// The paces of the endpoints that this replica has posted to: a few bytes each.
#[derive(Default)]
pub(super) struct Paces(HashMap<WebhookId, Pace>);

impl Paces {
    pub fn remember(&mut self, endpoint: WebhookId, pace: Pace) {
        self.0.insert(endpoint, pace);
    }

    /// Returns the endpoints with this pace.
    pub fn of(&self, pace: Pace) -> Vec<WebhookId> {
        self.0.iter().filter(|(_, last)| **last == pace).map(|(endpoint, _)| *endpoint).collect()
    }
}
