//! The table of what each operation needs.
//!
//! A row is the method, the path in the OpenAPI document, the scope, the body of a valid request and the status of its
//! response. `<name>` in a body stands for an object that [`super::objects`] creates, `<new>` for a new text.

use sessionary::domain::Scope::*;
use sessionary::domain::{ApiName, DialectName, Scope};

use Surface::{Alone, Captures, Keys, Open, People, Streams, Vectara};

/// Which credentials an operation accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// An API key in `x-api-key` and a token as Bearer.
    Keys,
    /// These, and `x-org-id` alone. Without a credential: 400, because the vendor requires the header.
    Captures,
    /// A token as Bearer only: a user, not a program.
    People,
    /// [`Surface::Keys`], and an API key or an access token of the dialect as Bearer.
    Vectara,
    /// [`Surface::Keys`], and a token in the query or in a cookie.
    Streams,
    /// [`Surface::Keys`]. Without a credential: the default organization, if the deployment names one.
    Alone,
    /// No credential is read from the headers.
    Open,
}

/// The body of a valid request.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    None,
    Json(&'static str),
    /// A form with an image and its name.
    Image,
}

#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    pub surface: Surface,
    /// `None` if the operation needs no scope.
    pub scope: Option<Scope>,
    pub body: Body,
    /// The status of a valid request by an accepted caller.
    pub success: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    surface: Surface,
    scope: Scope,
    body: Body,
    success: u16,
) -> Row {
    Row { method, path, surface, scope: Some(scope), body, success }
}

const fn open(method: &'static str, path: &'static str, body: Body) -> Row {
    Row { method, path, surface: Open, scope: None, body, success: 200 }
}

use Body::{Image, Json, None as Empty};

/// Returns the documented operations of a dialect.
pub fn documented(api: ApiName) -> &'static [Row] {
    match api {
        ApiName::Dialect(DialectName::Agnost) => AGNOST,
        ApiName::Dialect(DialectName::Agntix) => AGNTIX,
        ApiName::Dialect(DialectName::AgentKey) => AGENT_KEY,
        ApiName::Dialect(DialectName::Messaging) => MESSAGING,
        ApiName::Dialect(DialectName::IntegerId) => INTEGER_ID,
        ApiName::Sessionary => SESSIONARY,
    }
}

/// Returns operations that are described and served without their own attribute, and those that are only served.
pub fn further(api: ApiName) -> Vec<Row> {
    match api {
        ApiName::Dialect(DialectName::Agnost) => {
            let body = |method| if matches!(method, "GET" | "DELETE") { Empty } else { NOTHING };
            NOT_HERE.iter().map(|(method, path)| row(method, path, Keys, EventsRead, body(*method), 501)).collect()
        }
        ApiName::Dialect(DialectName::Agntix) => OLDER_PATHS.to_vec(),
        ApiName::Dialect(DialectName::Messaging) => {
            vec![row("DELETE", "/api/messaging/sessions/health", Alone, SessionsWrite, Empty, 404)]
        }
        ApiName::Dialect(DialectName::AgentKey | DialectName::IntegerId) | ApiName::Sessionary => Vec::new(),
    }
}

