//! Traces of all shapes.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A span without content. It starts `id` milliseconds after 1970.
fn span(id: u128, parent: u128, role: Role) -> SpanFacts {
    SpanFacts {
        id: EventId(Uuid::from_u128(id)),
        parent: (parent != 0).then(|| EventId(Uuid::from_u128(parent))),
        started: Timestamp::from_timestamp_millis(id as i64).unwrap(),
        role,
        asked: None,
        replied: false,
        has_content: false,
        session: None,
        user: None,
        agent: None,
        name: format!("span {id}"),
    }
}

/// A span with a question and a reply.
fn spoken(id: u128, parent: u128, role: Role, question: i64) -> SpanFacts {
    SpanFacts { asked: Some(question), replied: true, has_content: true, ..span(id, parent, role) }
}

fn named(span: SpanFacts, session: &str, rank: Rank) -> SpanFacts {
    SpanFacts { session: Some(Identity { id: session.to_owned(), rank }), ..span }
}

fn turns(spans: &[SpanFacts]) -> Vec<String> {
    let placed = place(spans).into_iter().filter(|placed| placed.kind == SpanKind::Turn);
    placed.map(|placed| placed.name).collect()
}

fn sessions(spans: &[SpanFacts]) -> Vec<Option<String>> {
    place(spans).into_iter().map(|placed| placed.session).collect()
}

#[test]
fn a_turn_is_the_topmost_span_that_speaks() {
    use Role::{Agent, Model, Other, Quiet, Request, Tool};
    for (name, spans, expected) in [
        ("alone", vec![spoken(1, 0, Other, 1)], vec!["span 1"]),
        ("silent alone", vec![span(1, 0, Other)], vec![]),
        ("below a request", vec![span(1, 0, Request), spoken(2, 1, Other, 1), spoken(3, 2, Model, 1)], vec!["span 2"]),
        ("below a span that never comes", vec![spoken(2, 1, Other, 1), spoken(3, 2, Model, 1)], vec!["span 2"]),
        (
            "below a silent span in between",
            vec![spoken(1, 0, Other, 1), span(2, 1, Other), spoken(3, 2, Model, 1)],
            vec!["span 1"],
        ),
        ("a tool", vec![span(1, 0, Other), spoken(2, 1, Tool, 1), spoken(3, 2, Model, 2)], vec![]),
        (
            "a look-up beside a model",
            vec![span(1, 0, Request), spoken(2, 1, Quiet, 1), spoken(3, 1, Model, 1)],
            vec!["span 3"],
        ),
        (
            "model calls of one agent",
            vec![
                span(1, 0, Agent),
                span(2, 1, Agent),
                spoken(3, 2, Model, 1),
                span(4, 2, Tool),
                spoken(5, 2, Model, 1),
            ],
            vec!["span 2"],
        ),
        (
            "calls of one request",
            vec![span(1, 0, Request), spoken(2, 1, Model, 1), spoken(3, 1, Model, 2)],
            vec!["span 3"],
        ),
        (
            "the agent of one request",
            vec![span(1, 0, Request), spoken(2, 1, Agent, 1), spoken(3, 1, Model, 2)],
            vec!["span 2"],
        ),
        (
            "turns of one script",
            vec![span(1, 0, Other), spoken(2, 1, Agent, 1), spoken(3, 1, Agent, 2)],
            vec!["span 2", "span 3"],
        ),
        ("the same question twice", vec![spoken(2, 1, Model, 1), spoken(3, 1, Model, 1)], vec!["span 3"]),
        (
            "a call with a tool's result only",
            vec![span(1, 0, Other), spoken(2, 1, Model, 1), SpanFacts { asked: None, ..spoken(3, 1, Model, 1) }],
            vec!["span 2"],
        ),
        ("declared", vec![spoken(1, 0, Other, 1), spoken(2, 1, Role::Turn, 2)], vec!["span 1", "span 2"]),
        ("declared none", vec![spoken(1, 0, Role::Span, 1), spoken(2, 1, Other, 1)], vec!["span 2"]),
        ("a circle", vec![spoken(1, 2, Other, 1), spoken(2, 1, Other, 1)], vec!["span 1"]),
    ] {
        let turns = turns(&spans);
        assert_eq!(turns.len(), expected.len(), "{name}: {turns:?}");
        if name != "a circle" {
            assert_eq!(turns, expected, "{name}");
        }
    }
}

