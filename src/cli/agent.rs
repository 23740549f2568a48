//! `agent create`, `agent list`, `agent show`, `agent update`, `agent delete`.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::changes::{Changes, OrDefault, OrNone, Setting as ShownSetting};
use super::home::administer;
use super::org::shown::responder_text;
use super::output::Table;
use super::{Context, Failure, org};
use crate::domain::agent::with_settings;
use crate::domain::{Agent as Stored, AgentId, AgentKey, DialectName, JsonText, NewAgent, Responder, Timestamp};
use crate::store::admin::AdminStore;

#[derive(Subcommand)]
pub(super) enum Agent {
    /// Create an agent
    Create(Box<Create>),
    /// List the agents of an organization
    List {
        #[arg(long)]
        org: String,
    },
    /// Show an agent with its settings
    Show {
        #[arg(long)]
        org: String,
        /// Its UUID, key or number
        agent: String,
    },
    /// Change the given settings of an agent
    Update(Box<Update>),
    /// Delete an agent and free its key; its sessions keep their history
    Delete {
        #[arg(long)]
        org: String,
        /// Its UUID, key or number
        agent: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// The organization's UUID or external id
    #[arg(long)]
    org: String,
    #[arg(long)]
    name: Name,
    /// 1 to 50 characters of 0-9, a-z, A-Z, _ and -; generated when absent
    #[arg(long)]
    key: Option<AgentKey>,
    /// A UUID; generated when absent
    #[arg(long)]
    id: Option<AgentId>,
    /// What replies to its messages: none, echo or a JSON object; the organization's default when absent
    #[arg(long)]
    responder: Option<Responder>,
    /// A setting that the messaging dialect reads, such as SESSION_TIMEOUT_MINUTES=20; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    settings: Vec<Setting>,
}

#[derive(Args)]
pub(super) struct Update {
    /// The organization's UUID or external id
    #[arg(long)]
    org: String,
    /// Its UUID, key or number
    agent: String,
    #[arg(long)]
    name: Option<Name>,
    /// A text, or `none`
    #[arg(long)]
    description: Option<OrNone>,
    /// Accept messages again
    #[arg(long)]
    enable: bool,
    /// Accept no messages
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// What replies to its messages: none, echo, a JSON object, or `default` for the organization's
    #[arg(long)]
    responder: Option<OrDefault<Responder>>,
    /// A setting that the messaging dialect reads, such as SESSION_TIMEOUT_MINUTES=20; may be repeated
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    settings: Vec<Setting>,
    /// A setting of the messaging dialect to remove; may be repeated
    #[arg(long = "unset", value_name = "NAME")]
    unset: Vec<String>,
}

/// 1 to 200 characters.
#[derive(Clone)]
struct Name(String);

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = (1..=200).contains(&text.chars().count());
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a name has 1 to 200 characters")]
struct InvalidName;

/// `NAME=VALUE`.
#[derive(Clone)]
struct Setting(String, String);

impl FromStr for Setting {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(InvalidSetting)?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name { Ok(Self(name.to_owned(), value.to_owned())) } else { Err(InvalidSetting) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a setting is NAME=VALUE, its name of letters, digits and _")]
struct InvalidSetting;

/// The messaging dialect's settings of an agent.
type MessagingSettings = BTreeMap<String, JsonText>;

/// Returns `{"messaging": {"NAME": "VALUE"}}`. If a name is given twice, the last value is used.
fn settings(given: Vec<Setting>) -> Result<JsonText, serde_json::Error> {
    if given.is_empty() {
        return Ok(JsonText::empty_object());
    }
    let own: BTreeMap<String, String> = given.into_iter().map(|Setting(name, value)| (name, value)).collect();
    JsonText::of(&BTreeMap::from([(DialectName::Messaging.as_str(), own)]))
}

/// An agent's three names.
#[derive(Serialize, serde::Deserialize)]
pub(super) struct Named {
    pub id: Uuid,
    pub key: String,
    pub number: i64,
    pub name: String,
}

impl From<&Stored> for Named {
    fn from(agent: &Stored) -> Self {
        Self { id: agent.id.0, key: agent.key.to_string(), number: agent.number.get(), name: agent.name.clone() }
    }
}

#[derive(Serialize)]
struct ShownAgent {
    #[serde(flatten)]
    named: Named,
    description: Option<String>,
    enabled: bool,
    language: String,
    /// `None` uses the organization's.
    responder: Option<Responder>,
    /// By dialect.
    settings: JsonText,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The members that a command changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<&'static str>>,
}

impl From<&Stored> for ShownAgent {
    fn from(agent: &Stored) -> Self {
        Self {
            named: agent.into(),
            description: agent.description.clone(),
            enabled: agent.enabled,
            language: agent.language.clone(),
            responder: agent.responder.clone(),
            settings: agent.settings.clone(),
            created_at: agent.created_at,
            updated_at: agent.updated_at,
            changed: None,
        }
    }
}

const TABLE: Table<'_> = Table { name: "agents", heads: &["id", "key", "number", "state", "responder", "name"] };

#[derive(Serialize)]
struct Deleted {
    #[serde(flatten)]
    named: Named,
    deleted: bool,
}

impl Agent {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => create.run(context, admin).await,
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let agents = admin.agents(org).await?;
                let rows: Vec<ShownAgent> = agents.iter().map(ShownAgent::from).collect();
                context.output.table(&TABLE, &rows, |row| {
                    let (named, responder) = (&row.named, responder(row.responder.as_ref()));
                    let (id, number) = (named.id.to_string(), named.number.to_string());
                    vec![id, named.key.clone(), number, state(row.enabled), responder, named.name.clone()]
                });
                Ok(())
            }
            Self::Show { org, agent } => {
                let agent = admin.agent(org::find(admin, &org).await?, &agent).await?;
                show(context, &sentence(&agent), &agent, ShownAgent::from(&agent));
                Ok(())
            }
            Self::Update(update) => update.run(context, admin).await,
            Self::Delete { org, agent } => {
                let org = org::find(admin, &org).await?;
                let agent = admin.delete_agent(org, &agent, context.clock.now()).await?;
                let key = &agent.key;
                let sentence =
                    format!("{} is deleted. The key {key} is free; its sessions keep their history.", sentence(&agent));
                context.output.line(&sentence, &Deleted { named: (&agent).into(), deleted: true });
                Ok(())
            }
        })
        .await
    }
}

