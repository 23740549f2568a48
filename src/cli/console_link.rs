//! The one-time link that a start prints, so that a user gets into the console without looking for a key.

use chrono::TimeDelta;

use super::{Context, Failure};
use crate::domain::{LoginSecret, OrgId};
use crate::store::admin::AdminStore;

/// How long a link may be used.
const LASTS: TimeDelta = TimeDelta::seconds(60);

pub(super) struct ConsoleLink(LoginSecret);

impl ConsoleLink {
    /// Creates a link: for the demo organization at each start, or else for the only organization at the first start.
    /// Only once, because logs are stored for longer than a terminal shows them.
    pub async fn make(context: &Context, admin: &AdminStore, demo: Option<OrgId>) -> Result<Option<Self>, Failure> {
        let Some(org) = (match demo {
            Some(org) => Some(org),
            None => admin.only_organization().await?,
        }) else {
            return Ok(None);
        };
        let secret = LoginSecret::generate(org, &context.mint);
        let ends = context.clock.now() + LASTS;
        let is_new = if demo.is_some() {
            admin.replace_console_link(org, secret.hash(), ends).await?;
            true
        } else {
            admin.first_console_link(org, secret.hash(), ends).await?
        };
        Ok(is_new.then_some(Self(secret)))
    }

    /// Returns the link, for the standard output.
    pub fn text(&self, base_url: &str) -> String {
        let (seconds, secret) = (LASTS.num_seconds(), self.0.expose());
        format!(
            "This link opens the console, once and within {seconds} seconds:\n\n  {base_url}/console/#once={secret}\n\n"
        )
    }
}
