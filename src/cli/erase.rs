//! `erase`: requests that a user, a session or an organization is erased, and shows the receipt.

use std::collections::BTreeMap;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::home::administer;
use super::{Context, Failure, org};
use crate::domain::erasure::{ProofKey, subject_hash};
use crate::domain::{DialectName, ErasureId, OrgId, SessionId, Timestamp};
use crate::store::admin::{AdminStore, Counts, NewErasure, Preview, Receipt, Subject};

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["user", "session", "everything", "receipt"]).multiple(true))]
pub(super) struct Erase {
    /// Its UUID or external id
    #[arg(long, required_unless_present = "receipt")]
    org: Option<String>,
    /// Erase the sessions of this user in all dialects, and the contact with this id
    #[arg(long, conflicts_with_all = ["session", "everything"])]
    user: Option<String>,
    /// Erase this session: the dialect's id, or its UUID
    #[arg(long, conflicts_with = "everything")]
    session: Option<String>,
    /// The dialect, if several have a session with this id
    #[arg(long, requires = "session")]
    dialect: Option<DialectName>,
    /// Erase everything of the organization, which must be disabled
    #[arg(long)]
    everything: bool,
    /// Show what would be erased, and change nothing
    #[arg(long, conflicts_with = "receipt")]
    dry_run: bool,
    /// Show the receipt of an erasure
    #[arg(long, value_name = "ID", conflicts_with_all = ["org", "session", "everything"])]
    receipt: Option<ErasureId>,
    /// With --receipt and --user: the proof that was printed with the request, to check that the receipt is the user's
    #[arg(long, value_name = "PROOF", requires = "receipt", requires = "user")]
    proof: Option<String>,
}

#[derive(Serialize)]
struct ShownPreview {
    sessions: BTreeMap<&'static str, u64>,
    events: u64,
    contacts: u64,
}

#[derive(Serialize)]
struct ShownReceipt {
    erasure_id: ErasureId,
    org_id: OrgId,
    scope: &'static str,
    /// `running`, `settling` or `done`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unused_since: Option<Timestamp>,
    requested_at: Timestamp,
    done_at: Option<Timestamp>,
    /// Deleted rows per table.
    rows: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_of_user: Option<bool>,
}

impl ShownReceipt {
    fn new(receipt: Receipt) -> Self {
        let state = match (receipt.done_at, receipt.is_second_pass) {
            (Some(_), _) => "done",
            (None, true) => "settling",
            (None, false) => "running",
        };
        Self {
            erasure_id: receipt.id,
            org_id: receipt.org,
            scope: receipt.scope.as_str(),
            state,
            dialect: receipt.dialect.map(DialectName::as_str),
            unused_since: receipt.unused_since,
            requested_at: receipt.requested_at,
            done_at: receipt.done_at,
            rows: receipt.counts,
            proof: None,
            is_of_user: None,
        }
    }

    fn print(&self, context: &Context, sentence: &str) {
        let mut details = vec![
            ("erasure", self.erasure_id.to_string()),
            ("organization", self.org_id.to_string()),
            ("scope", self.scope.to_owned()),
            ("state", self.state.to_owned()),
            ("requested", self.requested_at.to_rfc3339()),
        ];
        details.extend(self.dialect.map(|dialect| ("dialect", dialect.to_owned())));
        details.extend(self.unused_since.map(|since| ("unused since", since.to_rfc3339())));
        details.extend(self.done_at.map(|done| ("done", done.to_rfc3339())));
        details.extend(self.proof.clone().map(|proof| ("proof", proof)));
        details.extend(self.is_of_user.map(|is| ("of this user", if is { "yes" } else { "no" }.to_owned())));
        details.extend(self.rows.iter().map(|(table, rows)| (table.as_str(), format!("{rows} rows"))));
        context.output.details(sentence, &details, self);
    }
}

