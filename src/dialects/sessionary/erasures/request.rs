//! Requests an erasure: shared by the operations that do.

use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::erasure::Erasure;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::ErasureId;
use crate::domain::erasure::ProofKey;
use crate::http::{Rejection, Reply};
use crate::idempotency::Idempotent;
use crate::store::ErasureRequested;
use crate::store::admin::{NewErasure, Subject};

type Eraser = Caller<Sessionary, purpose::EraseData>;

/// Determines the subject of a request.
pub trait ErasureOf: Send + 'static {
    fn subject(self, caller: &Eraser) -> impl Future<Output = Result<Subject, SessionaryError>> + Send;
}

/// Stores a request. The response to it has the proof; the one that is stored for its `Idempotency-Key` does not, because
/// the proof would make the receipt personal data for as long. So the proof is no value that the key's seed repeats
/// either.
pub async fn request<B: ErasureOf>(caller: Eraser, body: Idempotent<Sessionary, B>) -> Response {
    let proof: ProofKey = caller.mint.secret();
    let shown = Arc::new(OnceLock::new());
    let first = Arc::clone(&shown);
    let response = body
        .respond(caller, async move |caller: Eraser, body: B| {
            let (erasure, is_new) = stored(&caller, body, proof).await?;
            if is_new {
                let _ = first.set(erasure.clone().with_proof(hex::encode(proof)));
            }
            Ok::<_, SessionaryError>(Reply(StatusCode::ACCEPTED, erasure))
        })
        .await;
    match shown.get() {
        Some(erasure) if response.status().is_success() => Reply(StatusCode::ACCEPTED, erasure.clone()).into_response(),
        _ => response,
    }
}

async fn stored(caller: &Eraser, body: impl ErasureOf, proof: ProofKey) -> Result<(Erasure, bool), SessionaryError> {
    let id = ErasureId(caller.mint.uuid());
    let erasures = caller.store.erasures();
    // An earlier attempt may have erased the session by now.
    if let Some(existing) = erasures.find(id).await? {
        return Ok((existing.into(), false));
    }
    let subject = body.subject(caller).await?;
    let new = NewErasure { id, org: caller.store.org(), subject: &subject, proof, at: caller.now() };
    let is_new = match erasures.request(&new).await? {
        ErasureRequested::New => true,
        ErasureRequested::Existing => false,
        ErasureRequested::LegalHold => {
            let detail = "The organization is under a legal hold, so that nothing is erased.".to_owned();
            return Err(SessionaryError::Conflict { code: "legal_hold", detail });
        }
    };
    let receipt = erasures.find(id).await?.ok_or(Rejection::Internal)?;
    Ok((receipt.into(), is_new))
}
