//! The logins of the console: what each cookie stands for.
//!
//! A cookie names its organization, so that its login is found like any other row of the organization, under row-level
//! security. A login that was made with an API key has the key's hash, and is worth what the key is worth when it is used.

use std::sync::Arc;

use super::audit::{self, Entry};
use super::directory::{read_scopes, write_scopes};
use super::{Directory, StoreError, TenantStore, scope};
use crate::domain::{Action, KeyHash, OrgId, Scopes, Timestamp};

/// What a login stands for.
#[derive(Clone, Debug)]
pub struct ConsoleLogin {
    pub holder: LoginHolder,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug)]
pub enum LoginHolder {
    /// The API key with this hash, as long as it is valid.
    Key(KeyHash),
    /// A user, with the subject, the issuer and the scopes of a token.
    User { subject: Option<String>, issuer: String, scopes: Scopes },
}

struct LoginRow {
    key_hash: Option<Vec<u8>>,
    subject: Option<String>,
    issuer: Option<String>,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl TryFrom<LoginRow> for ConsoleLogin {
    type Error = StoreError;

    fn try_from(row: LoginRow) -> Result<Self, Self::Error> {
        let unreadable = || StoreError::Unreadable("a console login has neither a key nor an issuer".to_owned());
        let holder = match (row.key_hash, row.issuer) {
            (Some(hash), _) => LoginHolder::Key(KeyHash::stored(&hash).ok_or_else(unreadable)?),
            (None, Some(issuer)) => {
                LoginHolder::User { subject: row.subject, issuer, scopes: read_scopes(&row.scopes)? }
            }
            (None, None) => return Err(unreadable()),
        };
        Ok(Self { holder, expires_at: row.expires_at })
    }
}

impl Directory<'_> {
    /// Returns the login with this hash, expired or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn console_login(&self, org: OrgId, login: KeyHash) -> Result<Option<Arc<ConsoleLogin>>, StoreError> {
        let read = || async move {
            let shard = self.0.0.shards.of(org);
            let mut transaction = scope::begin_lookup(&shard.pools.lookups, &[org]).await?;
            let row = sqlx::query_as!(
                LoginRow,
                "SELECT key_hash, subject, issuer, scopes, expires_at
                   FROM console_logins WHERE org_id = $1 AND login_hash = $2",
                org.0,
                login.as_bytes()
            )
            .fetch_optional(&mut *transaction)
            .await?;
            transaction.commit().await?;
            row.map(ConsoleLogin::try_from).transpose()
        };
        let cache = self.0.lookup_cache();
        cache.console_logins.find((org, login, cache.key_changes.get()), read).await
    }
}

pub struct ConsoleLogins<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn console_logins(&self) -> ConsoleLogins<'_> {
        ConsoleLogins(self)
    }
}

impl ConsoleLogins<'_> {
    /// Stores a login, and deletes the organization's expired ones, and those that end first beyond the newest 1,000.
    /// Returns `false` if `link` is not an unused one-time link that is still valid; it is used up otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn begin(
        &self,
        login: KeyHash,
        new: &ConsoleLogin,
        link: Option<KeyHash>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let org = self.0.org();
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        if let Some(link) = link {
            let used = sqlx::query!(
                "UPDATE console_links SET used_at = $3
                  WHERE org_id = $1 AND link_hash = $2 AND used_at IS NULL AND expires_at > $3",
                org.0,
                link.as_bytes(),
                now
            )
            .execute(&mut *transaction)
            .await?;
            if used.rows_affected() == 0 {
                return Ok(false);
            }
        }
        sqlx::query!(
            "DELETE FROM console_logins
              WHERE org_id = $1
                AND expires_at <= GREATEST($2, (SELECT expires_at FROM console_logins WHERE org_id = $1
                                                 ORDER BY expires_at DESC OFFSET 999 LIMIT 1))",
            org.0,
            now
        )
        .execute(&mut *transaction)
        .await?;
        let (key, subject, issuer, scopes) = match &new.holder {
            LoginHolder::Key(hash) => (Some(hash.as_bytes()), None, None, Vec::new()),
            LoginHolder::User { subject, issuer, scopes } => {
                (None, subject.as_deref(), Some(issuer.as_str()), write_scopes(*scopes))
            }
        };
        sqlx::query!(
            "INSERT INTO console_logins (org_id, login_hash, key_hash, subject, issuer, scopes, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            org.0,
            login.as_bytes(),
            key,
            subject,
            issuer,
            &scopes,
            new.expires_at
        )
        .execute(&mut *transaction)
        .await?;
        let entry = Entry::new(org, self.0.actor(), Action::ConsoleLogin, format!("organization/{org}"));
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes a login. This replica rejects its cookie from the next request on, others within a second. Returns
    /// `false` if there is no such login.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn end(&self, login: KeyHash) -> Result<bool, StoreError> {
        let org = self.0.org();
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let deleted =
            sqlx::query!("DELETE FROM console_logins WHERE org_id = $1 AND login_hash = $2", org.0, login.as_bytes())
                .execute(&mut *transaction)
                .await?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry::new(org, self.0.actor(), Action::ConsoleLogout, format!("organization/{org}"));
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        self.0.lookup_cache().key_changes.happened();
        Ok(true)
    }
}
