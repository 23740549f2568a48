//! Several issuers, and organizations that are made when a token first names them.

use serde_json::json;
use sessionary::auth::{JwtSettings, JwtVerifier, Provisioning};
use sessionary::domain::{OrgId, Responder};
use sessionary::store::admin::{NewOrganization, OrganizationSettings};

use super::create;
use super::provider::{Provider, SigningKey, claims, fetch};
use crate::support::{AGENT_ID, Setup, TestApp, admin, run, start};

async fn register(app: &TestApp, issuer: &str, external_id: &str) -> OrgId {
    let id = OrgId(app.mint.uuid());
    let new = NewOrganization {
        id,
        name: "Registered",
        external_id: Some(external_id),
        issuer,
        responder: &Responder::None,
        created_at: start(),
    };
    admin().await.create_organization(&new).await.expect("an organization");
    id
}

/// Returns the organization that a token acts for, or the status where there is none.
async fn organization(app: &TestApp, token: &str) -> Result<String, u16> {
    let ask = app.get("/dashboard/api/profile").anonymous().header("authorization", format!("Bearer {token}"));
    let reply = ask.send().await;
    if reply.status == 200 {
        Ok(reply.json()["organization"]["id"].as_str().expect("an id").to_owned())
    } else {
        Err(reply.status.as_u16())
    }
}

#[test]
fn every_issuer_has_organizations_of_its_own() {
    run(async {
        let (key_a, key_b) = (SigningKey::new("a"), SigningKey::new("b"));
        let (a, b) = (Provider::with(&[&key_a]).await, Provider::with(&[&key_b]).await);
        let trusted =
            vec![a.trusted(a.keys_at(), JwtSettings::default()), b.trusted(b.discovered(), JwtSettings::default())];
        let verifier = JwtVerifier::of(trusted);
        let app = TestApp::with(Setup { jwt: Some(verifier.clone()), ..Setup::default() }).await;
        let _fetching = fetch(&verifier, &app.clock).await;
        let name = format!("acme-{}", app.mint.hex(8));
        let (of_a, of_b) = (register(&app, &a.issuer, &name).await, register(&app, &b.issuer, &name).await);
        let sign =
            |key: &SigningKey, issuer: &str, organization: &str| key.sign(&claims(issuer, organization, "admin"));
        assert_eq!(organization(&app, &sign(&key_a, &a.issuer, &name)).await, Ok(of_a.to_string()));
        assert_eq!(organization(&app, &sign(&key_b, &b.issuer, &name)).await, Ok(of_b.to_string()));
        // One issuer's key does not vouch for another's users.
        assert_eq!(organization(&app, &sign(&key_b, &a.issuer, &name)).await, Err(401));
        assert_eq!(organization(&app, &sign(&key_a, "https://unknown.example", &name)).await, Err(401));
        // Nor does an issuer name organizations that are not its own: by UUID, or by an id for every issuer.
        assert_eq!(organization(&app, &sign(&key_b, &b.issuer, &of_a.to_string())).await, Err(403));
        assert_eq!(organization(&app, &sign(&key_b, &b.issuer, &app.external_id)).await, Err(403));
    });
}

async fn provisioning(provisions: bool) -> (TestApp, JwtVerifier, Provider, SigningKey) {
    let key = SigningKey::new("first");
    let provider = Provider::with(&[&key]).await;
    let settings = JwtSettings { provisions, ..JwtSettings::default() };
    let verifier = JwtVerifier::of(vec![provider.trusted(provider.keys_at(), settings)]);
    let provisioning = Some(Provisioning::new(admin().await.clone()));
    let setup = Setup { jwt: Some(verifier.clone()), provisioning, ..Setup::default() };
    (TestApp::with(setup).await, verifier, provider, key)
}

#[test]
fn an_organization_is_made_once_when_tokens_first_name_it() {
    run(async {
        let (app, verifier, provider, key) = provisioning(true).await;
        let _fetching = fetch(&verifier, &app.clock).await;
        let name = format!("org_{}", app.mint.hex(12));
        let mut named = claims(&provider.issuer, &name, "admin");
        named["org_name"] = json!("Acme & Söhne");
        let token = key.sign(&named);
        let all = futures::future::join_all((0..20).map(|_| organization(&app, &token))).await;
        let first = all[0].clone().expect("an organization");
        assert!(all.iter().all(|one| one.as_ref() == Ok(&first)), "{all:?}");
        let id: OrgId = first.parse().expect("a UUID");
        let details = admin().await.organization_details(id).await.expect("an organization");
        assert_eq!((details.name.as_str(), details.external_id.as_deref()), ("Acme & Söhne", Some(name.as_str())));
        let entries = admin().await.audit_entries(id, start(), None, None, 100).await.expect("entries");
        let made: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.actor_kind.as_str())).collect();
        assert_eq!(made, [("organization.create", "token")]);
        assert_eq!(entries[0].issuer.as_ref(), Some(&provider.issuer));
        // It can be used at once, and has nothing of others.
        assert_eq!(create(&app, &token).await, 404, "agent {AGENT_ID} is another organization's");
        // One that was disabled is not made again.
        let disabled = format!("org_{}", app.mint.hex(12));
        let id = register(&app, &provider.issuer, &disabled).await;
        let disable = |settings: &mut OrganizationSettings| settings.disabled_at = Some(start());
        admin().await.change_organization(id, disable).await.expect("a change");
        assert_eq!(organization(&app, &key.sign(&claims(&provider.issuer, &disabled, "admin"))).await, Err(403));
        let other = format!("org_{}", app.mint.hex(12));
        let member = key.sign(&claims(&provider.issuer, &other, "member"));
        assert!(organization(&app, &member).await.is_ok(), "a member's token makes one, too");
    });
}

#[test]
fn only_a_deployment_that_says_so_makes_organizations() {
    run(async {
        let (app, verifier, provider, key) = provisioning(false).await;
        let _fetching = fetch(&verifier, &app.clock).await;
        let name = format!("org_{}", app.mint.hex(12));
        assert_eq!(organization(&app, &key.sign(&claims(&provider.issuer, &name, "admin"))).await, Err(403));
        let (app, verifier, provider, key) = provisioning(true).await;
        let _fetching = fetch(&verifier, &app.clock).await;
        for name in ["", "  ", "a\0b", "line\nbreak", &"x".repeat(256)] {
            let token = key.sign(&claims(&provider.issuer, name, "admin"));
            assert_eq!(organization(&app, &token).await, Err(403), "{name:?}");
        }
        let nobody = {
            let mut claims = claims(&provider.issuer, "x", "admin");
            claims.as_object_mut().expect("an object").remove("org_id");
            claims
        };
        assert_eq!(organization(&app, &key.sign(&nobody)).await, Err(403));
    });
}

#[test]
fn one_replica_makes_sixty_organizations_a_minute() {
    run(async {
        let (app, verifier, provider, key) = provisioning(true).await;
        let _fetching = fetch(&verifier, &app.clock).await;
        // The limit is that of a real minute, so that a slow machine creates a few more.
        let names: Vec<String> = (0..200).map(|number| format!("org_{}_{number}", app.mint.hex(12))).collect();
        let tokens = names.iter().map(|name| key.sign(&claims(&provider.issuer, name, "admin")));
        let tokens: Vec<String> = tokens.collect();
        let all = futures::future::join_all(tokens.iter().map(|token| organization(&app, token))).await;
        let made = all.iter().filter(|one| one.is_ok()).count();
        assert!(all.iter().all(|one| matches!(one, Ok(_) | Err(503))), "{all:?}");
        assert!((60..200).contains(&made), "{made}");
    });
}