const CONVERSATION: Body = Json(r#"{"conversation_id":"<conversation>"}"#);
const NOTHING: Body = Json("{}");

const SESSIONARY: &[Row] = &[
    Row { method: "GET", path: "/sessionary/v1/me", surface: Vectara, scope: None, body: Empty, success: 200 },
    open("GET", "/sessionary/v1/version", Empty),
    // Sessions and their events.
    row("GET", "/sessionary/v1/sessions", Vectara, SessionsRead, Empty, 200),
    row("GET", "/sessionary/v1/sessions/{session_id}", Vectara, SessionsRead, Empty, 200),
    // Administration.
    row("GET", "/sessionary/v1/agents", Vectara, AgentsRead, Empty, 200),
    row("POST", "/sessionary/v1/agents", Vectara, AgentsWrite, Json(r#"{"name":"<new>"}"#), 201),
    row("GET", "/sessionary/v1/agents/{agent_id}", Vectara, AgentsRead, Empty, 200),
    row("PATCH", "/sessionary/v1/agents/{agent_id}", Vectara, AgentsWrite, Json(r#"{"name":"<new>"}"#), 200),
    row("DELETE", "/sessionary/v1/agents/{agent_id}", Vectara, AgentsWrite, Empty, 204),
    row(
        "POST",
        "/sessionary/v1/agents/{agent_id}/replies",
        Vectara,
        EventsWrite,
        Json(r#"{"messages":[{"role":"user","text":"hello"}]}"#),
        200,
    ),
    row("GET", "/sessionary/v1/keys", Vectara, Manage, Empty, 200),
    row("POST", "/sessionary/v1/keys", Vectara, Manage, Json(r#"{"name":"<new>"}"#), 201),
    row("GET", "/sessionary/v1/keys/{key_id}", Vectara, Manage, Empty, 200),
    row("PATCH", "/sessionary/v1/keys/{key_id}", Vectara, Manage, Json(r#"{"name":"<new>"}"#), 200),
    row("DELETE", "/sessionary/v1/keys/{key_id}", Vectara, Manage, Empty, 204),
    row("POST", "/sessionary/v1/keys/{key_id}/rotate", Vectara, Manage, Json(r#"{"overlap_seconds":3600}"#), 201),
    row("GET", "/sessionary/v1/retention", Vectara, Manage, Empty, 200),
    row(
        "PUT",
        "/sessionary/v1/retention",
        Vectara,
        Manage,
        Json(r#"{"rules":[{"dialect":"agntix","days":90}],"legal_hold":false}"#),
        200,
    ),
    row("POST", "/sessionary/v1/retention/preview", Vectara, Manage, Json(r#"{"rules":[{"days":90}]}"#), 200),
    row("GET", "/sessionary/v1/settings", Vectara, Manage, Empty, 200),
    row("PATCH", "/sessionary/v1/settings", Vectara, Manage, Json(r#"{"name":"<new>"}"#), 200),
    row("GET", "/sessionary/v1/limits", Vectara, Manage, Empty, 200),
    row("GET", "/sessionary/v1/webhooks", Vectara, Manage, Empty, 200),
    row(
        "POST",
        "/sessionary/v1/webhooks",
        Vectara,
        Manage,
        Json(r#"{"url":"https://example.com/<new>","events":["session.ended"]}"#),
        201,
    ),
    row("GET", "/sessionary/v1/webhooks/{webhook_id}", Vectara, Manage, Empty, 200),
    row(
        "PATCH",
        "/sessionary/v1/webhooks/{webhook_id}",
        Vectara,
        Manage,
        Json(r#"{"url":"https://example.com/<new>"}"#),
        200,
    ),
    row("DELETE", "/sessionary/v1/webhooks/{webhook_id}", Vectara, Manage, Empty, 204),
    row("POST", "/sessionary/v1/webhooks/{webhook_id}/rotate_secret", Vectara, Manage, Json("{}"), 200),
    row("GET", "/sessionary/v1/webhooks/{webhook_id}/deliveries", Vectara, Manage, Empty, 200),
    row("POST", "/sessionary/v1/deliveries/{delivery_id}/resend", Vectara, Manage, Empty, 202),
    row("GET", "/sessionary/v1/organizations", Vectara, Manage, Empty, 200),
    row("POST", "/sessionary/v1/organizations", Vectara, Manage, Json(r#"{"name":"<new>"}"#), 201),
    row("GET", "/sessionary/v1/organizations/{organization_id}", Vectara, Manage, Empty, 200),
    row(
        "PATCH",
        "/sessionary/v1/organizations/{organization_id}",
        Vectara,
        Manage,
        Json(r#"{"limits":{"writes":100},"quota_bytes":1000000}"#),
        200,
    ),
    row("GET", "/sessionary/v1/health", Vectara, Manage, Empty, 200),
    row("PATCH", "/sessionary/v1/sessions/{session_id}", Vectara, SessionsWrite, Json(r#"{"name":"Orders"}"#), 200),
    row("POST", "/sessionary/v1/sessions/{session_id}/end", Vectara, SessionsWrite, NOTHING, 200),
    row(
        "POST",
        "/sessionary/v1/sessions/{session_id}/events",
        Vectara,
        EventsWrite,
        Json(r#"{"role":"user","text":"Where is my order?"}"#),
        201,
    ),
    row("GET", "/sessionary/v1/sessions/{session_id}/events", Vectara, EventsRead, Empty, 200),
    row("GET", "/sessionary/v1/sessions/{session_id}/events/stream", Vectara, EventsRead, Empty, 200),
    row("GET", "/sessionary/v1/events/stream", Vectara, EventsRead, Empty, 200),
    row("GET", "/sessionary/v1/search", Vectara, SessionsRead, Empty, 200),
    row("DELETE", "/sessionary/v1/sessions/{session_id}", Vectara, SessionsWrite, Empty, 204),
    row("GET", "/sessionary/v1/audit", Vectara, AuditRead, Empty, 200),
    row("GET", "/sessionary/v1/audit/verification", Vectara, AuditRead, Empty, 200),
    row("GET", "/sessionary/v1/erasures", Vectara, DataErase, Empty, 200),
    row("POST", "/sessionary/v1/erasures", Vectara, DataErase, Json(r#"{"session_id":"<session_id>"}"#), 202),
    row("GET", "/sessionary/v1/erasures/{erasure_id}", Vectara, DataErase, Empty, 200),
    row("GET", "/sessionary/v1/exports", Vectara, Export, Empty, 200),
    row("POST", "/sessionary/v1/imports", Vectara, SessionsWrite, NOTHING, 200),
    row("GET", "/sessionary/v1/usage", Vectara, Manage, Empty, 200),
    row("GET", "/sessionary/v1/users", Vectara, SessionsRead, Empty, 200),
    row("GET", "/sessionary/v1/users/{user_id}", Vectara, SessionsRead, Empty, 200),
    row("POST", "/sessionary/v1/users/{user_id}/erase", Vectara, DataErase, Empty, 202),
];

const AGNOST: &[Row] = &[
    row(
        "POST",
        "/api/v1/capture-session",
        Captures,
        Capture,
        Json(r#"{"session_id":"<new-uuid>","user_data":{"user_id":"u"}}"#),
        200,
    ),
    row(
        "POST",
        "/api/v1/capture-event",
        Captures,
        Capture,
        Json(
            r#"{"event_id":"<new-uuid>","session_id":"<conversation>","primitive_name":"p","args":"a","result":"r","latency":1}"#,
        ),
        200,
    ),
    row("POST", "/v1/traces", Captures, Capture, Json(r#"{"resourceSpans":[]}"#), 200),
    row("POST", "/v1/logs", Captures, Capture, Json(r#"{"resourceLogs":[]}"#), 200),
    row("POST", "/v1/metrics", Captures, Capture, Json(r#"{"resourceMetrics":[]}"#), 200),
    row("POST", "/dashboard/api/conversation-messages", Keys, EventsRead, CONVERSATION, 200),
    row("POST", "/dashboard/api/conversation-spans", Keys, EventsRead, CONVERSATION, 200),
    row("POST", "/dashboard/api/conversation-detail", Keys, EventsRead, CONVERSATION, 200),
    row("POST", "/dashboard/api/event-io", Keys, EventsRead, Json(r#"{"event_id":"<event>"}"#), 200),
    row("POST", "/dashboard/api/user-stories", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/raw-logs", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/raw-logs/count", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/raw-logs/export", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/errors", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/errors/export", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/spotlight-search", Keys, EventsRead, Json(r#"{"query":"hello"}"#), 200),
    row("POST", "/dashboard/api/tool-stats", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/tool-time-series", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/tool-error-distribution", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/tool-checkpoint-stats", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/tools-dashboard", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/dashboard", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/command-center-summary", Keys, EventsRead, NOTHING, 200),
    row("POST", "/dashboard/api/metadata-distribution", Keys, EventsRead, NOTHING, 200),
    row("GET", "/dashboard/api/dashboard/charts", Keys, EventsRead, Empty, 200),
    row("POST", "/dashboard/api/dashboard/charts", Keys, EventsWrite, Json(r#"{"title":"t"}"#), 201),
    row("DELETE", "/dashboard/api/dashboard/charts/{id}", Keys, EventsWrite, Empty, 204),
    row("PUT", "/dashboard/api/dashboard/charts/reorder", Keys, EventsWrite, Json(r#"{"chart_ids":["<chart>"]}"#), 200),
    row("GET", "/dashboard/api/organization/event-keys", Keys, EventsRead, Empty, 200),
    row("PUT", "/dashboard/api/organization/event-keys", Keys, EventsWrite, Json(r#"{"keys":["<new>"]}"#), 200),
    row("GET", "/dashboard/api/organization/conversation-keys", Keys, EventsRead, Empty, 200),
    row("PUT", "/dashboard/api/organization/conversation-keys", Keys, EventsWrite, Json(r#"{"keys":["<new>"]}"#), 200),
    row("GET", "/dashboard/api/profile", People, SessionsRead, Empty, 200),
    row("GET", "/dashboard/api/organizations", People, SessionsRead, Empty, 200),
    row("POST", "/dashboard/api/organizations", People, EventsRead, NOTHING, 501),
    row("PUT", "/dashboard/api/organizations/{id}", People, Manage, Json(r#"{"name":"<new>"}"#), 200),
    row("DELETE", "/dashboard/api/organizations/{id}", People, EventsRead, Empty, 501),
    row("GET", "/dashboard/api/organizations/{id}/members", People, SessionsRead, Empty, 200),
    row(
        "POST",
        "/dashboard/api/organizations/{id}/members",
        People,
        Manage,
        Json(r#"{"email":"<new>@example.com"}"#),
        200,
    ),
    row("GET", "/dashboard/api/organization/displayId", Keys, SessionsRead, Empty, 200),
    row("GET", "/dashboard/api/organization/api-keys", People, Manage, Empty, 200),
    row("POST", "/dashboard/api/organization/api-keys", People, Manage, Json(r#"{"name":"<new>"}"#), 201),
    row("DELETE", "/dashboard/api/organization/api-keys/{id}", People, Manage, Empty, 204),
];

/// Routes of the vendor that this service rejects for every caller with read access.
const NOT_HERE: &[(&str, &str)] = &[
    ("GET", "/dashboard/api/login-summary"),
    ("POST", "/dashboard/api/intent-keywords"),
    ("GET", "/dashboard/api/sops"),
    ("POST", "/dashboard/api/sops"),
    ("PUT", "/dashboard/api/sops/{id}"),
    ("DELETE", "/dashboard/api/sops/{id}"),
    ("POST", "/dashboard/api/sop-violations"),
    ("POST", "/dashboard/api/sop-stats"),
    ("POST", "/dashboard/api/sop-messages"),
    ("POST", "/dashboard/api/sop-timeline"),
    ("POST", "/dashboard/api/sop-timelines"),
    ("POST", "/dashboard/api/summarize-sop-distribution"),
    ("GET", "/dashboard/api/sentiments"),
    ("POST", "/dashboard/api/sentiments"),
    ("PUT", "/dashboard/api/sentiments/{id}"),
    ("DELETE", "/dashboard/api/sentiments/{id}"),
    ("POST", "/dashboard/api/sentiment-stats"),
    ("POST", "/dashboard/api/sentiment-messages"),
    ("POST", "/dashboard/api/sentiment-timeline"),
    ("POST", "/dashboard/api/sentiment-timelines"),
    ("GET", "/dashboard/api/sentiment-tags"),
    ("POST", "/dashboard/api/summarize-intent-distribution"),
    ("POST", "/dashboard/api/run-intent-classification"),
    ("POST", "/dashboard/api/run-sop-classification"),
    ("POST", "/dashboard/api/run-spotlight-query"),
    ("POST", "/dashboard/api/classify"),
    ("POST", "/dashboard/api/onboarding/describe-product"),
    ("POST", "/dashboard/api/onboarding/suggest-intents"),
    ("GET", "/dashboard/api/alerts"),
    ("POST", "/dashboard/api/alerts"),
    ("GET", "/dashboard/api/alerts/{id}"),
    ("PUT", "/dashboard/api/alerts/{id}"),
    ("DELETE", "/dashboard/api/alerts/{id}"),
    ("POST", "/dashboard/api/alerts/{id}/toggle"),
    ("GET", "/dashboard/api/alerts/{id}/history"),
    ("POST", "/dashboard/api/alerts/{id}/test"),
    ("POST", "/dashboard/api/alerts/generate-query"),
    ("POST", "/dashboard/api/alerts/build-query"),
    ("POST", "/dashboard/api/alerts/test-query"),
    ("POST", "/dashboard/api/alerts/summarize-action"),
    ("POST", "/dashboard/api/alerts/query"),
    ("GET", "/dashboard/api/report-config"),
    ("PUT", "/dashboard/api/report-config"),
    ("GET", "/dashboard/api/connections"),
    ("POST", "/dashboard/api/connections/initiate-slack"),
    ("DELETE", "/dashboard/api/connections/{id}"),
    ("POST", "/dashboard/api/connections/{id}/send-message"),
    ("POST", "/dashboard/api/billing/create-checkout"),
    ("POST", "/dashboard/api/billing/create-portal"),
    ("POST", "/dashboard/api/billing/cancel"),
    ("GET", "/dashboard/api/conversation-audio"),
];

const AGNTIX_SESSION: Body = Json(r#"{"agentId":"<agentId>"}"#);
const AGNTIX_MESSAGE: Body = Json(r#"{"content":"hello","stream":false}"#);
const AGNTIX_AGENT: Body = Json(r#"{"fullName":"Agent <new>","description":"d","role":"r"}"#);

const AGNTIX: &[Row] = &[
    row("GET", "/v1/chat/chat/sessions", Keys, SessionsRead, Empty, 200),
    row("POST", "/v1/chat/chat/sessions", Keys, SessionsWrite, AGNTIX_SESSION, 201),
    row("POST", "/api/v1/chat/sessions", Keys, SessionsWrite, AGNTIX_SESSION, 201),
    row("GET", "/v1/chat/chat/sessions/{sessionId}", Keys, SessionsRead, Empty, 200),
    row("GET", "/api/v1/chat/sessions/{sessionId}", Keys, SessionsRead, Empty, 200),
    row("PATCH", "/v1/chat/chat/sessions/{sessionId}/close", Keys, SessionsWrite, Empty, 200),
    row("GET", "/v1/chat/chat/sessions/{sessionId}/messages", Keys, EventsRead, Empty, 200),
    row("POST", "/v1/chat/chat/sessions/{sessionId}/messages", Keys, EventsWrite, AGNTIX_MESSAGE, 200),
    row("GET", "/v1/chat/chat/sessions/download/csv", Keys, SessionsRead, Empty, 200),
    row("GET", "/v2/chat/agents", Keys, AgentsRead, Empty, 200),
    row("POST", "/v2/chat/agents", Keys, AgentsWrite, AGNTIX_AGENT, 201),
    row("GET", "/v2/chat/agents/{agentId}", Keys, AgentsRead, Empty, 200),
    row("DELETE", "/v2/chat/agents/{agentId}", Keys, AgentsWrite, Empty, 204),
    row("PATCH", "/v2/chat/agents/{agentId}", Keys, AgentsWrite, AGNTIX_AGENT, 200),
    row("GET", "/v1/chat/models", Keys, AgentsRead, Empty, 200),
    row("GET", "/v1/chat/contacts", Keys, SessionsRead, Empty, 200),
    row("POST", "/v1/chat/contacts", Keys, SessionsWrite, Json(r#"{"externalId":"<new>"}"#), 201),
    row("DELETE", "/v1/chat/contacts/{contactId}", Keys, SessionsWrite, Empty, 204),
    row("PATCH", "/v1/chat/contacts/{contactId}", Keys, SessionsWrite, Json(r#"{"name":"<new>"}"#), 200),
    row("GET", "/v1/chat/api-keys", Keys, Manage, Empty, 200),
    row("POST", "/v1/chat/api-keys", Keys, Manage, Json(r#"{"name":"<new>"}"#), 201),
    row("DELETE", "/v1/chat/api-keys/{keyId}", Keys, Manage, Empty, 200),
    row("PATCH", "/v1/chat/api-keys/{keyId}", Keys, Manage, Json(r#"{"name":"<new>"}"#), 200),
    row("POST", "/v1/chat/api-keys/{keyId}/revoke", Keys, Manage, Empty, 200),
    row("GET", "/v1/chat/events/stream", Streams, EventsRead, Empty, 200),
    open("GET", "/v1/chat/health", Empty),
];

/// The paths in other documents of the vendor for the same operations.
const OLDER_PATHS: &[Row] = &[
    row("GET", "/api/v1/chat/sessions", Keys, SessionsRead, Empty, 200),
    row("PATCH", "/api/v1/chat/sessions/{sessionId}/close", Keys, SessionsWrite, Empty, 200),
    row("GET", "/api/v1/chat/sessions/{sessionId}/messages", Keys, EventsRead, Empty, 200),
    row("POST", "/api/v1/chat/sessions/{sessionId}/messages", Keys, EventsWrite, AGNTIX_MESSAGE, 200),
    row("GET", "/v1/chat/agents", Keys, AgentsRead, Empty, 200),
    row("POST", "/v1/chat/agents", Keys, AgentsWrite, AGNTIX_AGENT, 201),
    row("GET", "/v1/chat/agents/{agentId}", Keys, AgentsRead, Empty, 200),
    row("DELETE", "/v1/chat/agents/{agentId}", Keys, AgentsWrite, Empty, 204),
    row("PATCH", "/v1/chat/agents/{agentId}", Keys, AgentsWrite, AGNTIX_AGENT, 200),
];

const VECTARA_AGENT: Body = Json(r#"{"name":"Agent <new>"}"#);
const TOKEN: Body =
    Json(r#"{"grant_type":"client_credentials","client_id":"<client_id>","client_secret":"<client_secret>"}"#);

const AGENT_KEY: &[Row] = &[
    row("GET", "/v2/agents", Vectara, AgentsRead, Empty, 200),
    row("POST", "/v2/agents", Vectara, AgentsWrite, VECTARA_AGENT, 201),
    row("GET", "/v2/agents/{agent_key}", Vectara, AgentsRead, Empty, 200),
    row("PUT", "/v2/agents/{agent_key}", Vectara, AgentsWrite, VECTARA_AGENT, 200),
    row("DELETE", "/v2/agents/{agent_key}", Vectara, AgentsWrite, Empty, 204),
    row("PATCH", "/v2/agents/{agent_key}", Vectara, AgentsWrite, VECTARA_AGENT, 200),
    row("GET", "/v2/agents/{agent_key}/identity", Vectara, AgentsRead, Empty, 200),
    row("PATCH", "/v2/agents/{agent_key}/identity", Vectara, AgentsWrite, Json(r#"{"mode":"manual"}"#), 200),
    row("GET", "/v2/agents/{agent_key}/sessions", Vectara, SessionsRead, Empty, 200),
    row("POST", "/v2/agents/{agent_key}/sessions", Vectara, SessionsWrite, Json(r#"{"name":"<new>"}"#), 201),
    row("GET", "/v2/agents/{agent_key}/sessions/{session_key}", Vectara, SessionsRead, Empty, 200),
    row("DELETE", "/v2/agents/{agent_key}/sessions/{session_key}", Vectara, SessionsWrite, Empty, 204),
    row(
        "PATCH",
        "/v2/agents/{agent_key}/sessions/{session_key}",
        Vectara,
        SessionsWrite,
        Json(r#"{"name":"<new>"}"#),
        200,
    ),
    row("GET", "/v2/agents/{agent_key}/sessions/{session_key}/artifacts", Vectara, EventsRead, Empty, 200),
    // A session has no artifacts here.
    row(
        "GET",
        "/v2/agents/{agent_key}/sessions/{session_key}/artifacts/{artifact_id}",
        Vectara,
        EventsRead,
        Empty,
        404,
    ),
    row(
        "GET",
        "/v2/agents/{agent_key}/sessions/{session_key}/outstanding_client_tool_calls",
        Vectara,
        EventsRead,
        Empty,
        200,
    ),
    row("GET", "/v2/agents/{agent_key}/sessions/{session_key}/events", Vectara, EventsRead, Empty, 200),
    row(
        "POST",
        "/v2/agents/{agent_key}/sessions/{session_key}/events",
        Vectara,
        EventsWrite,
        Json(r#"{"messages":[{"type":"text","content":"hello"}]}"#),
        201,
    ),
    row("GET", "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}", Vectara, EventsRead, Empty, 200),
    row("DELETE", "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}", Vectara, EventsWrite, Empty, 204),
    row(
        "POST",
        "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}/hide",
        Vectara,
        EventsWrite,
        Empty,
        200,
    ),
    row(
        "POST",
        "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}/unhide",
        Vectara,
        EventsWrite,
        Empty,
        200,
    ),
    open("POST", "/oauth2/token", TOKEN),
    open("POST", "/oauth/token", TOKEN),
];

const MESSAGING: &[Row] = &[
    row("GET", "/api/agents", Alone, AgentsRead, Empty, 200),
    row("GET", "/api/server/ping", Alone, SessionsRead, Empty, 200),
    row("GET", "/api/messaging/sessions/health", Alone, SessionsRead, Empty, 200),
    row("GET", "/api/messaging/sessions", Alone, SessionsRead, Empty, 200),
    row(
        "POST",
        "/api/messaging/sessions",
        Alone,
        SessionsWrite,
        Json(r#"{"agentId":"<agent>","userId":"<new-uuid>"}"#),
        201,
    ),
    row("GET", "/api/messaging/sessions/{sessionId}", Alone, SessionsRead, Empty, 200),
    row("DELETE", "/api/messaging/sessions/{sessionId}", Alone, SessionsWrite, Empty, 200),
    row("GET", "/api/messaging/sessions/{sessionId}/messages", Alone, EventsRead, Empty, 200),
    row(
        "POST",
        "/api/messaging/sessions/{sessionId}/messages",
        Alone,
        EventsWrite,
        Json(r#"{"content":"hello","transport":"http"}"#),
        201,
    ),
    row("POST", "/api/messaging/sessions/{sessionId}/renew", Alone, SessionsWrite, Empty, 200),
    row(
        "PATCH",
        "/api/messaging/sessions/{sessionId}/timeout",
        Alone,
        SessionsWrite,
        Json(r#"{"timeoutMinutes":20}"#),
        200,
    ),
    row("POST", "/api/messaging/sessions/{sessionId}/heartbeat", Alone, SessionsWrite, Empty, 200),
    row(
        "POST",
        "/api/messaging/submit",
        Alone,
        EventsWrite,
        Json(
            r#"{"channel_id":"<channel>","message_server_id":"00000000-0000-0000-0000-000000000000","author_id":"<agent>","content":"hello","source_type":"agent_response","raw_message":{}}"#,
        ),
        201,
    ),
];

const AVATAR: Body = Json(r#"{"name":"<new>","url":"https://example.com/a.png"}"#);

const INTEGER_ID: &[Row] = &[
    row("GET", "/api/v1/sessions", Keys, SessionsRead, Empty, 200),
    row("POST", "/api/v1/sessions", Keys, SessionsWrite, Json(r#"{"agent_id":<agent_id>}"#), 201),
    row("GET", "/api/v1/sessions/{session_id}", Keys, SessionsRead, Empty, 200),
    row("PUT", "/api/v1/sessions/{session_id}/end", Keys, SessionsWrite, Empty, 200),
    row("GET", "/api/v1/sessions/{session_id}/messages", Keys, EventsRead, Empty, 200),
    row("POST", "/api/v1/sessions/{session_id}/messages", Keys, EventsWrite, Json(r#"{"content":"hello"}"#), 201),
    row("GET", "/api/v1/agents", Keys, AgentsRead, Empty, 200),
    row("POST", "/api/v1/agents", Keys, AgentsWrite, Json(r#"{"name":"<new>"}"#), 201),
    row("GET", "/api/v1/agents/{agent_id}", Keys, AgentsRead, Empty, 200),
    row("PUT", "/api/v1/agents/{agent_id}", Keys, AgentsWrite, Json(r#"{"name":"<new>"}"#), 200),
    row("DELETE", "/api/v1/agents/{agent_id}", Keys, AgentsWrite, Empty, 200),
    row("GET", "/api/v1/agents/{agent_id}/sessions", Keys, SessionsRead, Empty, 200),
    row("GET", "/api/v1/avatars", Keys, AgentsRead, Empty, 200),
    row("POST", "/api/v1/avatars", Keys, AgentsWrite, AVATAR, 201),
    row("GET", "/api/v1/avatars/public", Keys, AgentsRead, Empty, 200),
    row("GET", "/api/v1/avatars/user/{user_id}", Keys, AgentsRead, Empty, 200),
    row("POST", "/api/v1/avatars/upload", Keys, AgentsWrite, Image, 201),
    open("GET", "/api/v1/avatars/images/{image}", Empty),
    row("PUT", "/api/v1/avatars/{avatar_id}", Keys, AgentsWrite, AVATAR, 200),
    row("DELETE", "/api/v1/avatars/{avatar_id}", Keys, AgentsWrite, Empty, 200),
];
