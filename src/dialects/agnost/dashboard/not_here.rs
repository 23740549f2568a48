//! The vendor's routes that a store of conversations has nothing to answer from: they need a language model, a bill or
//! somebody's Slack, and say so (docs/dialects/agnost.md).

use axum::routing::any;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;

use super::super::error::Envelope;
use super::super::{Agnost, AgnostError};
use super::organizations::person;
use crate::AppState;
use crate::auth::{Caller, purpose};

const MODEL: &str = "This needs a language model to judge conversations, and this service has none";
const BILLING: &str = "There is nothing to pay for here: this service bills nobody";
const SLACK: &str = "This service connects to nothing outside, and sends no notifications";
const AUDIO: &str = "This service keeps no audio";
const OPERATOR: &str =
    "Organizations are made and disabled by whoever runs this service: sessionary org create, sessionary org disable";

const ROUTES: [(&str, &str); 43] = [
    ("/dashboard/api/login-summary", MODEL),
    ("/dashboard/api/intent-keywords", MODEL),
    ("/dashboard/api/sops", MODEL),
    ("/dashboard/api/sops/{id}", MODEL),
    ("/dashboard/api/sop-violations", MODEL),
    ("/dashboard/api/sop-stats", MODEL),
    ("/dashboard/api/sop-messages", MODEL),
    ("/dashboard/api/sop-timeline", MODEL),
    ("/dashboard/api/sop-timelines", MODEL),
    ("/dashboard/api/summarize-sop-distribution", MODEL),
    ("/dashboard/api/sentiments", MODEL),
    ("/dashboard/api/sentiments/{id}", MODEL),
    ("/dashboard/api/sentiment-stats", MODEL),
    ("/dashboard/api/sentiment-messages", MODEL),
    ("/dashboard/api/sentiment-timeline", MODEL),
    ("/dashboard/api/sentiment-timelines", MODEL),
    ("/dashboard/api/sentiment-tags", MODEL),
    ("/dashboard/api/summarize-intent-distribution", MODEL),
    ("/dashboard/api/run-intent-classification", MODEL),
    ("/dashboard/api/run-sop-classification", MODEL),
    ("/dashboard/api/run-spotlight-query", MODEL),
    ("/dashboard/api/classify", MODEL),
    ("/dashboard/api/onboarding/describe-product", MODEL),
    ("/dashboard/api/onboarding/suggest-intents", MODEL),
    ("/dashboard/api/alerts", SLACK),
    ("/dashboard/api/alerts/{id}", SLACK),
    ("/dashboard/api/alerts/{id}/toggle", SLACK),
    ("/dashboard/api/alerts/{id}/history", SLACK),
    ("/dashboard/api/alerts/{id}/test", SLACK),
    ("/dashboard/api/alerts/generate-query", MODEL),
    ("/dashboard/api/alerts/build-query", SLACK),
    ("/dashboard/api/alerts/test-query", SLACK),
    ("/dashboard/api/alerts/summarize-action", MODEL),
    ("/dashboard/api/alerts/query", MODEL),
    ("/dashboard/api/report-config", SLACK),
    ("/dashboard/api/connections", SLACK),
    ("/dashboard/api/connections/initiate-slack", SLACK),
    ("/dashboard/api/connections/{id}", SLACK),
    ("/dashboard/api/connections/{id}/send-message", SLACK),
    ("/dashboard/api/billing/create-checkout", BILLING),
    ("/dashboard/api/billing/create-portal", BILLING),
    ("/dashboard/api/billing/cancel", BILLING),
    ("/dashboard/api/conversation-audio", AUDIO),
];

pub fn routes() -> OpenApiRouter<AppState> {
    ROUTES.into_iter().fold(OpenApiRouter::new(), |routes, (path, why)| routes.route(path, any(answer(why))))
}

/// Refuses in one sentence whoever may read at all.
fn answer(
    why: &'static str,
) -> impl Fn(Caller<Agnost, purpose::ReadEvents>) -> std::future::Ready<AgnostError> + Clone + Send + 'static {
    move |_caller| std::future::ready(AgnostError::NotHere(why))
}

/// Create organization
///
/// Not here: whoever runs the service makes organizations.
#[utoipa::path(
    post,
    path = "/dashboard/api/organizations",
    security(("bearer" = [])),
    responses((status = 501, description = "Always.", body = Envelope), (status = 401, description = "No token that holds.", body = Envelope))
)]
pub async fn create_organization(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    by_operator(&caller)
}

/// Delete organization
///
/// Not here: whoever runs the service disables organizations.
#[utoipa::path(
    delete,
    path = "/dashboard/api/organizations/{id}",
    params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])),
    responses((status = 501, description = "Always.", body = Envelope), (status = 401, description = "No token that holds.", body = Envelope))
)]
pub async fn delete_organization(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    by_operator(&caller)
}

/// Rejects every caller: API keys as on the other routes of organizations, and people because this is the operator's.
fn by_operator(caller: &Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    person(caller)?;
    Err(AgnostError::NotHere(OPERATOR))
}