impl Erase {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match &self.receipt {
            Some(id) => self.show(context, admin, *id).await,
            None => self.request(context, admin).await,
        })
        .await
    }

    async fn show(&self, context: &Context, admin: &AdminStore, id: ErasureId) -> Result<(), Failure> {
        let receipt = admin.receipt(id).await?;
        let is_of_user = match (&self.user, &self.proof) {
            (Some(user), Some(proof)) => {
                let key = key_of(proof).ok_or("the proof is not 64 hexadecimal digits")?;
                Some(receipt.subject_hash.as_deref() == Some(subject_hash(&key, user).as_slice()))
            }
            (Some(_), None) => return Err("--user with --receipt needs --proof".into()),
            (None, _) => None,
        };
        let shown = ShownReceipt { is_of_user, ..ShownReceipt::new(receipt) };
        shown.print(context, "Receipt of an erasure.");
        Ok(())
    }

    async fn request(&self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let org = org::find(admin, self.org.as_deref().unwrap_or_default()).await?;
        let subject = self.subject(admin, org).await?;
        if self.dry_run {
            let Preview { sessions, events, contacts } = admin.preview_erasure(org, &subject).await?;
            show_preview(context, ShownPreview { sessions, events, contacts });
            return Ok(());
        }
        let proof: ProofKey = context.mint.secret();
        let id = ErasureId(context.mint.uuid());
        let at = context.clock.now();
        admin.request_erasure(&NewErasure { id, org, subject: &subject, proof, at }).await?;
        let mut shown = ShownReceipt::new(admin.receipt(id).await?);
        if subject != Subject::Organization {
            shown.proof = Some(hex::encode(proof));
        }
        let sentence = "Requested. A worker of the service erases it, and in five minutes what is in progress now. \
                        The proof is shown this once.";
        shown.print(context, sentence);
        Ok(())
    }

    async fn subject(&self, admin: &AdminStore, org: OrgId) -> Result<Subject, Failure> {
        let name = match (&self.user, &self.session) {
            (Some(user), _) if user.is_empty() => return Err("the id of a user is not empty".into()),
            (Some(user), _) => return Ok(Subject::User(user.clone())),
            (None, Some(name)) => name,
            (None, None) => return Ok(Subject::Organization),
        };
        let mut rows = admin.sessions_called(org, name).await?;
        rows.retain(|row| self.dialect.is_none_or(|dialect| dialect.code() == row.dialect));
        let row = rows.pop().ok_or("there is no such session")?;
        if !rows.is_empty() {
            return Err("several dialects have a session with that id: choose one with --dialect".into());
        }
        let dialect = DialectName::from_code(row.dialect).ok_or("the session has an unknown dialect")?;
        Ok(Subject::Session { dialect, id: SessionId(row.session_id), public_id: name.clone() })
    }
}

fn show_preview(context: &Context, preview: ShownPreview) {
    let mut details: Vec<(&str, String)> =
        preview.sessions.iter().map(|(dialect, sessions)| (*dialect, format!("{sessions} sessions"))).collect();
    details.push(("events", format!("at most {}", preview.events)));
    details.push(("contacts", preview.contacts.to_string()));
    context.output.details("This would be erased. Nothing was changed.", &details, &preview);
}

/// Prints what retention would erase now.
pub(super) fn show_retention(context: &Context, previews: Vec<Preview>) {
    let mut all = ShownPreview { sessions: BTreeMap::new(), events: 0, contacts: 0 };
    for preview in previews {
        all.sessions.extend(preview.sessions);
        all.events += preview.events;
    }
    show_preview(context, all);
}

fn key_of(text: &str) -> Option<ProofKey> {
    let mut key = ProofKey::default();
    hex::decode_to_slice(text, &mut key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_read_as_it_was_printed() {
        let mut key = [0; 32];
        key[0] = 0x0f;
        key[31] = 0xf0;
        assert_eq!(key_of(&hex::encode(key)), Some(key));
        for wrong in ["", "0", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(key_of(wrong), None, "{wrong}");
        }
    }
}
