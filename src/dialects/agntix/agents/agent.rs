//! The wire types of an agent (docs/dialects/agntix.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::agntix::validate::{NAME_LIMIT, text, word};
use crate::dialects::agntix::{AgntixError, Settings};
use crate::dialects::shared::time::Seconds;
use crate::domain::{Agent, AgentId, DialectName, JsonField, JsonText, Organization};

/// Characters of the long texts. The vendor documents no limits.
const TEXT_LIMIT: usize = 65_536;
const PIPELINES: [&str; 3] = ["pipeline", "sts", "hybrid"];

/// The settings of an agent that only this dialect stores.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::dialects::agntix) struct AgntixAgentSettings {
    pub role: Option<String>,
    pub system_prompt: Option<String>,
    pub special_instructions: Option<String>,
    pub model_id: Option<String>,
    pub tools: Vec<Tool>,
    pub voice_enabled: bool,
    pub voice_pipeline_mode: Option<String>,
    pub knowledge_store_id: Option<String>,
    pub is_public: bool,
}

/// A tool of an agent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    tool_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_description: Option<String>,
}

/// The members of an agent in a create or an update. The vendor's reference has `fullName`, `description` and `role`,
/// and its quickstart has `name`. Both bodies are accepted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentBody {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    full_name: JsonField,
    /// The quickstart's name for `fullName`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "en")]
    language: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    system_prompt: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    special_instructions: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model_id: JsonField,
    /// Replace the existing tools.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Tool>>)]
    tools: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    voice_enabled: JsonField,
    /// `pipeline`, `sts` or `hybrid`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    voice_pipeline_mode: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    knowledge_store_id: JsonField,
    /// `false` pauses the agent: it accepts no new sessions and does not reply.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    is_active: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    is_public: JsonField,
}

/// The validated members of a body; `None` if a member is absent or null.
#[derive(Debug, Default)]
pub(in crate::dialects::agntix) struct AgentChanges {
    pub full_name: Option<String>,
    pub description: Option<String>,
    pub language: Option<String>,
    pub is_active: Option<bool>,
    role: Option<String>,
    system_prompt: Option<String>,
    special_instructions: Option<String>,
    model_id: Option<String>,
    tools: Option<Vec<Tool>>,
    voice_enabled: Option<bool>,
    voice_pipeline_mode: Option<String>,
    knowledge_store_id: Option<String>,
    is_public: Option<bool>,
}

fn invalid(message: String) -> AgntixError {
    AgntixError::Validation(message)
}

fn truth(given: &JsonField, name: &str) -> Result<Option<bool>, AgntixError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::Bool(value) => Ok(Some(*value)),
        _ => Err(invalid(format!("{name} must be a boolean value"))),
    }
}

fn tools(given: &JsonField) -> Result<Option<Vec<Tool>>, AgntixError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::Array(tools) if tools.utf16_len() <= TEXT_LIMIT => {
            tools.read().map(Some).map_err(|_| invalid("each value in tools must have a toolId".to_owned()))
        }
        _ => Err(invalid("tools must be an array of at most 65536 characters".to_owned())),
    }
}

impl AgentBody {
    pub(in crate::dialects::agntix) fn validate(self, settings: &Settings) -> Result<AgentChanges, AgntixError> {
        let full_name = word(self.full_name, "fullName")?;
        let name = word(self.name, "name")?;
        let mode = text(self.voice_pipeline_mode, "voicePipelineMode", NAME_LIMIT)?;
        if mode.as_deref().is_some_and(|mode| !PIPELINES.contains(&mode)) {
            let all = PIPELINES.join(", ");
            return Err(invalid(format!("voicePipelineMode must be one of the following values: {all}")));
        }
        let model_id = word(self.model_id, "modelId")?;
        let known = |id: &str| settings.models.iter().any(|model| model.id == id && model.is_active);
        if !settings.models.is_empty() && model_id.as_deref().is_some_and(|id| !known(id)) {
            return Err(AgntixError::ModelNotSupported);
        }
        Ok(AgentChanges {
            full_name: full_name.or(name),
            description: text(self.description, "description", TEXT_LIMIT)?,
            language: word(self.language, "language")?,
            is_active: truth(&self.is_active, "isActive")?,
            role: text(self.role, "role", TEXT_LIMIT)?,
            system_prompt: text(self.system_prompt, "systemPrompt", TEXT_LIMIT)?,
            special_instructions: text(self.special_instructions, "specialInstructions", TEXT_LIMIT)?,
            model_id,
            tools: tools(&self.tools)?,
            voice_enabled: truth(&self.voice_enabled, "voiceEnabled")?,
            voice_pipeline_mode: mode,
            knowledge_store_id: word(self.knowledge_store_id, "knowledgeStoreId")?,
            is_public: truth(&self.is_public, "isPublic")?,
        })
    }

    /// Returns whether this is the reference's body, all of whose texts are required, and not the quickstart's.
    pub(in crate::dialects::agntix) fn is_whole(&self) -> bool {
        self.name.is_missing()
    }
}

