//! Responders with endpoints that work and endpoints that do not.

mod addresses;
mod bad_answers;
mod openai;
mod redirects;
mod time_outs;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use secrecy::SecretString;
use sessionary::domain::{Agent, AgentId, AgentNumber, DialectName, JsonText, OrgId, Responder};
use sessionary::outbound::PrivateAddresses;
use sessionary::responders::{Question, ResponderError, Responders, RespondersSettings, Speaker, Utterance};
use uuid::Uuid;

use crate::support::{AGENT_ID, AGENT_KEY, AGENT_NUMBER, run, start};

const KEY: &str = "sk-test-0123456789";

/// Loopback is allowed here, because the tests' endpoints are there.
fn settings() -> RespondersSettings {
    RespondersSettings {
        private_addresses: PrivateAddresses::Allowed,
        before_retry: Duration::from_millis(1),
        secrets: |name| match name {
            "TEST_KEY" => Some(SecretString::from(KEY)),
            "TEST_SECRET" => Some(SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
            "TEST_SHORT_SECRET" => Some(SecretString::from("whsec_c2hvcnQ=")),
            "TEST_BAD_KEY" => Some(SecretString::from("two\nlines")),
            _ => None,
        },
        ..RespondersSettings::default()
    }
}

fn responders(settings: RespondersSettings) -> Responders {
    Responders::new(settings).expect("responders")
}

fn question(message: &str, history: Vec<Utterance>) -> Question {
    let agent = Agent {
        id: AGENT_ID.parse::<AgentId>().expect("a UUID"),
        key: AGENT_KEY.parse().expect("a key"),
        number: AgentNumber::new(AGENT_NUMBER).expect("a number"),
        name: "Sales Support Agent".to_owned(),
        description: None,
        enabled: true,
        language: "en".to_owned(),
        avatar_number: None,
        avatar: None,
        responder: None,
        settings: JsonText::empty_object(),
        created_at: start(),
        updated_at: start(),
    };
    Question {
        org: OrgId(Uuid::from_u128(7)),
        api: DialectName::Messaging.into(),
        agent: Arc::new(agent),
        session: "ses_1".to_owned(),
        message_id: Uuid::from_u128(9),
        message: message.to_owned(),
        history,
        metadata: None,
        now: start(),
    }
}

fn turn(speaker: Speaker, text: &str) -> Utterance {
    Utterance { speaker, text: text.to_owned() }
}

fn read(responder: &str) -> Responder {
    responder.parse().expect("a responder")
}

fn openai(base_url: &str) -> Responder {
    read(&format!(r#"{{"kind":"openai","base_url":"{base_url}/v1","model":"m","key_env":"TEST_KEY"}}"#))
}

fn webhook(url: &str) -> Responder {
    read(&format!(r#"{{"kind":"webhook","url":"{url}/hook"}}"#))
}

/// Returns the received chunks, and how they ended.
async fn chunks(
    responders: &Responders,
    responder: &Responder,
    question: Question,
) -> (Vec<String>, Result<(), ResponderError>) {
    let mut answer = responders.reply(responder, question).expect("somebody answers");
    let mut chunks = Vec::new();
    while let Some(chunk) = answer.next().await {
        match chunk {
            Ok(text) => chunks.push(text),
            Err(error) => {
                assert!(answer.next().await.is_none(), "something came after {error}");
                return (chunks, Err(error));
            }
        }
    }
    (chunks, Ok(()))
}

/// Returns the whole reply to "Hello?" with these settings.
async fn ask_with(settings: RespondersSettings, responder: &Responder) -> Result<String, ResponderError> {
    let (chunks, end) = chunks(&responders(settings), responder, question("Hello?", Vec::new())).await;
    end.map(|()| chunks.concat())
}

async fn ask(responder: &Responder) -> Result<String, ResponderError> {
    ask_with(settings(), responder).await
}

#[test]
fn nobody_answers_where_nobody_is_named() {
    let answer = responders(settings()).reply(&Responder::None, question("Hello?", Vec::new()));
    assert!(answer.is_none());
}

#[test]
fn the_echo_quotes_the_user() {
    run(async {
        let said = "Grüße,\n\"you\" 👋 <b>\u{301}";
        let (chunks, end) = chunks(&responders(settings()), &Responder::Echo, question(said, Vec::new())).await;
        assert_eq!((chunks.concat(), end), (format!("You said: {said}"), Ok(())));
    });
}

#[test]
fn answers_are_counted_by_kind_and_outcome() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        run(async {
            let ask = |responder| responders(settings()).reply(responder, question("Hello?", Vec::new()));
            let echo = ask(&Responder::Echo).expect("an answer");
            assert_eq!(echo.count().await, 1);
            drop(ask(&Responder::Echo));
            assert!(ask(&Responder::None).is_none());
            let refusing = RespondersSettings::default();
            assert!(ask_with(refusing, &webhook("http://127.0.0.1:1")).await.is_err());
        });
    });
    let shown = shown.render();
    let mut counted: Vec<&str> =
        shown.lines().filter(|line| line.starts_with("sessionary_responder_answers_total")).collect();
    counted.sort_unstable();
    assert_eq!(
        counted,
        [
            r#"sessionary_responder_answers_total{kind="echo",outcome="abandoned"} 1"#,
            r#"sessionary_responder_answers_total{kind="echo",outcome="answered"} 1"#,
            r#"sessionary_responder_answers_total{kind="webhook",outcome="forbidden_address"} 1"#,
        ]
    );
}

#[test]
fn an_agents_own_responder_wins_over_the_default() {
    let mut agent = Arc::unwrap_or_clone(question("", Vec::new()).agent);
    assert_eq!(agent.responder_or(&Responder::Echo), &Responder::Echo);
    agent.responder = Some(Responder::None);
    assert_eq!(agent.responder_or(&Responder::Echo), &Responder::None);
}
