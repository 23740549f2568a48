//! `POST /dashboard/api/conversation-detail`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{ask, dashboard, refuses_strangers};
use crate::support::run;

#[test]
fn the_detail_is_messages_and_spans() {
    run(async {
        let app = shop().await;
        let query = json!({"conversation_id": "conv_a"});
        let detail = dashboard(&app, "conversation-detail", query.clone()).await;
        assert_eq!(detail["messages"], dashboard(&app, "conversation-messages", query.clone()).await);
        assert_eq!(detail["spans"], dashboard(&app, "conversation-spans", query.clone()).await);
        ask(&app, "conversation-detail", &json!({"conversation_id": "nobody"})).send().await.expect(404);
        ask(&app, "conversation-detail", &json!({})).send().await.expect(400);
        refuses_strangers(&app, "conversation-detail", &query).await;
    });
}
