//! `GET …/sessions/{session_key}/artifacts`, `…/artifacts/{artifact_id}` and `…/outstanding_client_tool_calls`
//! (docs/dialects/agent-key.md).
//!
//! Agents here call no tools and accept no files, so a session has neither artifacts nor calls that wait for a client.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::paging::{self, ListMetadata};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::http::{PathOf, QueryPairs, Reply};

#[derive(Serialize, ToSchema)]
pub struct Artifacts {
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    artifacts: [(); 0],
    metadata: ListMetadata,
}

#[derive(Serialize, ToSchema)]
pub struct OutstandingCalls {
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pending_calls: [(); 0],
}

/// List session artifacts
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/artifacts",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 10."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "An empty page.", body = Artifacts),
    )
)]
#[tracing::instrument(name = "agent_key.list_artifacts", level = "debug", skip_all)]
pub async fn list_artifacts(
    caller: Caller<AgentKeyDialect, purpose::ReadEvents>,
    path: PathOf<AgentKeyDialect, (String, String)>,
    query: QueryPairs,
) -> Result<Reply<Artifacts>, AgentKeyError> {
    find::session(&caller, &path.0).await?;
    paging::limit(&query)?;
    Ok(Reply(StatusCode::OK, Artifacts { artifacts: [], metadata: ListMetadata { page_key: None } }))
}

/// Get session artifact
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/artifacts/{artifact_id}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        ("artifact_id" = String, Path, description = "The artifact's id."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 404, description = "The artifact does not exist; sessions have none."),
    )
)]
#[tracing::instrument(name = "agent_key.get_artifact", level = "debug", skip_all)]
pub async fn get_artifact(
    caller: Caller<AgentKeyDialect, purpose::ReadEvents>,
    path: PathOf<AgentKeyDialect, (String, String, String)>,
) -> AgentKeyError {
    let (agent, session, artifact) = path.0;
    match find::session(&caller, &(agent, session)).await {
        Ok(_) => AgentKeyError::ArtifactNotFound(artifact),
        Err(error) => error,
    }
}

/// List outstanding client tool calls
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/outstanding_client_tool_calls",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "An empty list.", body = OutstandingCalls),
    )
)]
#[tracing::instrument(name = "agent_key.outstanding_client_tool_calls", level = "debug", skip_all)]
pub async fn outstanding_client_tool_calls(
    caller: Caller<AgentKeyDialect, purpose::ReadEvents>,
    path: PathOf<AgentKeyDialect, (String, String)>,
) -> Result<Reply<OutstandingCalls>, AgentKeyError> {
    find::session(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, OutstandingCalls { pending_calls: [] }))
}