impl AgentChanges {
    /// Checks that a new agent has the required members: `fullName`, and with `whole` also `description` and `role`.
    ///
    /// # Errors
    /// [`AgntixError::Validation`] if one is missing or empty.
    pub(in crate::dialects::agntix) fn require(&self, whole: bool) -> Result<(), AgntixError> {
        let is_empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        let missing = [("fullName", &self.full_name), ("description", &self.description), ("role", &self.role)];
        let missing = missing.into_iter().take(if whole { 3 } else { 1 }).find(|(_, given)| is_empty(given));
        missing.map_or(Ok(()), |(name, _)| Err(invalid(format!("{name} should not be empty"))))
    }

    /// Changes the settings that only this dialect stores.
    pub(in crate::dialects::agntix) fn apply_own(self, settings: &mut AgntixAgentSettings) {
        fn put<T>(member: &mut Option<T>, given: Option<T>) {
            if given.is_some() {
                *member = given;
            }
        }
        put(&mut settings.role, self.role);
        put(&mut settings.system_prompt, self.system_prompt);
        put(&mut settings.special_instructions, self.special_instructions);
        put(&mut settings.model_id, self.model_id);
        put(&mut settings.voice_pipeline_mode, self.voice_pipeline_mode);
        put(&mut settings.knowledge_store_id, self.knowledge_store_id);
        settings.tools = self.tools.unwrap_or_else(|| std::mem::take(&mut settings.tools));
        settings.voice_enabled = self.voice_enabled.unwrap_or(settings.voice_enabled);
        settings.is_public = self.is_public.unwrap_or(settings.is_public);
    }
}

/// An agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatAgent {
    #[schema(value_type = uuid::Uuid)]
    id: AgentId,
    #[schema(example = "Sales Support Agent")]
    full_name: String,
    description: Option<String>,
    role: Option<String>,
    language: String,
    system_prompt: Option<String>,
    voice_enabled: bool,
    is_active: bool,
    is_public: bool,
    org_id: String,
    model_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Seconds,
}

impl ChatAgent {
    pub(in crate::dialects::agntix) fn new(agent: &Agent, organization: &Organization) -> Self {
        let settings = settings_of(agent);
        Self {
            id: agent.id,
            full_name: agent.name.clone(),
            description: agent.description.clone(),
            role: settings.role,
            language: agent.language.clone(),
            system_prompt: settings.system_prompt,
            voice_enabled: settings.voice_enabled,
            is_active: agent.enabled,
            is_public: settings.is_public,
            org_id: organization.public_id(),
            model_id: settings.model_id,
            created_at: Seconds(agent.created_at),
            updated_at: Seconds(agent.updated_at),
        }
    }
}

pub(in crate::dialects::agntix) fn settings_of(agent: &Agent) -> AgntixAgentSettings {
    agent.settings_of(DialectName::Agntix).unwrap_or_default()
}

/// An agent in detail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatAgentDetail {
    #[serde(flatten)]
    agent: ChatAgent,
    special_instructions: Option<String>,
    voice_pipeline_mode: Option<String>,
    model: Option<ModelName>,
    agent_tools: Vec<AgentTool>,
    agent_knowledge_store: Option<KnowledgeStore>,
}

#[derive(Serialize, ToSchema)]
struct ModelName {
    id: String,
    name: String,
    provider: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AgentTool {
    tool: Tool,
}

#[derive(Serialize, ToSchema)]
struct KnowledgeStore {
    id: String,
}

impl ChatAgentDetail {
    pub(in crate::dialects::agntix) fn new(agent: &Agent, organization: &Organization, settings: &Settings) -> Self {
        let own = settings_of(agent);
        let model = own.model_id.map(|id| match settings.models.iter().find(|model| model.id == id) {
            Some(model) => ModelName { id, name: model.name.clone(), provider: Some(model.provider.clone()) },
            None => ModelName { name: id.clone(), id, provider: None },
        });
        Self {
            agent: ChatAgent::new(agent, organization),
            special_instructions: own.special_instructions,
            voice_pipeline_mode: own.voice_pipeline_mode,
            model,
            agent_tools: own.tools.into_iter().map(|tool| AgentTool { tool }).collect(),
            agent_knowledge_store: own.knowledge_store_id.map(|id| KnowledgeStore { id }),
        }
    }
}

/// Returns the error of settings that cannot be written as JSON, which does not happen.
pub(in crate::dialects::agntix) fn unwritten(_: serde_json::Error) -> AgntixError {
    crate::http::Rejection::Internal.into()
}

/// Returns the stored settings of a new agent, which has none of other dialects.
pub(in crate::dialects::agntix) fn fresh_settings(settings: &AgntixAgentSettings) -> Result<JsonText, AgntixError> {
    crate::domain::agent::with_settings(&JsonText::empty_object(), DialectName::Agntix, settings).map_err(unwritten)
}