impl Create {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let org = org::find(admin, &self.org).await?;
        let generated = || format!("agt_{}", context.mint.hex(12)).parse();
        let new = NewAgent {
            responder: self.responder,
            settings: settings(self.settings)?,
            ..NewAgent::named(
                self.id.unwrap_or_else(|| AgentId(context.mint.uuid())),
                self.key.map_or_else(generated, Ok)?,
                self.name.0,
                context.clock.now(),
            )
        };
        admin.create_agent(org, &new).await?;
        let agent = admin.agent(org, &new.id.to_string()).await?;
        show(context, &format!("Created: {}", sentence(&agent)), &agent, ShownAgent::from(&agent));
        Ok(())
    }
}

impl Update {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let org = org::find(admin, &self.org).await?;
        let name = self.agent.clone();
        let (before, after) = admin.change_agent(org, &name, context.clock.now(), |agent| self.apply_to(agent)).await?;
        let changes = Changes::between(settings_of(&before), settings_of(&after));
        let text = format!("{}. {}", sentence(&after), changes.sentence("Replicas apply it within a second."));
        show(context, &text, &after, ShownAgent { changed: Some(changes.members()), ..ShownAgent::from(&after) });
        Ok(())
    }

    fn apply_to(self, agent: &mut Stored) -> Result<(), Failure> {
        if let Some(name) = self.name {
            agent.name = name.0;
        }
        if let Some(description) = self.description {
            agent.description = description.0;
        }
        if let Some(responder) = self.responder {
            agent.responder = responder.0;
        }
        agent.enabled = (agent.enabled || self.enable) && !self.disable;
        if !self.settings.is_empty() || !self.unset.is_empty() {
            let mut own: MessagingSettings = agent.settings_of(DialectName::Messaging).unwrap_or_default();
            for name in &self.unset {
                own.remove(name).ok_or_else(|| format!("the agent has no setting {name}"))?;
            }
            for Setting(name, value) in self.settings {
                own.insert(name, JsonText::of(&value)?);
            }
            agent.settings = with_settings(&agent.settings, DialectName::Messaging, &own)?;
        }
        Ok(())
    }
}

/// Prints an agent.
fn show(context: &Context, sentence: &str, agent: &Stored, shown: ShownAgent) {
    let mut details = vec![("key", agent.key.to_string()), ("number", agent.number.get().to_string())];
    details.extend(ShownSetting::details(settings_of(agent)));
    details.push(("created", agent.created_at.to_rfc3339()));
    context.output.details(sentence, &details, &shown);
}

/// Returns each setting's name and value, in the order in which they are shown.
fn settings_of(agent: &Stored) -> Vec<ShownSetting> {
    let description = agent.description.clone().unwrap_or_else(|| "none".to_owned());
    vec![
        ShownSetting::new("name", "name", agent.name.clone()),
        ShownSetting::new("description", "description", description),
        ShownSetting::new("enabled", "state", state(agent.enabled)),
        ShownSetting::new("responder", "responder", responder(agent.responder.as_ref())),
        ShownSetting::new("settings", "settings", agent.settings.as_str().to_owned()),
    ]
}

fn state(enabled: bool) -> String {
    if enabled { "enabled" } else { "disabled" }.to_owned()
}

fn responder(responder: Option<&Responder>) -> String {
    responder.map_or_else(|| "the organization's".to_owned(), responder_text)
}

fn sentence(agent: &Stored) -> String {
    format!("Agent {} ({})", agent.id, agent.name)
}
