//! Stored spans that turn out to be something else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::plan::{Entry, Plan};
use super::stored::is_changed;
use crate::domain::grams::Grams;
use crate::domain::trace::Placement;
use crate::domain::{CaptureFacts, EventId, NewSpan, OrgId, SessionId, Timestamp};
use crate::store::captures::DIALECT;
use crate::store::captures::add::Summed;
use crate::store::captures::rebuild::Days;
use crate::store::captures::search;
use crate::store::sessions::{CreateRequest, RowKey};

/// A stored span that changes.
pub struct Change<'p> {
    pub org: OrgId,
    pub id: EventId,
    pub from: SessionId,
    pub to: SessionId,
    pub placement: &'p Placement,
    pub is_renamed: bool,
    /// Its new content, if that changes.
    pub written: Option<&'p NewSpan>,
}

impl Change<'_> {
    pub fn source(&self) -> RowKey {
        RowKey::new(self.org, DIALECT, self.from)
    }

    pub fn target(&self) -> RowKey {
        RowKey::new(self.org, DIALECT, self.to)
    }

    pub fn moves(&self) -> bool {
        self.from != self.to
    }
}

/// The changes of a batch, in the order of their events.
pub struct Changes<'p>(pub Vec<Change<'p>>);

impl<'p> Changes<'p> {
    pub fn of(plans: &'p [Plan<'p>]) -> Self {
        let mut changes: Vec<Change<'p>> = plans
            .iter()
            .flat_map(|plan| plan.entries.iter().map(move |entry| (plan, entry)))
            .filter(|(_, entry)| is_changed(entry))
            .filter_map(|(plan, entry)| {
                let before = entry.before.as_ref()?;
                Some(Change {
                    org: plan.trace.0,
                    id: entry.facts.id,
                    from: before.session,
                    to: entry.session,
                    placement: &entry.placement,
                    is_renamed: before.name != entry.placement.name,
                    written: entry.written,
                })
            })
            .collect();
        changes.sort_by_key(|change| (change.org, change.id));
        Self(changes)
    }

    /// Returns the sessions that spans are written to or moved to, in case they do not exist.
    pub fn sessions(&self, plans: &'p [Plan<'p>]) -> Vec<CreateRequest> {
        let mut sessions: BTreeMap<RowKey, CreateRequest> = BTreeMap::new();
        for (plan, entry) in filled(plans) {
            let key = RowKey::new(plan.trace.0, DIALECT, entry.session);
            if let std::collections::btree_map::Entry::Vacant(vacant) = sessions.entry(key)
                && let Some(session) = plan.implied(entry)
            {
                vacant.insert(CreateRequest { org: plan.trace.0, session, aliases: Vec::new(), used_by: None });
            }
        }
        sessions.into_values().collect()
    }

    /// Returns the users of these sessions.
    pub fn users(&self, plans: &'p [Plan<'p>]) -> Vec<(RowKey, &'p str)> {
        let named = filled(plans).filter_map(|(plan, entry)| {
            let key = RowKey::new(plan.trace.0, DIALECT, entry.session);
            Some((key, entry.placement.user.as_deref()?))
        });
        named.collect()
    }

    /// Returns every session whose counter is locked: those of new spans, and both sides of moves.
    pub fn session_keys(&self, plans: &[Plan<'_>]) -> Vec<RowKey> {
        let mut keys: BTreeSet<RowKey> =
            filled(plans).map(|(plan, entry)| RowKey::new(plan.trace.0, DIALECT, entry.session)).collect();
        keys.extend(self.moves().flat_map(|change| [change.source(), change.target()]));
        keys.into_iter().collect()
    }

    /// Returns whether spans are written or moved to a session.
    pub fn fills(&self, plans: &[Plan<'_>], key: RowKey) -> bool {
        filled(plans).any(|(plan, entry)| RowKey::new(plan.trace.0, DIALECT, entry.session) == key)
    }

    pub fn moves(&self) -> impl Iterator<Item = &Change<'p>> {
        self.0.iter().filter(|change| change.moves())
    }

    /// Returns the sessions that spans are moved to.
    pub fn targets(&self) -> impl Iterator<Item = RowKey> + '_ {
        self.moves().map(Change::target)
    }

    /// Returns the changed events as they are summed up now.
    pub fn after(&self, before: &HashMap<(OrgId, EventId), Summed>) -> HashMap<(OrgId, EventId), Summed> {
        let after = self.0.iter().filter_map(|change| {
            let before = before.get(&(change.org, change.id))?;
            let mut after = Summed {
                kind: change.placement.kind.as_str().to_owned(),
                name: indexed(&change.placement.name),
                ..before.clone()
            };
            if let Some(written) = change.written {
                let CaptureFacts { at, name: _, success, latency_ms, is_timed } = written.capture.facts;
                after = Summed { at, success, latency_ms, is_timed, ..after };
            }
            Some(((change.org, change.id), after))
        });
        after.collect()
    }

    /// Returns the changed events that are summed up differently, before and after.
    pub fn replaced<'s>(
        &self,
        before: &'s HashMap<(OrgId, EventId), Summed>,
        after: &'s HashMap<(OrgId, EventId), Summed>,
    ) -> impl Iterator<Item = (&'s Summed, &'s Summed)> {
        before
            .iter()
            .filter_map(|(key, before)| Some((before, after.get(key)?)))
            .filter(|(before, after)| before != after)
    }

    /// Returns the new search grams of changed events, and of the names of new events that are not their own.
    pub fn indexed_again(
        &self,
        plans: &[Plan<'_>],
        after: &HashMap<(OrgId, EventId), Summed>,
    ) -> Vec<(OrgId, search::Entry, Grams)> {
        let changed = self.0.iter().filter(|change| change.is_renamed || change.written.is_some()).flat_map(|change| {
            let at = after.get(&(change.org, change.id)).map(|summed| summed.at);
            let entry = at.map(|at| search::Entry { id: change.id.0, at });
            let name = Grams::of([change.placement.name.as_str()]);
            let written = change.written.map(|written| written.capture.grams.clone());
            // Both can change at once; a search matches one of the texts.
            let grams = [Some(name), written];
            grams.into_iter().flatten().filter_map(move |grams| Some((change.org, entry?, grams)))
        });
        let named = plans.iter().flat_map(|plan| {
            let other = plan.entries.iter().filter(|entry| entry.is_new() && entry.placement.name != entry.facts.name);
            other.filter_map(|entry| {
                let entry_of = search::Entry { id: entry.facts.id.0, at: entry.written?.capture.facts.at };
                Some((plan.trace.0, entry_of, Grams::of([entry.placement.name.as_str()])))
            })
        });
        let mut indexed: Vec<_> = changed.chain(named).collect();
        indexed.sort_by_key(|(org, entry, _)| (*org, entry.at));
        indexed
    }
}

