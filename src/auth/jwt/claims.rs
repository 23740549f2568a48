//! The claims of a token, of every identity provider that docs/credentials.md has a recipe for.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::settings::LEEWAY;
use crate::domain::{Scopes, Timestamp};

/// The claims of a token. Only those that are checked or used have a type; a claim that is not needed may be anything,
/// because identity providers let customers add claims of their own under any name.
pub(in crate::auth) struct Claims {
    pub issuer: String,
    /// Seconds since 1970.
    expires: f64,
    /// Clerk's session token, version 2.
    clerk: Option<ClerkOrganization>,
    all: Map<String, Value>,
}

struct ClerkOrganization {
    id: String,
    role: Option<String>,
}

/// An organization as a token names it.
pub(in crate::auth) struct NamedOrganization<'c> {
    pub id: &'c str,
    /// What people call it, where the token says so.
    pub label: Option<&'c str>,
}

impl Claims {
    /// Returns the claims, or `None` where one that every token must have is missing or has the wrong type.
    pub fn of(all: Map<String, Value>) -> Option<Self> {
        let issuer = all.get("iss")?.as_str()?.to_owned();
        let expires = all.get("exp")?.as_f64()?;
        let clerk = all.get("o").and_then(ClerkOrganization::of);
        Some(Self { issuer, expires, clerk, all })
    }

    /// Returns a claim that is a string. One of another type counts as absent.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.all.get(claim)?.as_str()
    }

    /// Returns a claim unless it is absent or null.
    fn given(&self, claim: &str) -> Option<&Value> {
        self.all.get(claim).filter(|value| !value.is_null())
    }

    /// Returns the claim of that name or, where the name begins with `/`, the value at that JSON Pointer (RFC 6901).
    fn at(&self, claim: &str) -> Option<&Value> {
        let value = match claim.strip_prefix('/') {
            _ if self.all.contains_key(claim) => self.all.get(claim),
            Some(path) => {
                let (first, pointer) = path.split_at(path.find('/').unwrap_or(path.len()));
                let first = first.replace("~1", "/").replace("~0", "~");
                self.all.get(&first).and_then(|value| value.pointer(pointer))
            }
            None => None,
        };
        value.filter(|value| !value.is_null())
    }

    /// Returns when the token stops being accepted, or `None` where no calendar reaches that far.
    pub fn ends(&self) -> Option<Timestamp> {
        DateTime::from_timestamp_millis(((self.expires + LEEWAY) * 1_000.0) as i64)
    }

    /// Returns `true` if the token is within its times at `now`, in seconds since 1970. A start that is no number cannot
    /// have come.
    pub fn is_current(&self, now: f64) -> bool {
        let has_begun = self.given("nbf").is_none_or(|start| start.as_f64().is_some_and(|start| start <= now + LEEWAY));
        self.expires > now - LEEWAY && has_begun
    }

    /// Returns `true` for Clerk's sessions of users who have tasks left before they are signed in, such as the choice of
    /// an organization. Clerk's own SDKs treat them as signed out.
    pub fn is_pending(&self) -> bool {
        self.text("sts") == Some("pending")
    }

    /// Returns `true` if the audience is one of these, or a list that has one of them.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        let is_wanted =
            |audience: &Value| audience.as_str().is_some_and(|text| audiences.iter().any(|any| any == text));
        match self.all.get("aud") {
            Some(Value::Array(list)) => list.iter().any(is_wanted),
            Some(audience) => is_wanted(audience),
            None => false,
        }
    }

    /// Returns `true` if the token was issued to one of these clients: its `azp` or, where it has none, its `client_id`,
    /// as Amazon Cognito's access tokens and RFC 9068 have it.
    pub fn is_from(&self, parties: &[String]) -> bool {
        let party = self.given("azp").or_else(|| self.given("client_id")).and_then(Value::as_str);
        party.is_some_and(|party| parties.iter().any(|any| any == party))
    }

    /// Returns the organization that `claim` names, or that Clerk's claims name where no claim is given.
    ///
    /// A claim may be a string, a list of one string, or an object of one member, whose `id` counts if it has one, as
    /// Keycloak writes a user's organization.
    pub fn organization(&self, claim: Option<&str>) -> Option<NamedOrganization<'_>> {
        let Some(claim) = claim else { return self.clerk_organization() };
        let id = match self.at(claim)? {
            Value::String(id) => id,
            Value::Array(list) if list.len() == 1 => list[0].as_str()?,
            Value::Object(members) if members.len() == 1 => {
                let (name, organization) = members.iter().next()?;
                return match organization.get("id") {
                    Some(id) => Some(NamedOrganization { id: id.as_str()?, label: Some(name) }),
                    None => Some(NamedOrganization { id: name, label: None }),
                };
            }
            _ => return None,
        };
        Some(NamedOrganization { id, label: self.text("org_name") })
    }

    /// Returns the organization of a Clerk session token. One whose `o` cannot be read names none, whatever its other
    /// claims are.
    fn clerk_organization(&self) -> Option<NamedOrganization<'_>> {
        match (&self.clerk, self.given("o")) {
            (Some(organization), given) => {
                let label = given.and_then(|value| value.get("slg")).and_then(Value::as_str);
                Some(NamedOrganization { id: &organization.id, label })
            }
            (None, Some(_)) => None,
            (None, None) => {
                let label = self.text("org_name").or_else(|| self.text("org_slug"));
                Some(NamedOrganization { id: self.text("org_id")?, label })
            }
        }
    }

    /// Returns what the token's user may do.
    ///
    /// Where `claim` names the roles, they may be a string or a list, and the user may do what any of them may. Else the
    /// role is that of Clerk's claims, or `role`; one that is no string is none, so that it gives the fewest scopes.
    pub fn scopes(&self, claim: Option<&str>) -> Scopes {
        let Some(claim) = claim else { return Scopes::of_role(self.clerk_role()) };
        match self.at(claim) {
            Some(Value::Array(roles)) => {
                let roles = roles.iter().filter_map(Value::as_str);
                roles.map(|role| Scopes::of_role(Some(role))).chain([Scopes::of_role(None)]).collect()
            }
            role => Scopes::of_role(role.and_then(Value::as_str)),
        }
    }

    fn clerk_role(&self) -> Option<&str> {
        match &self.clerk {
            Some(organization) => organization.role.as_deref(),
            None => self.given("org_role").or_else(|| self.given("role"))?.as_str(),
        }
    }

    /// Returns the subject. Some providers number their users.
    pub fn subject(&self) -> Option<String> {
        match self.all.get("sub")? {
            Value::String(subject) => Some(subject.clone()),
            Value::Number(subject) => Some(subject.to_string()),
            _ => None,
        }
    }
}

