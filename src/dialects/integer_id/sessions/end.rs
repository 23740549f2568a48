//! `PUT /api/v1/sessions/{session_id}/end` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::sessions::create;
use crate::dialects::integer_id::sessions::session::{self, IntegerIdDetail, Metadata, NumberedSession, Status};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::time::Seconds;
use crate::domain::{JsonField, JsonText, NewEvent, Session, Timestamp};
use crate::http::{OptionalJsonBody, PathOf, Rejection, Reply};
use crate::store::Appends;

/// The longest duration in seconds: the limit of an SQL integer of 32 bits, 68 years.
const MAX_DURATION: i64 = 2_147_483_647;
/// The kind of the event that stores a transcript.
const TRANSCRIPT: &str = "transcript";

#[derive(Default, Deserialize, ToSchema)]
pub struct EndSession {
    /// In seconds, up to 2,147,483,647; by default the time since the start.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    duration: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    transcript: JsonField,
    /// Replaces the session's metadata. At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
}

#[derive(Serialize, ToSchema)]
pub struct Ended {
    success: bool,
    session: EndedSession,
    #[schema(example = "Session ended successfully")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
struct EndedSession {
    #[schema(example = 456)]
    session_id: i64,
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "Sales Support Agent")]
    agent_name: String,
    #[schema(example = "agent_voice")]
    session_type: Option<String>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    started_at: Seconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Seconds>,
    /// In seconds.
    duration: Option<i64>,
    transcript: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
}

struct ValidatedEndSession {
    duration: Option<i64>,
    transcript: Option<String>,
    metadata: Metadata,
}

impl EndSession {
    fn validate(self) -> Result<ValidatedEndSession, IntegerIdError> {
        let invalid = IntegerIdError::Invalid;
        let duration = match &self.duration {
            JsonField::Absent | JsonField::Null => None,
            given => Some(
                given
                    .as_i64()
                    .filter(|seconds| (0..=MAX_DURATION).contains(seconds))
                    .ok_or(invalid("duration must be a whole number of seconds"))?,
            ),
        };
        let transcript = match self.transcript {
            JsonField::Absent | JsonField::Null => None,
            JsonField::String(text) => Some(text),
            _ => return Err(invalid("transcript must be a string")),
        };
        Ok(ValidatedEndSession { duration, transcript, metadata: create::metadata(self.metadata)? })
    }
}

/// End session
///
/// Ends the session. A session that has already ended is returned unchanged. The body is optional.
#[utoipa::path(
    put,
    path = "/api/v1/sessions/{session_id}/end",
    params(("session_id" = i64, Path, description = "The session's integer id.")),
    request_body = Option<EndSession>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The ended session.", body = Ended),
    )
)]
#[tracing::instrument(name = "integer_id.end_session", level = "debug", skip_all)]
pub async fn end_session(
    caller: Caller<IntegerId, purpose::WriteSessions>,
    path: PathOf<IntegerId, String>,
    body: OptionalJsonBody<IntegerId, EndSession>,
) -> Result<Reply<Ended>, IntegerIdError> {
    let key = session::key_of(&path.0)?;
    let end_session = body.0.validate()?;
    let now = caller.now();
    let event = end_session.transcript.as_ref().map(|text| NewEvent {
        content: Some(text.clone()),
        hidden: true,
        ..NewEvent::of(session::transcript_of(key.1), TRANSCRIPT, now)
    });
    let appends = Appends::of(&event);
    let rule = move |session: &mut Session| match end(session, &end_session, now) {
        Ok(true) => (Ok(()), event.iter().cloned().collect()),
        Ok(false) => (Ok(()), Vec::new()),
        Err(rejection) => (Err(rejection), Vec::new()),
    };
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).appending(appends).apply(rule).await?;
    let changed = changed.ok_or(IntegerIdError::SessionNotFound)?;
    changed.outcome.transpose()?;
    let numbered: NumberedSession = changed.session.try_into()?;
    let transcript = numbered.transcript(&caller).await?;
    Ok(Reply(StatusCode::OK, ended(numbered, transcript, now)))
}

/// Ends the session. Returns `true` if it was still open.
///
/// # Errors
/// [`Rejection::Internal`] if the session's detail cannot be read or written.
fn end(session: &mut Session, given: &ValidatedEndSession, now: Timestamp) -> Result<bool, Rejection> {
    if session.ended_at.is_some() {
        return Ok(false);
    }
    let mut detail: IntegerIdDetail = session.detail.read().map_err(|_| Rejection::Internal)?;
    detail.duration = Some(given.duration.unwrap_or_else(|| seconds_between(session.created_at, now)));
    detail.has_transcript = given.transcript.is_some();
    session.detail = JsonText::of(&detail).map_err(|_| Rejection::Internal)?;
    if given.metadata.is_some() {
        session.metadata.clone_from(&given.metadata);
    }
    session.ended_at = Some(now.max(session.created_at));
    session.updated_at = now;
    Ok(true)
}

/// Ends the session without a duration, a transcript or metadata of the client's own. Returns `true` if it was still
/// open.
///
/// # Errors
/// [`Rejection::Internal`] if the session's detail cannot be read or written.
pub(in crate::dialects) fn end_plainly(session: &mut Session, now: Timestamp) -> Result<bool, Rejection> {
    end(session, &ValidatedEndSession { duration: None, transcript: None, metadata: None }, now)
}

/// Returns the whole seconds between two times; 0 if the clocks of two replicas disagree and the end is earlier.
fn seconds_between(start: Timestamp, end: Timestamp) -> i64 {
    (end - start).num_seconds().clamp(0, MAX_DURATION)
}

fn ended(numbered: NumberedSession, transcript: Option<String>, now: Timestamp) -> Ended {
    let NumberedSession { number, session, detail } = numbered;
    Ended {
        success: true,
        session: EndedSession {
            session_id: number,
            agent_id: detail.agent_id,
            agent_name: detail.agent_name,
            status: Status::of(&session, now),
            session_type: session.kind,
            started_at: Seconds(session.created_at),
            ended_at: session.ended_at.map(Seconds),
            duration: detail.duration,
            transcript,
            metadata: session.metadata,
        },
        message: "Session ended successfully",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn durations_are_whole_seconds_and_never_negative(start in 0i64..1 << 42, took in -100_000i64..1 << 42) {
            let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
            let seconds = seconds_between(at(start), at(start + took));
            prop_assert!((0..=MAX_DURATION).contains(&seconds));
            prop_assert_eq!(seconds, (took.max(0) / 1_000).min(MAX_DURATION));
        }
    }
}
