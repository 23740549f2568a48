//! `GET /v1/chat/models` (docs/dialects/agntix.md).

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::settings::Model;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::domain::Responder;
use crate::http::Reply;

#[derive(Serialize, ToSchema)]
pub struct ModelList {
    data: Vec<Model>,
}

/// List models
///
/// The models that the deployment lists; if it lists none, the model that replies to the organization's messages, if
/// there is one.
#[utoipa::path(
    get,
    path = "/v1/chat/models",
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The models.", body = ModelList),
    )
)]
#[tracing::instrument(name = "agntix.list_models", level = "debug", skip_all)]
pub async fn list_models(
    State(settings): State<Settings>,
    caller: Caller<Agntix, purpose::ReadAgents>,
) -> Result<Reply<ModelList>, AgntixError> {
    let mut data = settings.models.to_vec();
    if let (true, Responder::OpenAi(endpoint)) = (data.is_empty(), &caller.principal.organization.responder) {
        let id = endpoint.model.as_str().to_owned();
        let context_window = endpoint.context_tokens.get();
        data.push(Model { name: id.clone(), id, provider: "openai".to_owned(), context_window, is_active: true });
    }
    Ok(Reply(StatusCode::OK, ModelList { data }))
}
