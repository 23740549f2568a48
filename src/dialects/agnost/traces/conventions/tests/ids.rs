//! The order of ids.

use super::*;
use crate::domain::trace::Role;

/// Tests the order from ids that the application sets to ids that a framework generates.
#[test]
fn explicit_ids_win_over_incidental_ones() {
    let ordered = [
        "agnost.session_id",
        "langfuse.session.id",
        "ai.telemetry.metadata.conversationId",
        "mcp.session.id",
        "gen_ai.conversation.id",
    ];
    for (at, first) in ordered.iter().enumerate() {
        let mut object = json!({});
        ordered[at..].iter().rev().for_each(|name| object[*name] = (*name).into());
        assert_eq!(placement(&read("x", "x", object.clone(), vec![])).session.as_deref(), Some(*first));
        object[*first] = "[Scrubbed due to 'session']".into();
        let next = ordered.get(at + 1).copied();
        assert_eq!(placement(&read("x", "x", object, vec![])).session.as_deref(), next, "{first} is a placeholder");
    }
    let object = json!({"db.session.id": "x", "browser.session.id": "y", "langsmith.trace.session_id": "z"});
    assert_eq!(placement(&read("x", "x", object, vec![])).session, None);
}

#[test]
fn texts_numbers_and_lists_of_one_are_ids() {
    for (value, session) in [
        (json!(42), Some("42")),
        (json!(["s"]), Some("s")),
        (json!(["a", "b"]), None),
        (json!(true), None),
        (json!({"id": "s"}), None),
        (json!("x".repeat(2_049)), None),
    ] {
        let span = read("x", "x", json!({"session.id": value}), vec![]);
        assert_eq!(placement(&span).session.as_deref(), session, "{value}");
    }
}

#[test]
fn no_row_is_empty() {
    for row in &CONVENTIONS {
        let is_empty = row.sessions.is_empty() && row.input.is_empty() && row.output.is_empty();
        assert!(!is_empty && !row.framework.is_empty() && !row.versions.is_empty(), "{row:?}");
    }
    assert_eq!(read("x", "x", json!({"agnost.kind": "TURN"}), vec![]).facts.role, Role::Turn);
}

#[test]
fn own_spans() {
    for (session, user) in [
        ("session_id", "user_id"),
        ("sessionId", "userId"),
        ("thread.id", "user.id"),
        ("shop.session_id", "shop.userId"),
    ] {
        let object = json!({session: "s", user: "u", "input": Q, "output": A});
        is_turn(&read("app", "chat", object, vec![]), Some("s"), Some("u"), "chat");
    }
    is_turn(&read("app", "chat", json!({"shop.input": Q, "shop.output": A}), vec![]), None, None, "chat");
}
