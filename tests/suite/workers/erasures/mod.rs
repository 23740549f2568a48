//! Erasures on request and by retention.
//!
//! The worker sees every organization, with the clock of one test, so only one of these tests may use it at a time. The
//! clocks go back some days, so that it finds nothing that other tests have stored.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

pub mod planted;
mod proof;
mod reads;
mod requests;
mod retention;
mod scopes;
mod users;

use chrono::TimeDelta;
use sessionary::domain::{ErasureId, OrgId};
use sessionary::store::admin::{NewErasure, Receipt, SETTLED_AFTER, Subject};
use sessionary::workers::erasures::carry_out;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{DATABASE, TestApp, admin, connection};

pub static TURN: Mutex<()> = Mutex::const_new(());

/// Returns a service whose clock is some days back, and the right to use the worker.
async fn app() -> (TestApp, MutexGuard<'static, ()>) {
    let turn = TURN.lock().await;
    // The tests of the operations that set retention leave rules, which become due as the clock advances.
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query("DELETE FROM retention_rules").execute(&mut system).await.expect("no rules");
    let app = TestApp::new().await;
    app.clock.advance(TimeDelta::days(-4));
    (app, turn)
}

/// Requests an erasure.
pub async fn request(app: &TestApp, subject: &Subject) -> ErasureId {
    let id = ErasureId(app.mint.uuid());
    let new = NewErasure { id, org: app.org, subject, proof: [7; 32], at: app.clock.now() };
    admin().await.request_erasure(&new).await.expect("a request");
    id
}

/// Carries out an erasure that was requested now, in both passes.
pub async fn finish(app: &TestApp, id: ErasureId) -> Receipt {
    let (admin, now) = (admin().await, app.clock.now());
    carry_out(admin, now).await.expect("the first pass");
    let receipt = admin.receipt(id).await.expect("a receipt");
    assert!(receipt.is_second_pass && receipt.done_at.is_none(), "{receipt:?}");
    carry_out(admin, now + SETTLED_AFTER - TimeDelta::seconds(1)).await.expect("nothing");
    assert_eq!(admin.receipt(id).await.expect("a receipt").done_at, None);
    carry_out(admin, now + SETTLED_AFTER).await.expect("the second pass");
    let receipt = admin.receipt(id).await.expect("a receipt");
    assert!(receipt.done_at.is_some(), "{receipt:?}");
    receipt
}

/// Returns the id before this one, after which the worker takes this organization next.
fn before(org: OrgId) -> OrgId {
    OrgId(uuid::Uuid::from_u128(org.0.as_u128() - 1))
}
