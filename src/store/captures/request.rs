//! A captured event that is to be written.

use crate::domain::{EventId, KeyId, NewCapture, OrgId};
use crate::store::sessions::RowKey;

pub struct CaptureRequest {
    pub org: OrgId,
    pub capture: NewCapture,
    /// The API key whose usage is counted.
    pub used_by: Option<KeyId>,
}

impl CaptureRequest {
    pub(super) fn key(&self) -> RowKey {
        RowKey::new(self.org, self.capture.session.dialect, self.capture.session.id)
    }

    pub(super) fn event(&self) -> (OrgId, EventId) {
        (self.org, self.capture.event.id)
    }
}
