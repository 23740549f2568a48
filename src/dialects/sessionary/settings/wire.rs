//! The wire type of the settings.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::agents::responder::{Shown, WireResponder};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::OrgId;
use crate::store::OwnSettings;

/// The settings of the caller's organization.
#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct WireSettings {
    #[schema(value_type = uuid::Uuid)]
    id: OrgId,
    /// Its id at the identity provider.
    #[schema(example = "org_2abc123")]
    external_id: Option<String>,
    name: String,
    /// What replies to the messages of agents without a responder of their own.
    default_responder: WireResponder,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
}

impl WireSettings {
    pub(super) fn new(id: OrgId, settings: &OwnSettings) -> Self {
        Self {
            id,
            external_id: settings.external_id.clone(),
            name: settings.name.clone(),
            default_responder: WireResponder::new(&settings.responder, Shown { is_default: true, to_writer: true }),
            created_at: Milliseconds(settings.created_at),
        }
    }
}