/// Returns the days of which a maximum may be too high from now on.
pub fn recounted(
    changes: &Changes<'_>,
    before: &HashMap<(OrgId, EventId), Summed>,
    after: &HashMap<(OrgId, EventId), Summed>,
) -> Vec<(OrgId, Timestamp)> {
    let counted = changes.replaced(before, after).map(|(before, _)| before).filter(|event| event.is_timed);
    let days: BTreeSet<(OrgId, Timestamp)> = counted.map(|event| (event.org, Days::of(event.at).from)).collect();
    days.into_iter().collect()
}

/// Returns the spans that are written or moved, with their plans.
fn filled<'p>(plans: &'p [Plan<'p>]) -> impl Iterator<Item = (&'p Plan<'p>, &'p Entry<'p>)> {
    let entries = plans.iter().flat_map(|plan| plan.entries.iter().map(move |entry| (plan, entry)));
    entries.filter(|(_, entry)| {
        let is_moved = entry.before.as_ref().is_some_and(|before| before.session != entry.session);
        entry.written.is_some() || is_moved
    })
}

/// Returns a name, shortened to what lists and figures use.
fn indexed(name: &str) -> String {
    name.chars().take(CaptureFacts::NAME_LIMIT).collect()
}

/// Returns how the events that change were summed up.
pub async fn read(
    connection: &mut PgConnection,
    changes: &Changes<'_>,
) -> Result<HashMap<(OrgId, EventId), Summed>, sqlx::Error> {
    if changes.0.is_empty() {
        return Ok(HashMap::new());
    }
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = changes.0.iter().map(|change| (change.org.0, change.id.0)).unzip();
    let rows = sqlx::query!(
        r#"SELECT c.org_id AS "org_id!", c.event_id AS "event_id!", c.at AS "at!", c.kind AS "kind!", c.name AS "name!",
                  c.success AS "success!", c.latency_ms AS "latency_ms!", c.untimed AS "untimed!"
             FROM UNNEST($1::uuid[], $2::uuid[]) AS wanted (org_id, event_id)
             JOIN captured_events c USING (org_id, event_id)
            ORDER BY c.org_id, c.event_id
              FOR UPDATE OF c"#,
        &orgs,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let summed = rows.into_iter().map(|row| {
        let org = OrgId(row.org_id);
        let summed = Summed {
            org,
            at: row.at,
            kind: row.kind,
            name: row.name,
            success: row.success,
            latency_ms: row.latency_ms,
            is_timed: !row.untimed,
        };
        ((org, EventId(row.event_id)), summed)
    });
    Ok(summed.collect())
}

/// Stores kinds, names and contents. The events have been moved to their new sessions before.
pub async fn carry_out(connection: &mut PgConnection, changes: &Changes<'_>) -> Result<(), sqlx::Error> {
    if changes.0.is_empty() {
        return Ok(());
    }
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = changes.0.iter().map(|change| (change.org.0, change.id.0)).unzip();
    let sessions: Vec<Uuid> = changes.0.iter().map(|change| change.to.0).collect();
    let kinds: Vec<&str> = changes.0.iter().map(|change| change.placement.kind.as_str()).collect();
    let names: Vec<&str> = changes.0.iter().map(|change| change.placement.name.as_str()).collect();
    let indexed: Vec<String> = names.iter().map(|name| indexed(name)).collect();
    sqlx::query!(
        "UPDATE session_events e SET kind = new.kind, author_id = new.name
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
             AS new (org_id, session_id, event_id, kind, name)
          WHERE e.org_id = new.org_id AND e.dialect = $6 AND e.session_id = new.session_id
            AND e.event_id = new.event_id",
        &orgs,
        &sessions,
        &ids,
        &kinds as &[&str],
        &names as &[&str],
        DIALECT.code()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE captured_events c SET session_id = new.session_id, kind = new.kind, name = new.name
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
             AS new (org_id, session_id, event_id, kind, name)
          WHERE c.org_id = new.org_id AND c.event_id = new.event_id",
        &orgs,
        &sessions,
        &ids,
        &kinds as &[&str],
        &indexed
    )
    .execute(&mut *connection)
    .await?;
    write_contents(connection, changes).await
}

async fn write_contents(connection: &mut PgConnection, changes: &Changes<'_>) -> Result<(), sqlx::Error> {
    let written: Vec<(&Change<'_>, &NewSpan)> =
        changes.0.iter().filter_map(|change| Some((change, change.written?))).collect();
    if written.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = written.iter().map(|(change, _)| change.org.0).collect();
    let sessions: Vec<Uuid> = written.iter().map(|(change, _)| change.to.0).collect();
    let ids: Vec<Uuid> = written.iter().map(|(change, _)| change.id.0).collect();
    let parents: Vec<Option<Uuid>> =
        written.iter().map(|(_, span)| span.capture.event.parent.map(|parent| parent.0)).collect();
    let contents: Vec<Option<&str>> = written.iter().map(|(_, span)| span.capture.event.content.as_deref()).collect();
    let payloads: Vec<&str> = written.iter().map(|(_, span)| span.capture.event.payload.as_str()).collect();
    sqlx::query!(
        "UPDATE session_events e
            SET parent_id = new.parent_id, content = new.content, payload = new.payload::json
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
             AS new (org_id, session_id, event_id, parent_id, content, payload)
          WHERE e.org_id = new.org_id AND e.dialect = $7 AND e.session_id = new.session_id
            AND e.event_id = new.event_id",
        &orgs,
        &sessions,
        &ids,
        &parents as &[Option<Uuid>],
        &contents as &[Option<&str>],
        &payloads as &[&str],
        DIALECT.code()
    )
    .execute(&mut *connection)
    .await?;
    let times: Vec<_> = written.iter().map(|(_, span)| span.capture.facts.at).collect();
    let successes: Vec<bool> = written.iter().map(|(_, span)| span.capture.facts.success).collect();
    let latencies: Vec<i64> = written.iter().map(|(_, span)| span.capture.facts.latency_ms).collect();
    let untimed: Vec<bool> = written.iter().map(|(_, span)| !span.capture.facts.is_timed).collect();
    sqlx::query!(
        "UPDATE captured_events c
            SET at = new.at, success = new.success, latency_ms = new.latency_ms, untimed = new.untimed
           FROM UNNEST($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[], $5::bigint[], $6::boolean[])
             AS new (org_id, event_id, at, success, latency_ms, untimed)
          WHERE c.org_id = new.org_id AND c.event_id = new.event_id",
        &orgs,
        &ids,
        &times,
        &successes,
        &latencies,
        &untimed
    )
    .execute(connection)
    .await?;
    Ok(())
}