impl ClerkOrganization {
    fn of(claim: &Value) -> Option<Self> {
        let id = claim.get("id")?.as_str()?.to_owned();
        Some(Self { id, role: claim.get("rol").and_then(Value::as_str).map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(more: Value) -> Claims {
        let mut all = json!({"iss": "https://issuer.example", "exp": 1_800_000_000});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Claims::of(all.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_organization_is_read_as_the_providers_write_it() {
        let named = |claim: &str, more: Value| {
            let claims = claims(more);
            claims.organization(Some(claim)).map(|named| (named.id.to_owned(), named.label.map(str::to_owned)))
        };
        let some = |id: &str, label: Option<&str>| Some((id.to_owned(), label.map(str::to_owned)));
        assert_eq!(named("hd", json!({"hd": "example.com"})), some("example.com", None));
        assert_eq!(named("custom:org", json!({"custom:org": "acme"})), some("acme", None));
        assert_eq!(named("https://a.example/org", json!({"https://a.example/org": "acme"})), some("acme", None));
        assert_eq!(named("org_id", json!({"org_id": "org_1", "org_name": "Acme"})), some("org_1", Some("Acme")));
        assert_eq!(named("organization", json!({"organization": ["acme"]})), some("acme", None));
        assert_eq!(named("organization", json!({"organization": {"acme": {}}})), some("acme", None));
        let keycloak = json!({"organization": {"acme": {"id": "42c3e46f"}}});
        assert_eq!(named("organization", keycloak), some("42c3e46f", Some("acme")));
        assert_eq!(named("/app/org", json!({"app": {"org": "acme"}})), some("acme", None));
        assert_eq!(named("/a~1b/org", json!({"a/b": {"org": "acme"}})), some("acme", None));
        for (claim, more) in [
            ("organization", json!({"organization": ["acme", "other"]})),
            ("organization", json!({"organization": {"acme": {}, "other": {}}})),
            ("organization", json!({"organization": {"acme": {"id": 7}}})),
            ("organization", json!({"organization": 7})),
            ("organization", json!({"org_id": "org_1"})),
            ("/app/org", json!({"app": "acme"})),
            ("/", json!({"app": "acme"})),
        ] {
            assert_eq!(named(claim, more.clone()), None, "{claim} in {more}");
        }
    }

    #[test]
    fn roles_are_a_string_or_a_list() {
        let scopes = |claim, more| claims(more).scopes(Some(claim));
        let keycloak = json!({"realm_access": {"roles": ["offline_access", "admin"]}});
        assert_eq!(scopes("/realm_access/roles", keycloak), Scopes::EVERY);
        assert_eq!(scopes("cognito:groups", json!({"cognito:groups": ["member"]})), Scopes::of_role(Some("member")));
        assert_eq!(scopes("role", json!({"role": "member"})), Scopes::of_role(Some("member")));
        for nothing in [json!({}), json!({"role": []}), json!({"role": [7]}), json!({"role": {"admin": true}})] {
            assert_eq!(scopes("role", nothing), Scopes::of_role(None));
        }
    }

    #[test]
    fn the_client_is_azp_or_client_id() {
        let is_from = |more| claims(more).is_from(&["app".to_owned()]);
        assert!(is_from(json!({"azp": "app"})) && is_from(json!({"client_id": "app"})));
        assert!(!is_from(json!({"azp": "other", "client_id": "app"})));
        assert!(!is_from(json!({})) && !is_from(json!({"client_id": ["app"]})));
    }
}
