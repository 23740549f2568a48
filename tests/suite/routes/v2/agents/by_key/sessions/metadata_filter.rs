//! `GET /v2/agents/{agent_key}/sessions?metadata_filter=…`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sessionary::domain::metadata_filter::{Comparison, Filter, Literal, Path};

use crate::support::agent_key::{SESSIONS, keys, session};
use crate::support::{Reply, TestApp, run};

async fn list(app: &TestApp, filter: &str) -> Reply {
    let query: String = url_encoded(filter);
    app.get(&format!("{SESSIONS}?limit=100&metadata_filter={query}")).send().await
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn found(app: &TestApp, filter: &str) -> BTreeSet<String> {
    keys(&list(app, filter).await.expect(200), "sessions").into_iter().collect()
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

#[test]
fn the_examples_of_the_vendor() {
    run(async {
        let app = TestApp::new().await;
        let us = json!({ "user_role": "premium", "tier": 2, "region": "us", "user": "a@example.com", "user_ids": [1, 2], "profile": { "country": "US" } });
        session(&app, "us", &json!({ "metadata": us })).await;
        session(&app, "eu", &json!({ "metadata": { "user_role": "free", "tier": "a", "region": "eu" } })).await;
        session(&app, "none", &json!({})).await;
        for (filter, expected) in [
            ("user_role = 'premium'", &["us"][..]),
            ("user_role <> 'premium'", &["eu"]),
            ("tier >= 2 AND region = 'us'", &["us"]),
            ("user LIKE '%@example.com'", &["us"]),
            ("user LIKE 'a_example%'", &["us"]),
            ("tier IN ('a','b')", &["eu"]),
            ("tier NOT IN ('a','b')", &["us"]),
            ("tier IS NULL", &["none"]),
            ("tier is not null", &["us", "eu"]),
            (r#""profile.country" = 'US'"#, &["us"]),
            ("profile.country = 'US'", &["us"]),
            ("1 IN user_ids", &["us"]),
            ("NOT (region = 'us' OR region = 'eu') OR region IS NULL", &["none"]),
            ("  ", &["us", "eu", "none"]),
        ] {
            assert_eq!(found(&app, filter).await, set(expected), "{filter}");
        }
    });
}

#[test]
fn what_looks_like_sql_is_a_text_or_refused() {
    run(async {
        let app = TestApp::new().await;
        let hostile = "'; DROP TABLE sessions; --";
        let odd = r#"a"b\c$1"#;
        session(&app, "odd", &json!({ "metadata": { odd: hostile, "100%": "50%_\\" } })).await;
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let member = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        assert_eq!(found(&app, &format!("{} = {}", member(odd), text(hostile))).await, set(&["odd"]));
        assert_eq!(found(&app, &format!("{} LIKE '50\\%\\_\\\\'", member("100%"))).await, set(&["odd"]));
        assert_eq!(found(&app, &format!("{} LIKE {}", member(odd), text("%DROP%"))).await, set(&["odd"]));
        assert_eq!(found(&app, &format!("a = {}", text(hostile))).await, set(&[]));
        let deep = format!("{}a=1{}", "(".repeat(5_000), ")".repeat(2_000));
        let long = format!("a = '{}'", "x".repeat(8_000));
        for bad in [
            "a = 1; DROP TABLE sessions",
            "a = 1 UNION SELECT 1",
            "1 = 1",
            "a = b",
            "a = $1",
            "a = 'x",
            "\"a = 1",
            "a = 'x' -- ",
            "a = /* x */ 1",
            "pg_sleep(10)",
            "a = pg_sleep(10)",
            "a = '\u{0}'",
            "NOT",
            "a LIKE 1",
            "a LIKE '\\'",
            &deep,
            &long,
        ] {
            let reply = list(&app, bad).await.expect(400);
            let body = reply.json();
            assert_eq!(body["code"], "invalid_request", "{bad}");
            assert!(body["field_errors"]["metadata_filter"].is_string(), "{bad}");
        }
        assert_eq!(app.sessions().await, 1);
    });
}

/// Returns the result of a filter for metadata, without a database: `None` is unknown.
fn says(filter: &Filter, metadata: &Value) -> Option<bool> {
    match filter {
        Filter::All(parts) => decided(parts, metadata, false),
        Filter::Any(parts) => decided(parts, metadata, true),
        Filter::Not(inner) => says(inner, metadata).map(|truth| !truth),
        Filter::IsNull(path) => Some(value(path, metadata).is_none()),
        Filter::Compares(path, comparison, literal) => compares(value(path, metadata)?, *comparison, literal),
        Filter::In(path, literals) => {
            let value = value(path, metadata)?;
            Some(literals.iter().any(|literal| equals(value, literal)))
        }
        Filter::Contains(path, literal) => {
            let value = value(path, metadata)?;
            Some(value.as_array().is_some_and(|entries| entries.iter().any(|entry| equals(entry, literal))))
        }
        Filter::Like(path, pattern) => {
            let value = value(path, metadata)?;
            Some(
                value
                    .as_str()
                    .is_some_and(|text| like(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())),
            )
        }
    }
}

/// Returns the result of several parts, which one part with the result `by` decides.
fn decided(parts: &[Filter], metadata: &Value, by: bool) -> Option<bool> {
    let said: Vec<Option<bool>> = parts.iter().map(|part| says(part, metadata)).collect();
    if said.contains(&Some(by)) {
        Some(by)
    } else if said.contains(&None) {
        None
    } else {
        Some(!by)
    }
}

fn value<'v>(path: &Path, metadata: &'v Value) -> Option<&'v Value> {
    let at = |members: &[String]| members.iter().try_fold(metadata, |value, member| value.as_object()?.get(member));
    at(&path.members).or_else(|| at(path.otherwise.as_ref()?)).filter(|value| !value.is_null())
}

fn equals(value: &Value, literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) => value.as_str() == Some(text),
        Literal::Bool(truth) => value.as_bool() == Some(*truth),
        Literal::Number(number) => value.as_f64().is_some_and(|value| Some(value) == number.parse().ok()),
    }
}

