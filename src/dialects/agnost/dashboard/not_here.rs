//! The vendor's routes that this service does not implement, because they need a language model, billing, Slack or
//! audio. They return 501 with the reason (docs/dialects/agnost.md).

use axum::routing::any;
use http::StatusCode;
use utoipa::openapi::HttpMethod::{self, Delete, Get, Post, Put};
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, Required, ResponseBuilder, Type};
use utoipa_axum::router::OpenApiRouter;

use super::super::{Agnost, AgnostError};
use super::person::person;
use crate::AppState;
use crate::auth::{Caller, purpose};

const MODEL: &str = "This needs a language model that evaluates conversations, and this service has none";
const BILLING: &str = "This service has no billing";
const SLACK: &str = "This service has no connections to other services and sends no notifications";
const AUDIO: &str = "This service stores no audio";
const OPERATOR: &str =
    "The operator of this service creates and disables organizations: sessionary org create, sessionary org disable";

/// The routes, with the vendor's methods and the reason. Every other method is 501 as well.
const ROUTES: [(&str, &[HttpMethod], &str); 43] = [
    ("/dashboard/api/login-summary", &[Get], MODEL),
    ("/dashboard/api/intent-keywords", &[Post], MODEL),
    ("/dashboard/api/sops", &[Get, Post], MODEL),
    ("/dashboard/api/sops/{id}", &[Put, Delete], MODEL),
    ("/dashboard/api/sop-violations", &[Post], MODEL),
    ("/dashboard/api/sop-stats", &[Post], MODEL),
    ("/dashboard/api/sop-messages", &[Post], MODEL),
    ("/dashboard/api/sop-timeline", &[Post], MODEL),
    ("/dashboard/api/sop-timelines", &[Post], MODEL),
    ("/dashboard/api/summarize-sop-distribution", &[Post], MODEL),
    ("/dashboard/api/sentiments", &[Get, Post], MODEL),
    ("/dashboard/api/sentiments/{id}", &[Put, Delete], MODEL),
    ("/dashboard/api/sentiment-stats", &[Post], MODEL),
    ("/dashboard/api/sentiment-messages", &[Post], MODEL),
    ("/dashboard/api/sentiment-timeline", &[Post], MODEL),
    ("/dashboard/api/sentiment-timelines", &[Post], MODEL),
    ("/dashboard/api/sentiment-tags", &[Get], MODEL),
    ("/dashboard/api/summarize-intent-distribution", &[Post], MODEL),
    ("/dashboard/api/run-intent-classification", &[Post], MODEL),
    ("/dashboard/api/run-sop-classification", &[Post], MODEL),
    ("/dashboard/api/run-spotlight-query", &[Post], MODEL),
    ("/dashboard/api/classify", &[Post], MODEL),
    ("/dashboard/api/onboarding/describe-product", &[Post], MODEL),
    ("/dashboard/api/onboarding/suggest-intents", &[Post], MODEL),
    ("/dashboard/api/alerts", &[Get, Post], SLACK),
    ("/dashboard/api/alerts/{id}", &[Get, Put, Delete], SLACK),
    ("/dashboard/api/alerts/{id}/toggle", &[Post], SLACK),
    ("/dashboard/api/alerts/{id}/history", &[Get], SLACK),
    ("/dashboard/api/alerts/{id}/test", &[Post], SLACK),
    ("/dashboard/api/alerts/generate-query", &[Post], MODEL),
    ("/dashboard/api/alerts/build-query", &[Post], SLACK),
    ("/dashboard/api/alerts/test-query", &[Post], SLACK),
    ("/dashboard/api/alerts/summarize-action", &[Post], MODEL),
    ("/dashboard/api/alerts/query", &[Post], MODEL),
    ("/dashboard/api/report-config", &[Get, Put], SLACK),
    ("/dashboard/api/connections", &[Get], SLACK),
    ("/dashboard/api/connections/initiate-slack", &[Post], SLACK),
    ("/dashboard/api/connections/{id}", &[Delete], SLACK),
    ("/dashboard/api/connections/{id}/send-message", &[Post], SLACK),
    ("/dashboard/api/billing/create-checkout", &[Post], BILLING),
    ("/dashboard/api/billing/create-portal", &[Post], BILLING),
    ("/dashboard/api/billing/cancel", &[Post], BILLING),
    ("/dashboard/api/conversation-audio", &[Get], AUDIO),
];

pub fn routes() -> OpenApiRouter<AppState> {
    ROUTES
        .into_iter()
        .fold(OpenApiRouter::new(), |routes, (path, _, why)| routes.route(path, any(not_implemented(why))))
}

/// Returns a handler that responds with 501 and the reason to every caller with the scope to read events.
fn not_implemented(
    why: &'static str,
) -> impl Fn(Caller<Agnost, purpose::ReadEvents>) -> std::future::Ready<AgnostError> + Clone + Send + 'static {
    move |_caller| std::future::ready(AgnostError::NotHere(why))
}

/// Describes the routes with the vendor's methods. The router serves them for every method.
pub fn describe(document: &mut OpenApi) {
    for (path, methods, why) in ROUTES {
        for method in methods {
            let item = PathItem::new(method.clone(), describe_one(path, method, why));
            document.paths.paths.entry(path.to_owned()).or_default().merge_operations(item);
        }
    }
}

fn describe_one(path: &str, method: &HttpMethod, why: &str) -> Operation {
    let name = path.trim_start_matches("/dashboard/api/");
    let verb = match method {
        Get => "get",
        Put => "put",
        Delete => "delete",
        _ => "post",
    };
    let id = name.replace(['{', '}'], "").replace(['/', '-'], "_");
    let error = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Envelope")))
        .example(Some(serde_json::json!({ "error": why })))
        .build();
    let response = ResponseBuilder::new().description("Always.").content("application/json", error).build();
    let parameter = name.contains("{id}").then(|| {
        ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    });
    OperationBuilder::new()
        .operation_id(Some(format!("not_here_{verb}_{id}")))
        .summary(Some(format!("Not implemented: {verb} {name}")))
        .description(Some(format!("{why}. The body is ignored.")))
        .parameters(parameter.map(|parameter| [parameter]))
        .security(SecurityRequirement::new("api_key", NO_SCOPES))
        .security(SecurityRequirement::new("bearer", NO_SCOPES))
        .response(StatusCode::NOT_IMPLEMENTED.as_str(), response)
        .build()
}

const NO_SCOPES: [&str; 0] = [];

/// Create organization
///
/// Not available: the operator of the service creates organizations.
#[utoipa::path(
    post,
    path = "/dashboard/api/organizations",
    security(("bearer" = [])),
    responses((status = 501, description = "Always."))
)]
pub async fn create_organization(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    by_operator(&caller)
}

/// Delete organization
///
/// Not available: the operator of the service disables organizations.
#[utoipa::path(
    delete,
    path = "/dashboard/api/organizations/{id}",
    params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])),
    responses((status = 501, description = "Always."))
)]
pub async fn delete_organization(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    by_operator(&caller)
}

/// Rejects every caller: API keys with 401 as on the other routes of organizations, and people with 501, because only
/// the operator can do this.
fn by_operator(caller: &Caller<Agnost, purpose::ReadEvents>) -> Result<StatusCode, AgnostError> {
    person(caller)?;
    Err(AgnostError::NotHere(OPERATOR))
}
