//! `GET /v1/chat/events/stream` after the database was restored into a Postgres that has counted fewer transactions.

use std::time::Duration;

use futures::StreamExt;
use sessionary::dialects::agntix::{Pace, Settings};

use crate::support::agntix::create;
use crate::support::{Setup, TestApp, run};

#[test]
fn a_cursor_of_the_future_is_one_of_now() {
    run(async {
        let pace = Pace { poll: Duration::from_millis(10), ..Pace::default() };
        let app = TestApp::with(Setup { agntix: Settings { pace, ..Settings::default() }, ..Setup::default() }).await;
        let ask = app.get("/v1/chat/events/stream").header("accept", "text/event-stream");
        let response = ask.header("last-event-id", "9000000000000-1").open().await;
        let mut frames = response.into_body().into_data_stream();
        let session = create(&app, "").await;
        let told = async {
            let mut text = String::new();
            while !text.contains(&session) {
                let bytes = frames.next().await.expect("a frame").expect("bytes");
                text += std::str::from_utf8(&bytes).expect("whole characters");
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("the session is told of");
    });
}
