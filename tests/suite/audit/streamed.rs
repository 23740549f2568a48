//! Entries that are sent to the address that the deployment names.

use secrecy::SecretString;
use serde_json::Value;
use sessionary::domain::{Clock, OrgId};
use sessionary::outbound::SignedEndpoint;
use sessionary::store::admin::AdminStore;
use sessionary::workers::audit_stream::AuditStream;

use super::entries;
use crate::support::fake_responder::{FakeResponder, Received, answer};
use crate::support::{TestApp, admin, agent_key, run};

/// One worker at a time, because each of them sends the entries of all tests' organizations.
static ONE_WORKER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Returns a worker that posts to `url`.
async fn stream(url: &str, clock: &Clock) -> AuditStream {
    let endpoint = SignedEndpoint { url: url.parse().expect("a URL"), secret: Some(SecretString::from(SECRET)) };
    AuditStream::new(admin().await.clone(), clock.clone(), endpoint).expect("a client")
}

/// Returns the entries of an organization in requests, in the order of their arrival.
fn entries_in(requests: &[Received], org: OrgId) -> Vec<Value> {
    let bodies = requests.iter().map(Received::json);
    let own = bodies.filter(|body| body["organization_id"] == org.to_string());
    own.flat_map(|body| body["entries"].as_array().expect("entries").clone()).collect()
}

#[test]
fn every_entry_is_sent_once_in_its_order() {
    run(async {
        let _one = ONE_WORKER.lock().await;
        let app = TestApp::new().await;
        let endpoint = FakeResponder::start([answer(204, "text/plain", "")]).await;
        let stream = stream(&endpoint.url, &app.clock).await;
        for n in 0..3 {
            app.post(agent_key::AGENTS, format!(r#"{{"key":"k{n}","name":"K"}}"#)).send().await.expect(201);
        }
        stream.send_waiting().await.expect("sent");
        app.post(agent_key::AGENTS, r#"{"key":"later","name":"K"}"#).send().await.expect(201);
        stream.send_waiting().await.expect("sent");
        let stored = entries(app.org).await;
        let requests = endpoint.received();
        let sent = entries_in(&requests, app.org);
        let facts = |entry: &Value| (entry["number"].as_i64(), entry["hash"].as_str().map(str::to_owned));
        let expected: Vec<_> = stored.iter().map(|entry| (Some(entry.number), Some(entry.hash.clone()))).collect();
        assert_eq!(sent.iter().map(facts).collect::<Vec<_>>(), expected);
        let last = sent.last().expect("an entry");
        assert_eq!((&last["action"], &last["after"]["key"]), (&"agent.create".into(), &"later".into()));
        let signed = requests.iter().all(|request| request.header("webhook-signature").is_some());
        assert!(signed, "every request is signed");
    });
}

#[test]
fn what_is_not_accepted_is_sent_again() {
    run(async {
        let _one = ONE_WORKER.lock().await;
        let app = TestApp::new().await;
        app.post(agent_key::AGENTS, r#"{"key":"k","name":"K"}"#).send().await.expect(201);
        let failing = FakeResponder::start([answer(500, "text/plain", "")]).await;
        let rejected = stream(&failing.url, &app.clock).await;
        // A batch that is not accepted ends a round, and other tests' organizations may come first.
        let mut attempts = Vec::new();
        while entries_in(&attempts, app.org).is_empty() {
            assert_eq!(rejected.send_waiting().await.expect("a round"), 0);
            let received = failing.received();
            assert_eq!(received.len(), 1, "every round has a batch until this organization's turn");
            attempts.extend(received);
        }
        let accepting = FakeResponder::start([answer(204, "text/plain", "")]).await;
        let accepted = stream(&accepting.url, &app.clock).await;
        app.clock.advance(chrono::TimeDelta::seconds(31));
        accepted.send_waiting().await.expect("sent");
        let numbers = |requests: &[Received]| -> Vec<i64> {
            entries_in(requests, app.org).iter().filter_map(|entry| entry["number"].as_i64()).collect()
        };
        let stored: Vec<i64> = entries(app.org).await.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers(&attempts), stored);
        assert_eq!(numbers(&accepting.received()), stored);
    });
}

#[test]
fn a_batch_is_sent_by_one_replica_at_a_time() {
    run(async {
        let _one = ONE_WORKER.lock().await;
        let app = TestApp::new().await;
        app.post(agent_key::AGENTS, r#"{"key":"k","name":"K"}"#).send().await.expect(201);
        let store: &AdminStore = &admin().await.shard_of(app.org);
        let before = OrgId(uuid::Uuid::from_u128(app.org.0.as_u128() - 1));
        let lease = |now| store.lease_audit_entries(now, chrono::TimeDelta::seconds(30), before);
        let now = app.clock.now();
        let first = lease(now).await.expect("a lease").expect("entries");
        assert_eq!(first.org, app.org);
        let second = lease(now).await.expect("a lease");
        assert!(second.is_none_or(|other| other.org != app.org), "another replica gets no lease");
        let later = lease(now + chrono::TimeDelta::seconds(30)).await.expect("a lease").expect("entries");
        assert_eq!((later.org, later.entries.len()), (app.org, first.entries.len()));
    });
}
