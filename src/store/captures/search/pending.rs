//! Grams of events that are in no block yet.

use sqlx::PgConnection;
use uuid::Uuid;

use super::packing::{Entry, write_list};
use crate::domain::grams::Grams;
use crate::domain::{OrgId, Timestamp};
use crate::store::captures::request::CaptureRequest;

/// Bytes of grams in a row.
const ROW_BYTES: usize = 512 * 1024;

/// The grams of some events of an organization.
pub(in crate::store::captures) struct Pending {
    pub org: OrgId,
    /// The row's id, or `None` if the database chooses one.
    pub id: Option<Uuid>,
    pub size: i32,
    /// The number of entries of events that were indexed before: all or none.
    pub again: i32,
    pub oldest: Timestamp,
    pub newest: Timestamp,
    pub entries: Vec<u8>,
    pub grams: Vec<u8>,
}

impl Pending {
    fn of(org: OrgId, entry: Entry) -> Self {
        let (entries, grams) = (Vec::new(), Vec::new());
        let id = Some(entry.id);
        Self { org, id, size: 0, again: 0, oldest: entry.at, newest: entry.at, entries, grams }
    }

    fn push(&mut self, entry: Entry, grams: &Grams) {
        self.size += 1;
        self.oldest = self.oldest.min(entry.at);
        self.newest = self.newest.max(entry.at);
        entry.write(&mut self.entries);
        write_list(grams.as_slice(), &mut self.grams);
    }

    /// Marks all events as indexed before. The row gets an id of its own, because the first event's may be in use.
    fn indexed_again(&mut self) {
        self.id = None;
        self.again = self.size;
    }

    /// Appends the events of another row.
    pub fn append(&mut self, other: &Self) {
        self.size += other.size;
        self.again += other.again;
        self.oldest = self.oldest.min(other.oldest);
        self.newest = self.newest.max(other.newest);
        self.entries.extend_from_slice(&other.entries);
        self.grams.extend_from_slice(&other.grams);
    }
}

/// Packs events into rows, one or more for each organization.
pub(super) fn packed<'g>(events: impl IntoIterator<Item = (OrgId, Entry, &'g Grams)>) -> Vec<Pending> {
    let mut rows: Vec<Pending> = Vec::new();
    for (org, entry, grams) in events {
        match rows.last_mut() {
            Some(row) if row.org == org && row.grams.len() < ROW_BYTES => row.push(entry, grams),
            _ => {
                let mut row = Pending::of(org, entry);
                row.push(entry, grams);
                rows.push(row);
            }
        }
    }
    rows
}

/// Adds the grams of events that are being written.
pub(in crate::store) async fn add(connection: &mut PgConnection, fresh: &[&CaptureRequest]) -> Result<(), sqlx::Error> {
    insert(connection, &of(fresh)).await
}

/// Returns the grams of events that are being written.
pub(in crate::store::captures) fn of(fresh: &[&CaptureRequest]) -> Vec<Pending> {
    let mut sorted: Vec<&CaptureRequest> = fresh.to_vec();
    sorted.sort_by_key(|request| request.org);
    packed(sorted.iter().map(|request| {
        let capture = &request.capture;
        (request.org, Entry { id: capture.event.id.0, at: capture.facts.at }, &capture.grams)
    }))
}

/// Adds grams of indexed events that changed: their name, or all of their contents.
pub(in crate::store::captures) async fn add_again(
    connection: &mut PgConnection,
    changed: &[(OrgId, Entry, Grams)],
) -> Result<(), sqlx::Error> {
    let mut rows = packed(changed.iter().map(|(org, entry, grams)| (*org, *entry, grams)));
    rows.iter_mut().for_each(Pending::indexed_again);
    insert(connection, &rows).await
}

/// Adds indexed events whose current contents are not known, as candidates of every search.
pub(super) async fn add_unknown(
    connection: &mut PgConnection,
    org: OrgId,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    let any = Grams::any();
    let mut rows = packed(entries.iter().map(|entry| (org, *entry, &any)));
    rows.iter_mut().for_each(Pending::indexed_again);
    insert(connection, &rows).await
}

pub(super) async fn insert(connection: &mut PgConnection, rows: &[Pending]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let new = PendingColumns::of(rows);
    sqlx::query!(
        "INSERT INTO captured_pending (org_id, pending, size, again, oldest, newest, entries, grams)
         SELECT org_id, COALESCE(pending, gen_random_uuid()), size, again, oldest, newest, entries, grams
           FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::timestamptz[], $6::timestamptz[],
                       $7::bytea[], $8::bytea[])
             AS new (org_id, pending, size, again, oldest, newest, entries, grams)",
        &new.orgs,
        &new.ids as &[Option<Uuid>],
        &new.sizes,
        &new.again,
        &new.oldest,
        &new.newest,
        &new.entries as &[&[u8]],
        &new.grams as &[&[u8]]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows as the columns of a statement.
pub(in crate::store::captures) struct PendingColumns<'p> {
    pub orgs: Vec<Uuid>,
    pub ids: Vec<Option<Uuid>>,
    pub sizes: Vec<i32>,
    pub again: Vec<i32>,
    pub oldest: Vec<Timestamp>,
    pub newest: Vec<Timestamp>,
    pub entries: Vec<&'p [u8]>,
    pub grams: Vec<&'p [u8]>,
}

impl<'p> PendingColumns<'p> {
    pub fn of(rows: &'p [Pending]) -> Self {
        Self {
            orgs: rows.iter().map(|row| row.org.0).collect(),
            ids: rows.iter().map(|row| row.id).collect(),
            sizes: rows.iter().map(|row| row.size).collect(),
            again: rows.iter().map(|row| row.again).collect(),
            oldest: rows.iter().map(|row| row.oldest).collect(),
            newest: rows.iter().map(|row| row.newest).collect(),
            entries: rows.iter().map(|row| &row.entries[..]).collect(),
            grams: rows.iter().map(|row| &row.grams[..]).collect(),
        }
    }
}
