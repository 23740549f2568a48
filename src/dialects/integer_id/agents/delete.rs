//! `DELETE /api/v1/agents/{agent_id}` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent;
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::http::{PathOf, Reply};

#[derive(Serialize, ToSchema)]
pub struct DeletedAgent {
    success: bool,
    #[schema(example = "Agent deleted successfully")]
    message: &'static str,
}

/// Delete agent
///
/// The agent's sessions are not deleted and can be read. The response is that of the vendor's later pages.
#[utoipa::path(
    delete,
    path = "/api/v1/agents/{agent_id}",
    params(("agent_id" = i64, Path, description = "The agent's integer id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent was deleted.", body = DeletedAgent),
    )
)]
#[tracing::instrument(name = "integer_id.delete_agent", level = "debug", skip_all)]
pub async fn delete_agent(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    path: PathOf<IntegerId, String>,
) -> Result<Reply<DeletedAgent>, IntegerIdError> {
    let name = agent::named(&path.0, IntegerIdError::NoSuchAgent)?;
    let found = caller.store.agents().delete(&name, caller.now()).await?;
    let deleted = DeletedAgent { success: true, message: "Agent deleted successfully" };
    if found { Ok(Reply(StatusCode::OK, deleted)) } else { Err(IntegerIdError::NoSuchAgent) }
}