#[test]
fn a_turn_is_named_by_its_agent() {
    let agent = |name: &str, span: SpanFacts| SpanFacts { agent: Some(name.to_owned()), ..span };
    let model = spoken(3, 2, Role::Model, 1);
    assert_eq!(turns(&[agent("bot", model.clone())]), ["bot"]);
    assert_eq!(
        turns(&[agent("workflow", span(1, 0, Role::Agent)), agent("bot", span(2, 1, Role::Agent)), model.clone()]),
        ["bot"]
    );
    assert_eq!(turns(&[span(1, 0, Role::Agent), span(2, 1, Role::Other), model.clone()]), ["span 1"]);
    assert_eq!(turns(&[span(1, 0, Role::Request), span(2, 1, Role::Other), model]), ["span 3"]);
    assert_eq!(turns(&[agent("other", span(1, 0, Role::Agent)), spoken(2, 1, Role::Agent, 1)]), ["span 2"]);
}

#[test]
fn spans_follow_the_most_explicit_id_nearby() {
    use Rank::{Application, Direct, Run};
    let root = span(1, 0, Role::Request);
    let child = |id| spoken(id, 1, Role::Agent, 1);
    for (name, spans, expected) in [
        ("nothing", vec![root.clone(), child(2)], vec![None, None]),
        ("a child", vec![root.clone(), named(child(2), "s", Application)], vec![Some("s"), Some("s")]),
        (
            "a run below a session",
            vec![named(root.clone(), "s", Application), named(child(2), "run", Run)],
            vec![Some("s"), Some("s")],
        ),
        (
            "a run beside a session",
            vec![root.clone(), named(child(2), "run", Run), named(child(3), "s", Direct)],
            vec![Some("s"); 3],
        ),
        (
            "two sessions in one trace",
            vec![root, named(child(2), "a", Application), named(child(3), "b", Application), span(4, 3, Role::Tool)],
            vec![Some("a"), Some("a"), Some("b"), Some("b")],
        ),
    ] {
        let expected: Vec<Option<String>> = expected.into_iter().map(|id| id.map(str::to_owned)).collect();
        assert_eq!(sessions(&spans), expected, "{name}");
    }
}

#[test]
fn codes_are_read_as_they_are_written() {
    assert!(Rank::ALL.into_iter().all(|rank| Rank::of(rank as i16) == Some(rank)));
    assert!(Role::ALL.into_iter().all(|role| Role::of(role as i16) == Some(role)));
    assert_eq!((Rank::of(9), Role::of(-1)), (None, None));
    assert_eq!(TraceId(Uuid::from_u128(0xab)).session_name(), "000000000000000000000000000000ab");
}

/// The parent, the role, whether it replied, whether it has content, its question, and its session.
type AnySpan = (u128, usize, bool, bool, Option<u8>, Option<(u8, usize)>);

fn any_span() -> impl Strategy<Value = AnySpan> {
    (
        0..9u128,
        0..Role::ALL.len(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..3u8),
        prop::option::of((0..3u8, 0..6usize)),
    )
}

proptest! {
    /// Holds for every order of arrival and all parents.
    #[test]
    fn a_trace_is_the_same_in_any_order(
        spans in prop::collection::vec(any_span(), 1..10),
        order in prop::collection::vec(any::<u64>(), 10),
    ) {
        let spans: Vec<SpanFacts> = spans.into_iter().enumerate().map(|(at, (parent, role, replied, has_content, asked, session))| {
            let session = session.map(|(id, rank)| Identity { id: id.to_string(), rank: Rank::ALL[rank] });
            let asked = asked.map(i64::from);
            SpanFacts { replied, has_content, asked, session, ..span(at as u128 + 1, parent, Role::ALL[role]) }
        }).collect();
        let mut shuffled: Vec<(u64, SpanFacts)> = order.into_iter().zip(spans.iter().cloned()).collect();
        shuffled.sort_by_key(|(place, _)| *place);
        let shuffled: Vec<SpanFacts> = shuffled.into_iter().map(|(_, span)| span).collect();
        let by_id = |spans: &[SpanFacts]| -> HashMap<EventId, Placement> {
            spans.iter().map(|span| span.id).zip(place(spans)).collect()
        };
        prop_assert_eq!(by_id(&spans), by_id(&shuffled));
        // No turn is below another, unless its sender marks it as one.
        let placed = by_id(&spans);
        for span in &spans {
            if placed[&span.id].kind == SpanKind::Turn && span.role != Role::Turn {
                prop_assert!(span.speaks());
            }
        }
    }
}
