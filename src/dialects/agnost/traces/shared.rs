//! What the spans of an export share: their resources and scopes.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::contract::ID_LIMIT;
use super::attributes::{members, text};
use super::conventions::identity::{Whose, identity};
use super::fit;
use crate::domain::JsonText;
use crate::http::Rejection;

/// The resource that produced spans.
#[derive(Default)]
pub struct Source {
    pub service: Option<String>,
    pub session: Option<String>,
    pub user: Option<String>,
    pub resource: Option<JsonText>,
}

/// An instrumentation scope.
#[derive(Default)]
pub struct Scope {
    pub name: String,
    pub json: Option<JsonText>,
}

/// The resources and scopes that the spans of an export share.
#[derive(Default)]
pub struct Shared {
    pub sources: Vec<Source>,
    pub scopes: Vec<Scope>,
}

impl Scope {
    /// Returns the scope that was stored with a span.
    pub fn stored(json: Option<JsonText>) -> Self {
        #[derive(Default, Deserialize)]
        struct Named {
            #[serde(default)]
            name: String,
        }
        let Named { name } = json.as_ref().and_then(|json| json.read().ok()).unwrap_or_default();
        Self { name, json }
    }
}

impl Source {
    /// Returns the resource that was stored with a span.
    pub fn stored(resource: Option<JsonText>) -> Self {
        let object: Map<String, Value> = resource.as_ref().and_then(|json| json.read().ok()).unwrap_or_default();
        let id = |whose| identity(&object, whose).map(|identity| identity.id);
        Self { service: None, session: id(Whose::Session), user: id(Whose::User), resource }
    }

    /// Returns the resource with these attributes, shortened to this many bytes of JSON.
    ///
    /// # Errors
    /// [`Rejection::Internal`] if it cannot be written.
    pub fn of(attributes: &mut Vec<KeyValue>, limit: usize) -> Result<Self, Rejection> {
        let object = members(attributes);
        let id = |whose| identity(&object, whose).map(|identity| identity.id);
        let service = object.get("service.name").map(text).filter(|name| (1..=ID_LIMIT).contains(&name.len()));
        let (session, user) = (id(Whose::Session), id(Whose::User));
        Ok(Self { service, session, user, resource: Some(fit::resource(attributes, limit)?) })
    }
}
