//! `agent create`, `agent list`.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::{Context, Failure, org};
use crate::domain::{AgentId, AgentKey, DialectName, JsonText, NewAgent, Responder};
use crate::store::admin::AgentRow;

#[derive(Subcommand)]
pub(super) enum Agent {
    /// Make an agent
    Create(Box<Create>),
    /// List the agents of an organization
    List {
        #[arg(long)]
        org: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// The organization's UUID or external id
    #[arg(long)]
    org: String,
    #[arg(long)]
    name: String,
    /// 1 to 50 characters of 0-9, a-z, A-Z, _ and -; made up when absent
    #[arg(long)]
    key: Option<AgentKey>,
    /// A UUID; made up when absent
    #[arg(long)]
    id: Option<AgentId>,
    /// What answers its messages: none, echo or a JSON object; the organization's default when absent
    #[arg(long)]
    responder: Option<Responder>,
    /// A setting that the messaging dialect reads, such as SESSION_TIMEOUT_MINUTES=20; may be given again
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    settings: Vec<Setting>,
}

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

/// `{"messaging": {"NAME": "VALUE"}}`; of a name given twice, the last value counts.
fn settings(given: Vec<Setting>) -> Result<JsonText, serde_json::Error> {
    if given.is_empty() {
        return Ok(JsonText::empty_object());
    }
    let own: BTreeMap<String, String> = given.into_iter().map(|Setting(name, value)| (name, value)).collect();
    JsonText::of(&BTreeMap::from([(DialectName::Messaging.as_str(), own)]))
}

/// An agent under its three names.
#[derive(Serialize, serde::Deserialize)]
pub(super) struct Shown {
    pub id: Uuid,
    pub key: String,
    pub number: i64,
    pub name: String,
}

impl From<AgentRow> for Shown {
    fn from(row: AgentRow) -> Self {
        Self { id: row.agent_id, key: row.key, number: row.number, name: row.name }
    }
}

impl Agent {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => {
                let org = org::find(admin, &create.org).await?;
                let made_up = || format!("agt_{}", context.mint.hex(12)).parse();
                let agent = NewAgent {
                    responder: create.responder,
                    settings: settings(create.settings)?,
                    ..NewAgent::named(
                        create.id.unwrap_or_else(|| AgentId(context.mint.uuid())),
                        create.key.map_or_else(made_up, Ok)?,
                        create.name,
                        context.clock.now(),
                    )
                };
                let number = admin.create_agent(org, &agent).await?;
                let shown = Shown { id: agent.id.0, key: agent.key.to_string(), number, name: agent.name };
                context.output.line(&sentence(&shown), &shown);
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<Shown> = admin.agents(org).await?.into_iter().map(Shown::from).collect();
                context.output.rows("agents", &rows, sentence);
                Ok(())
            }
        })
        .await
    }
}

fn sentence(agent: &Shown) -> String {
    format!("{}  {}  {}  {}", agent.id, agent.key, agent.number, agent.name)
}
