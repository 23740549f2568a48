//! The wire type of an agent. It has every member that the vendor's SDK requires, whichever dialect created the agent.

use serde::Serialize;
use utoipa::ToSchema;

use super::config::{Config, Object};
use crate::dialects::agent_key::AgentKeyError;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Agent, AgentKey, JsonText, Responder};
use crate::http::Rejection;

/// The name of the first step if it has none.
const FIRST_STEP: &str = "first_step";

/// An agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct WireAgent {
    #[schema(example = "customer_support", value_type = String)]
    key: AgentKey,
    #[schema(example = "Sales Support Agent")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(value_type = Object)]
    tool_configurations: JsonText,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    skills: Option<JsonText>,
    #[schema(value_type = Object)]
    model: JsonText,
    /// Always has a name, instructions and an output parser.
    #[schema(value_type = Object)]
    first_step: JsonText,
    first_step_name: String,
    /// All steps, including the first.
    #[schema(value_type = Object)]
    steps: JsonText,
    #[schema(value_type = Object)]
    metadata: JsonText,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    compaction: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    tool_output_offloading: Option<JsonText>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Milliseconds,
    /// Other members that were sent.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    others: Object,
}

#[derive(Serialize)]
struct ModelName<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct OutputParser {
    r#type: &'static str,
}

impl WireAgent {
    /// Returns the wire type. `default` is the responder of agents without their own.
    pub(super) fn new(agent: &Agent, default: &Responder) -> Result<Self, AgentKeyError> {
        Self::write(agent, default).map_err(|_| Rejection::Internal.into())
    }

    fn write(agent: &Agent, default: &Responder) -> Result<Self, serde_json::Error> {
        let mut config = Config::of(agent);
        let steps = Steps::of(&config)?;
        let mut take = |name: &str| config.members.shift_remove(name);
        let model = match take("model") {
            Some(model) => model,
            None => JsonText::of(&ModelName { name: model_name(agent.responder_or(default)) })?,
        };
        for name in ["first_step", "first_step_name", "steps"] {
            take(name);
        }
        Ok(Self {
            key: agent.key.clone(),
            name: agent.name.clone(),
            description: agent.description.clone(),
            tool_configurations: take("tool_configurations").unwrap_or_else(JsonText::empty_object),
            skills: take("skills"),
            model,
            first_step: JsonText::of(&steps.first)?,
            first_step_name: steps.first_name,
            steps: JsonText::of(&steps.all)?,
            metadata: take("metadata").unwrap_or_else(JsonText::empty_object),
            enabled: agent.enabled,
            compaction: take("compaction"),
            tool_output_offloading: take("tool_output_offloading"),
            created_at: Milliseconds(agent.created_at),
            updated_at: Milliseconds(agent.updated_at),
            others: config.members,
        })
    }
}

/// Returns the model's name for agents that name no model: that of the responder.
fn model_name(responder: &Responder) -> &str {
    match responder {
        Responder::OpenAi(endpoint) => endpoint.model.as_str(),
        other => other.kind(),
    }
}

/// The steps of an agent, sent as `first_step` (deprecated), or as `first_step_name` and `steps`.
struct Steps {
    first_name: String,
    /// The first step, with its name.
    first: Object,
    /// All steps, without their names.
    all: indexmap::IndexMap<String, Object>,
}

impl Steps {
    fn of(config: &Config) -> Result<Self, serde_json::Error> {
        let mut all: indexmap::IndexMap<String, Object> = indexmap::IndexMap::new();
        for (name, step) in config.entries("steps") {
            all.insert(name, whole(step.read().unwrap_or_default())?);
        }
        let mut own = config.entries("first_step");
        let text = |value: Option<JsonText>| value.and_then(|value| value.read::<String>().ok());
        let named = text(own.shift_remove("name"));
        let first_name = named
            .or_else(|| text(config.members.get("first_step_name").cloned()))
            .unwrap_or_else(|| FIRST_STEP.to_owned());
        let step = if own.is_empty() { all.get(&first_name).cloned().unwrap_or_default() } else { own };
        let step = whole(step)?;
        let mut first = Object::new();
        first.insert("name".to_owned(), JsonText::of(&first_name)?);
        first.extend(step.clone());
        if all.get(&first_name).is_none() {
            all.shift_insert(0, first_name.clone(), step);
        }
        Ok(Self { first_name, first, all })
    }
}

/// Returns a step with the members that every step must have.
fn whole(mut step: Object) -> Result<Object, serde_json::Error> {
    step.retain(|name, value| name != "name" && value.as_str() != "null");
    if !step.contains_key("instructions") {
        step.insert("instructions".to_owned(), JsonText::of(&[(); 0])?);
    }
    if !step.contains_key("output_parser") {
        step.insert("output_parser".to_owned(), JsonText::of(&OutputParser { r#type: "default" })?);
    }
    Ok(step)
}
