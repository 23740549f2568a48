//! `secrets status`, `secrets rotate`.

use clap::Subcommand;
use serde::Serialize;

use super::home::administer;
use super::{Context, Failure};
use crate::store::admin::SealingStatus;

#[derive(Subcommand)]
pub(super) enum Secrets {
    /// Show how many secrets are sealed, and under which key
    Status,
    /// Seal the secrets that are stored in clear, and move all of them to the current key of SESSIONARY_SEALING_KEYS
    Rotate,
}

#[derive(Serialize)]
struct ShownStatus {
    /// The current key's id; `None` without SESSIONARY_SEALING_KEYS.
    current: Option<String>,
    data_keys: Vec<ShownKey>,
    sealed_secrets: i64,
    clear_secrets: i64,
}

#[derive(Serialize)]
struct ShownKey {
    key: String,
    organizations: i64,
    /// Whether SESSIONARY_SEALING_KEYS has it.
    is_set: bool,
}

#[derive(Serialize)]
struct Rotated {
    current: String,
    data_keys: u64,
    secrets: u64,
}

impl Secrets {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let keys = context.settings.sealing_keys.as_ref();
        administer(context, async |admin| match self {
            Self::Status => {
                let SealingStatus { data_keys, sealed_secrets, clear_secrets } = admin.sealing_status().await?;
                let data_keys: Vec<ShownKey> = data_keys
                    .into_iter()
                    .map(|count| ShownKey {
                        is_set: keys.is_some_and(|keys| keys.has(&count.sealed_under)),
                        key: count.sealed_under,
                        organizations: count.organizations,
                    })
                    .collect();
                let current = keys.map(|keys| keys.current().to_owned());
                let mut details = vec![
                    ("current key", current.clone().unwrap_or_else(|| "none".to_owned())),
                    ("sealed", format!("{sealed_secrets} secrets")),
                    ("in clear", format!("{clear_secrets} secrets")),
                ];
                details.extend(data_keys.iter().map(|ShownKey { key, organizations, is_set }| {
                    let unset = if *is_set { "" } else { ", which SESSIONARY_SEALING_KEYS does not have" };
                    ("under", format!("{key}: {organizations} organizations{unset}"))
                }));
                let shown = ShownStatus { current, data_keys, sealed_secrets, clear_secrets };
                context.output.details("The secrets of webhooks.", &details, &shown);
                Ok(())
            }
            Self::Rotate => {
                let current = keys.map(|keys| keys.current().to_owned());
                let current =
                    current.ok_or("SESSIONARY_SEALING_KEYS is not set, so that there is no key to seal with")?;
                let done = admin.reseal(context.clock.now(), &context.mint).await?;
                let sentence = format!(
                    "Every secret is sealed under the key {current}: {} organizations were moved to it, and {} secrets \
                     were in clear.",
                    done.data_keys, done.secrets
                );
                let rotated = Rotated { current, data_keys: done.data_keys, secrets: done.secrets };
                context.output.line(&sentence, &rotated);
                Ok(())
            }
        })
        .await
    }
}
