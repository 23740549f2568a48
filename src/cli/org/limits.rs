//! `org limits`: changes the given limits, and shows all of them.

use std::num::NonZeroU32;

use clap::Args;

use crate::cli::changes::OrDefault;
use crate::cli::{Context, Failure};
use crate::store::admin::AdminStore;

#[derive(Args)]
pub(in crate::cli) struct Limits {
    /// Its UUID or external id
    org: String,
    /// Captures per minute and credential, or `default`
    #[arg(long)]
    capture: Option<OrDefault<NonZeroU32>>,
    /// Writes per minute and credential, or `default`
    #[arg(long)]
    writes: Option<OrDefault<NonZeroU32>>,
    /// Reads per minute and credential, or `default`
    #[arg(long)]
    reads: Option<OrDefault<NonZeroU32>>,
    /// Captures per minute of all credentials together, or `default`
    #[arg(long)]
    total_capture: Option<OrDefault<NonZeroU32>>,
    /// Writes per minute of all credentials together, or `default`
    #[arg(long)]
    total_writes: Option<OrDefault<NonZeroU32>>,
    /// Reads per minute of all credentials together, or `default`
    #[arg(long)]
    total_reads: Option<OrDefault<NonZeroU32>>,
    /// Reject captures with only x-org-id
    #[arg(long)]
    capture_closed: bool,
    /// Accept captures with only x-org-id, which is the default
    #[arg(long, conflicts_with = "capture_closed")]
    capture_open: bool,
}

impl Limits {
    pub async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        super::change(context, admin, &self.org, |settings| {
            let (limits, total) = (&mut settings.rate_limits, &mut settings.total_rate_limits);
            for (named, limit) in [
                (self.capture, &mut limits.capture),
                (self.writes, &mut limits.writes),
                (self.reads, &mut limits.reads),
                (self.total_capture, &mut total.capture),
                (self.total_writes, &mut total.writes),
                (self.total_reads, &mut total.reads),
            ] {
                if let Some(OrDefault(named)) = named {
                    *limit = named;
                }
            }
            settings.capture_open = (settings.capture_open || self.capture_open) && !self.capture_closed;
        })
        .await
    }
}
