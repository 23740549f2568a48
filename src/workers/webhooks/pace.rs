//! Which endpoints keep their callers waiting.

use std::collections::HashMap;

use crate::domain::WebhookId;

/// How an endpoint answered of late: it is time that it costs, whatever it says in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Prompt,
    Slow,
}

/// What one replica remembers of endpoints until it ends: a few bytes each. Of one that it never posted to, nothing.
#[derive(Default)]
pub(super) struct Paces(HashMap<WebhookId, Pace>);

impl Paces {
    pub fn remember(&mut self, endpoint: WebhookId, pace: Pace) {
        self.0.insert(endpoint, pace);
    }

    /// The endpoints that were last of this pace.
    pub fn of(&self, pace: Pace) -> Vec<WebhookId> {
        self.0.iter().filter(|(_, last)| **last == pace).map(|(endpoint, _)| *endpoint).collect()
    }
}
