//! Stores an import line by line.

use serde::Serialize;
use utoipa::ToSchema;

use super::check::{CheckedAgent, CheckedLine, checked};
use super::lines::{Line, Lines, MAX_LINE};
use crate::domain::{AgentRef, Mint};
use crate::http::CostlyWork;
use crate::store::{AgentCreated, AgentName, ImportOutcome, StoreError, TenantStore};

/// Limit of the rejected lines that a result names.
const MAX_NAMED: usize = 100;
/// Lines from this size on are read on a thread of their own.
const COSTLY_FROM: usize = 16 * 1024;

/// What an import has done.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ImportResult {
    /// Lines of which something was stored.
    pub created: u64,
    /// Lines all of which existed.
    pub existing: u64,
    /// Lines that were not stored.
    pub rejected: u64,
    /// The first 100 rejected lines.
    pub lines: Vec<RejectedLine>,
    /// Whether the body was read to its end. If not, send it again from `next_line` on.
    pub is_complete: bool,
    /// The first line that was not read, counted from 1; `null` at the end.
    pub next_line: Option<u64>,
}

/// A line that was not stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedLine {
    /// Counted from 1.
    pub line: u64,
    #[schema(value_type = String, example = "rejected")]
    outcome: &'static str,
    #[schema(example = "Another session has this id, or the session has changed since it was exported.")]
    pub detail: String,
}

/// What an import may do besides storing sessions.
#[derive(Clone, Copy, Debug)]
pub struct ImportRights {
    pub write_events: bool,
    pub write_agents: bool,
}

/// Stores lines in their order.
pub struct Importer {
    store: TenantStore,
    mint: Mint,
    costly: CostlyWork,
    rights: ImportRights,
    is_dry_run: bool,
    lines: Lines,
    /// Lines that were read.
    read: u64,
    /// The session of the line before, and whether it was rejected.
    before: Option<(String, bool)>,
    result: ImportResult,
}

impl Importer {
    #[must_use]
    pub fn new(store: TenantStore, mint: Mint, costly: CostlyWork, rights: ImportRights, is_dry_run: bool) -> Self {
        Self {
            store,
            mint,
            costly,
            rights,
            is_dry_run,
            lines: Lines::default(),
            read: 0,
            before: None,
            result: ImportResult::default(),
        }
    }

    /// Adds bytes that have arrived, of which [`Importer::step`] stores the whole lines.
    pub fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// Stores the next whole line. Returns `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when the organization's storage quota is used up, [`StoreError::Unavailable`] when the
    /// database cannot be reached. The lines before it are stored.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let Some(line) = self.lines.next() else { return Ok(false) };
        self.store_line(line).await?;
        Ok(true)
    }

    /// Stores the last line, and returns the result.
    ///
    /// # Errors
    /// Those of [`Importer::step`].
    pub async fn finish(mut self) -> Result<ImportResult, StoreError> {
        if let Some(line) = std::mem::take(&mut self.lines).last() {
            self.store_line(line).await?;
        }
        Ok(ImportResult { is_complete: true, next_line: None, ..self.result })
    }

    /// Returns the result before the end.
    #[must_use]
    pub fn pause(self) -> ImportResult {
        ImportResult { is_complete: false, next_line: Some(self.read + 1), ..self.result }
    }

    async fn store_line(&mut self, line: Line) -> Result<(), StoreError> {
        let outcome = match line {
            Line::TooLong => Err(format!("A line has at most {MAX_LINE} bytes.")),
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => {
                self.read += 1;
                return Ok(());
            }
            Line::Whole(line) => self.write(line).await?,
        };
        self.read += 1;
        match outcome {
            Ok(ImportOutcome::Created) => self.result.created += 1,
            Ok(_) => self.result.existing += 1,
            Err(detail) => {
                self.result.rejected += 1;
                if self.result.lines.len() < MAX_NAMED {
                    self.result.lines.push(RejectedLine { line: self.read, outcome: "rejected", detail });
                }
            }
        }
        Ok(())
    }

    /// Stores a line. Returns why it is rejected as the inner error.
    async fn write(&mut self, line: Vec<u8>) -> Result<Result<ImportOutcome, String>, StoreError> {
        let nonce = self.mint.uuid();
        let checked = if line.len() < COSTLY_FROM {
            checked(&line, nonce)
        } else {
            let checked = self.costly.run(move || checked(&line, nonce)).await;
            checked.map_err(|_| StoreError::Unavailable)?
        };
        let CheckedLine { part, agent } = match checked {
            Ok(line) => line,
            Err(detail) => return Ok(Err(detail)),
        };
        let session = format!("{}_{}", part.dialect, part.id);
        let follows_rejected = matches!(&self.before, Some((before, true)) if *before == session);
        let outcome = if part.session.is_none() && follows_rejected {
            Err("The line before it, of the same session, was rejected.".to_owned())
        } else if !part.events.is_empty() && !self.rights.write_events {
            Err("The line has events, and the credential lacks the scope events:write.".to_owned())
        } else {
            match self.agent(agent).await? {
                Err(detail) => Err(detail),
                Ok(()) => {
                    let imports = self.store.imports();
                    let outcome =
                        if self.is_dry_run { self.preview(&part).await? } else { imports.write(&part).await? };
                    match outcome {
                        ImportOutcome::Conflict(detail) => Err(detail.to_owned()),
                        outcome => Ok(outcome),
                    }
                }
            }
        };
        self.before = Some((session, outcome.is_err()));
        Ok(outcome)
    }

    /// Returns what an import of a part would result in. Further events of a session that would be created would be, too.
    async fn preview(&self, part: &crate::store::ImportedPart) -> Result<ImportOutcome, StoreError> {
        let session = format!("{}_{}", part.dialect, part.id);
        let outcome = self.store.imports().preview(part).await?;
        let follows = matches!(&self.before, Some((before, false)) if *before == session);
        let is_missing = matches!(outcome, ImportOutcome::Conflict(_)) && part.session.is_none() && follows;
        Ok(if is_missing { ImportOutcome::Created } else { outcome })
    }

    /// Creates the agent of a session if it does not exist. Returns why it cannot be created as the inner error.
    async fn agent(&self, agent: Option<CheckedAgent>) -> Result<Result<(), String>, StoreError> {
        let Some(CheckedAgent { id, new: Some(mut new) }) = agent else { return Ok(Ok(())) };
        if self.store.agents().find(&AgentRef::Id(id)).await?.is_some() {
            return Ok(Ok(()));
        }
        if !self.rights.write_agents {
            return Ok(Err(
                "The session's agent does not exist, and the credential lacks the scope agents:write.".into()
            ));
        }
        if self.is_dry_run {
            let of_key = self.store.agents().find(&AgentRef::Key(new.key)).await?;
            return Ok(if of_key.is_some() { Err(KEY_TAKEN.to_owned()) } else { Ok(()) });
        }
        loop {
            let had_number = new.number.is_some();
            match self.store.agents().create(new.clone()).await? {
                // One with this id that was deleted stays deleted, as its sessions show it.
                AgentCreated::New(_) | AgentCreated::Taken(AgentName::Id) => return Ok(Ok(())),
                AgentCreated::Taken(AgentName::Key) => return Ok(Err(KEY_TAKEN.to_owned())),
                // Numbers are those of the organization, so that the agent gets another one.
                AgentCreated::Taken(AgentName::Number) if had_number => new.number = None,
                AgentCreated::Taken(AgentName::Number) => {}
            }
        }
    }
}

const KEY_TAKEN: &str = "Another agent has the key of the session's agent.";
