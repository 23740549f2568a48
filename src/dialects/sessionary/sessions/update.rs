//! `PATCH /sessionary/v1/sessions/{session_id}`.

use utoipa::ToSchema;

use super::session::{self, SessionVersion, SingleSession};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::{IfMatch, VersionedAs};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{JsonField, JsonText, Patch, Session};
use crate::http::{JsonBody, PathOf};

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=1_000;
/// Characters of a description.
const DESCRIPTION: std::ops::RangeInclusive<usize> = 0..=10_000;
/// UTF-16 code units of metadata as compact JSON.
const METADATA_LIMIT: usize = 65_536;

/// An absent member stays unchanged; null removes it.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateSession {
    /// 1 to 1,000 characters.
    name: Option<String>,
    /// At most 10,000 characters.
    description: Option<String>,
    /// Replaces all metadata. At most 65,536 UTF-16 code units as compact JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonText>,
}

#[derive(Clone)]
struct Changes {
    name: Patch<String>,
    description: Patch<String>,
    metadata: Patch<JsonText>,
}

impl Changes {
    fn read(mut body: Members) -> Result<Self, SessionaryError> {
        let changes = Self {
            name: body.text("name", NAME),
            description: body.text("description", DESCRIPTION),
            metadata: metadata(&mut body, "metadata"),
        };
        body.finish()?;
        Ok(changes)
    }

    fn apply_to(self, session: &mut Session, now: crate::domain::Timestamp) {
        let before = session.clone();
        self.name.apply_to(&mut session.name);
        self.description.apply_to(&mut session.description);
        self.metadata.apply_to(&mut session.metadata);
        if *session != before {
            session.updated_at = now;
        }
    }
}

/// Returns an object within the limit.
pub(in crate::dialects::sessionary) fn metadata(body: &mut Members, name: &str) -> Patch<JsonText> {
    let expected = format!("an object of at most {METADATA_LIMIT} UTF-16 code units");
    body.read(name, &expected, |given| match given {
        JsonField::Object(object) if object.utf16_len() <= METADATA_LIMIT => Some(object.clone()),
        _ => None,
    })
}

/// Update a session
#[utoipa::path(
    patch,
    path = "/sessionary/v1/sessions/{session_id}",
    params(
        ("session_id" = String, Path, description = "The session's id over all dialects."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change."),
    ),
    request_body = UpdateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = SingleSession, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 412, description = "The session has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_session", level = "debug", skip_all)]
pub async fn update_session(
    caller: Caller<Sessionary, purpose::WriteSessions>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<VersionedAs<SingleSession, SessionVersion>, SessionaryError> {
    let changes = Changes::read(body.0)?;
    let now = caller.now();
    let rule = move |session: &mut Session| changes.clone().apply_to(session, now);
    let (session, ()) = super::change::apply(&caller, &path.0, if_match, rule).await?;
    session::single(&caller.store, session, now).await
}