fn compares(value: &Value, comparison: Comparison, literal: &Literal) -> Option<bool> {
    let order = match (literal, comparison) {
        (_, Comparison::Equal) => return Some(equals(value, literal)),
        (_, Comparison::Unequal) => return Some(!equals(value, literal)),
        (Literal::Text(text), _) => value.as_str()?.cmp(text.as_str()),
        (Literal::Number(number), _) => value.as_f64()?.partial_cmp(&number.parse().ok()?)?,
        (Literal::Bool(_), _) => return None,
    };
    Some(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => text.first() == Some(literal) && like(&text[1..], rest),
    }
}

const TEXTS: [&str; 7] = ["", "a", "B", "ab%", "é", "😀", "a_b"];
const NUMBERS: [&str; 7] = ["0", "1", "-1", "1.5", "2", "1e2", "100"];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(NUMBERS.as_slice()).prop_map(|number| serde_json::from_str(number).expect("a number")),
        prop::sample::select(TEXTS.as_slice()).prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from), any_object(inner)]
    })
}

fn any_object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(["a", "b", "c", "a.b", "0"].as_slice());
    prop::collection::vec((name, inner), 0..4)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn any_filter() -> impl Strategy<Value = String> {
    let path = prop::sample::select(
        ["a", "b", "c", "a.b", "b.c", "\"a.b\"", "\"a.b\".c", "\"0\"", "a.\"0\"", "nowhere"].as_slice(),
    );
    let text = prop::sample::select(TEXTS.as_slice()).prop_map(|text| format!("'{text}'"));
    let number = prop::sample::select(NUMBERS.as_slice()).prop_map(str::to_owned);
    let ordered = prop_oneof![text.clone(), number];
    let literal = prop_oneof![3 => ordered.clone(), 1 => prop::sample::select(["TRUE", "false"].as_slice()).prop_map(str::to_owned)];
    let pattern = prop::sample::select(["'%'", "'a%'", "'_'", "'%b\\%'", "''", "'a\\_b'", "'%_%'"].as_slice());
    let not = prop::sample::select(["", " NOT"].as_slice());
    let condition = prop_oneof![
        (path.clone(), prop::sample::select(["=", "<>", "!="].as_slice()), literal.clone())
            .prop_map(|(path, sign, literal)| format!("{path} {sign} {literal}")),
        (path.clone(), prop::sample::select(["<", "<=", ">", ">="].as_slice()), ordered)
            .prop_map(|(path, sign, literal)| format!("{path}{sign}{literal}")),
        (path.clone(), not.clone(), prop::collection::vec(literal.clone(), 1..4))
            .prop_map(|(path, not, literals)| format!("{path}{not} IN ({})", literals.join(", "))),
        (path.clone(), not.clone(), pattern).prop_map(|(path, not, pattern)| format!("{path}{not} LIKE {pattern}")),
        (path.clone(), not.clone()).prop_map(|(path, not)| format!("{path} IS{not} NULL")),
        (literal, not, path).prop_map(|(literal, not, path)| format!("{literal}{not} IN {path}")),
    ];
    condition.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

#[test]
fn the_database_and_a_plain_evaluation_agree() {
    run(async {
        let app = TestApp::new().await;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut stored = Vec::new();
        for place in 0..60 {
            let metadata = any_object(any_value()).new_tree(&mut runner).expect("a value").current();
            let key = format!("s{place}");
            session(&app, &key, &json!({ "metadata": metadata })).await;
            stored.push((key, metadata));
        }
        let mut decided = 0;
        for _ in 0..250 {
            let text = any_filter().new_tree(&mut runner).expect("a filter").current();
            let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let through = stored.iter().filter(|(_, metadata)| says(&filter, metadata) == Some(true));
            let expected: BTreeSet<String> = through.map(|(key, _)| key.clone()).collect();
            decided += usize::from(!expected.is_empty() && expected.len() < stored.len());
            assert_eq!(found(&app, &text).await, expected, "{text}");
        }
        assert!(decided > 100, "only {decided} filters told sessions apart");
    });
}

#[test]
fn paths_conditions_and_depth_are_bounded() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "one", &json!({})).await;
        let path = |members: usize| format!("{} IS NULL", vec!["a"; members].join("."));
        let dotted = |members: usize| format!("\"{}\" IS NULL", vec!["a"; members].join("."));
        let entries = |entries: usize| format!("NOT a IN ({}) OR a IS NULL", vec!["1"; entries].join(","));
        let nested = |levels: usize| format!("{}a IS NULL{}", "(".repeat(levels), ")".repeat(levels));
        for (good, bad) in [
            (path(32), path(33)),
            (path(32), path(3_990)),
            (dotted(32), dotted(33)),
            (entries(198), entries(199)),
            (nested(32), nested(33)),
            (vec![path(20); 10].join(" AND "), vec![path(20); 11].join(" AND ")),
        ] {
            assert_eq!(found(&app, &good).await, set(&["one"]), "{good}");
            let reply = list(&app, &bad).await.expect(400);
            assert!(reply.json()["field_errors"]["metadata_filter"].is_string(), "{bad}");
        }
    });
}
