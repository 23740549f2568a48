//! The server of the protocol: which tools there are, and what a call of one returns.

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use super::tools::{self, ToolFault};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::Sessionary;
use crate::domain::{Scopes, Timestamp};
use crate::store::TenantStore;

const INSTRUCTIONS: &str = "\
Reads the conversations that this organization has stored. Find sessions with list_sessions or search_sessions, then read \
one with read_messages. A result with next_cursor continues with the same arguments and that cursor; a page can be empty \
and not be the last.";

/// Serves one caller.
#[derive(Clone)]
pub(super) struct Server {
    pub store: TenantStore,
    pub scopes: Scopes,
    pub now: Timestamp,
}

impl Server {
    pub fn new(caller: Caller<Sessionary, purpose::ReadSessions>) -> Self {
        Self { scopes: caller.principal.scopes, now: caller.now(), store: caller.store }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("sessionary", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let result: Result<Value, ToolFault> = match request.name.as_ref() {
            "list_sessions" => tools::list_sessions(self, arguments).await,
            "get_session" => tools::get_session(self, arguments).await,
            "read_messages" => tools::read_messages(self, arguments).await,
            "search_sessions" => tools::search_sessions(self, arguments).await,
            _ => return Err(ErrorData::invalid_params("There is no such tool.", None)),
        };
        let result = match result {
            Ok(value) => CallToolResult::success(vec![ContentBlock::text(value.to_string())]),
            Err(ToolFault(text)) => CallToolResult::error(vec![ContentBlock::text(text)]),
        };
        Ok(result.into())
    }
}
