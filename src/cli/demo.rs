//! The demo organization: the agents of the vendors' own examples, so that those examples work unchanged.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::Named;
use super::key::{self, NewKeySettings};
use super::{Context, Failure, output};
use crate::domain::{AgentNumber, KeyId, KeyPrefix, NewAgent, OrgId, Responder, Scopes};
use crate::store::admin::{AdminError, AdminStore, NewAvatar, NewOrganization, OrganizationRow};

const NAME: &str = "Demo organization";
/// The demo organization's id. It is fixed, so that the organization is found again without `demo.json`. Its name would
/// not identify it, because other organizations may have the same.
const ORG: OrgId = OrgId(Uuid::from_u128(0xd3b0_7a5e_0f2c_8d1e_9a64_5e55_1000_0001));
/// The file that describes the demo for scripts. Only its owner can read it.
const FILE: &str = "demo.json";

/// `demo.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct Demo {
    pub org_id: OrgId,
    api_key: String,
    /// The key's id, which is the client id for requesting tokens with the key as the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    agents: Vec<Named>,
    base_url: String,
}

/// Returns the organization with this id, not one with the id's text as its external id.
async fn found(admin: &AdminStore, id: OrgId) -> Result<Option<OrganizationRow>, Failure> {
    match admin.organization(&id.to_string()).await {
        Ok(row) => Ok(Some(row).filter(|row| row.org_id == id.0)),
        Err(AdminError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

struct ExampleAgent {
    id: &'static str,
    key: &'static str,
    number: Option<i64>,
    name: &'static str,
    avatar: Option<i64>,
}

/// The first has all three names of the vendors' examples; the second is from the messaging dialect's.
const AGENTS: [ExampleAgent; 2] = [
    ExampleAgent {
        id: "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        key: "customer_support",
        number: Some(123),
        name: "Sales Support Agent",
        avatar: Some(1),
    },
    ExampleAgent {
        id: "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        key: "messaging_agent",
        number: None,
        name: "Messaging Agent",
        avatar: None,
    },
];

impl Demo {
    /// Creates the demo organization, or finds the existing one.
    pub async fn ensure(context: &Context, admin: &AdminStore, base_url: String) -> Result<Self, Failure> {
        let path = context.settings.data_dir.join(FILE);
        let mut demo = match Self::read(&path) {
            Some(demo) if found(admin, demo.org_id).await?.is_some() => demo,
            _ => Self::make(context, admin).await?,
        };
        demo.base_url = base_url;
        demo.write(&path)?;
        Ok(demo)
    }

    async fn make(context: &Context, admin: &AdminStore) -> Result<Self, Failure> {
        let now = context.clock.now();
        let (org, is_new) = match found(admin, ORG).await? {
            None => (ORG, true),
            // An existing one without its file is used again with a new key.
            Some(row) if row.disabled_at.is_none() => (ORG, false),
            // The operator disabled the first one, so another is created.
            Some(_) => (OrgId(context.mint.uuid()), true),
        };
        if is_new {
            let new = NewOrganization {
                id: org,
                name: NAME,
                external_id: None,
                issuer: "",
                responder: &Responder::Echo,
                created_at: now,
            };
            let created = admin.create_organization(&new).await;
            // Another replica with the same database may have created it meanwhile.
            if found(admin, org).await?.is_none() {
                created?;
            }
        }
        admin
            .create_avatar(
                org,
                &NewAvatar {
                    number: 1,
                    name: "Professional Avatar",
                    url: "https://example.com/avatar.jpg",
                    voice_id: Some("21m00Tcm4TlvDq8ikWAM"),
                    created_at: now,
                },
            )
            .await?;
        for example in AGENTS {
            let agent = NewAgent {
                number: example.number.and_then(AgentNumber::new),
                avatar_number: example.avatar,
                ..NewAgent::named(example.id.parse()?, example.key.parse()?, example.name.to_owned(), now)
            };
            match admin.create_agent(org, &agent).await {
                Ok(_) | Err(AdminError::Taken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let key = NewKeySettings {
            name: "demo",
            prefix: &KeyPrefix::default(),
            scopes: Scopes::EVERY,
            lifetime: None,
            allowed_addresses: None,
        };
        let made = key::make(context, admin, org, key).await?;
        let agents = admin.agents(org).await?.iter().map(Named::from).collect();
        Ok(Self { org_id: org, api_key: made.api_key, key_id: Some(made.key_id), agents, base_url: String::new() })
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes the file completely or not at all, because a half-written key would be lost.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let draft: PathBuf = path.with_extension("json.new");
        let _ = std::fs::remove_file(&draft);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(std::fs::rename(&draft, path)?)
    }

    /// Prints what was created, how to get into the console, and a curl line for every dialect.
    pub fn print(&self, data_dir: &Path, console: &str) {
        let Self { org_id, api_key, base_url, .. } = self;
        let file = data_dir.join(FILE);
        let mut text = format!("\nSessionary is at {base_url}, its documentation at {base_url}/docs.\n");
        text += &format!("Demo organization {org_id}, API key {api_key} (both in {}).\n", file.display());
        text += console;
        text += "Each of these creates a session:\n";
        for (path, credential, body) in [
            (
                "/api/v1/capture-session",
                format!("x-org-id: {org_id}"),
                r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"user-anon-002"}}"#,
            ),
            (
                "/v1/chat/chat/sessions",
                format!("x-api-key: {api_key}"),
                r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","platform":"SDK","metadata":{"userId":"usr_123"}}"#,
            ),
            (
                "/v2/agents/customer_support/sessions",
                format!("x-api-key: {api_key}"),
                r#"{"name":"Customer support","metadata":{"priority":"high"}}"#,
            ),
            (
                "/api/messaging/sessions",
                format!("x-api-key: {api_key}"),
                r#"{"agentId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","userId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"}"#,
            ),
            ("/api/v1/sessions", format!("x-api-key: {api_key}"), r#"{"agent_id":123,"session_type":"agent_voice"}"#),
        ] {
            text += &format!(
                "\n  curl -s {base_url}{path} -H '{credential}' -H 'content-type: application/json' -d '{body}'\n"
            );
        }
        output::print(&(text + "\n"));
    }
}
