//! Endpoints that redirect.

use sessionary::outbound::PrivateAddresses;
use sessionary::responders::{ResponderError, RespondersSettings};

use super::{KEY, ask, ask_with, openai, settings, webhook};
use crate::support::fake_responder::{FakeResponder, json as document, redirect};
use crate::support::run;

fn completion() -> Vec<crate::support::fake_responder::Step> {
    document(r#"{"choices":[{"message":{"content":"Hello."}}]}"#)
}

#[test]
fn a_redirect_that_keeps_the_post_is_followed() {
    run(async {
        for status in [307, 308] {
            let fake = FakeResponder::start([redirect(status, "/v2/chat#top"), completion()]).await;
            assert_eq!(ask(&openai(&fake.url)).await, Ok("Hello.".to_owned()));
            let [first, second] = &fake.received()[..] else { panic!("not two requests") };
            assert!(second.head.starts_with("POST /v2/chat HTTP/1.1"), "{}", second.head);
            assert_eq!(first.body, second.body);
            assert_eq!(second.header("authorization"), Some(format!("Bearer {KEY}").as_str()), "the same origin");
        }
    });
}

#[test]
fn a_key_is_given_to_its_own_origin_only() {
    run(async {
        let other = FakeResponder::start([completion()]).await;
        let fake = FakeResponder::start([redirect(307, &format!("{}/chat", other.url))]).await;
        assert_eq!(ask(&openai(&fake.url)).await, Ok("Hello.".to_owned()));
        assert_eq!(other.received()[0].header("authorization"), None);

        // Nor is it sent again when another origin chooses where to; another name is another origin.
        let home = FakeResponder::on_a_port(|port| {
            let away = redirect(307, &format!("http://localhost:{port}/stranger"));
            let back = redirect(307, &format!("http://127.0.0.1:{port}/chosen"));
            vec![away, back, completion()]
        })
        .await;
        assert_eq!(ask(&openai(&home.url)).await, Ok("Hello.".to_owned()));
        let keys: Vec<bool> = home.received().iter().map(|request| request.header("authorization").is_some()).collect();
        assert_eq!(keys, [true, false, false]);
    });
}

#[test]
fn every_hop_is_looked_at() {
    run(async {
        let here: ipnet::IpNet = "127.0.0.1/32".parse().expect("a network");
        let settings =
            || RespondersSettings { private_addresses: PrivateAddresses::Within([here].into()), ..settings() };
        for location in [
            "http://127.0.0.2/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://10.0.0.1/",
            "//192.168.0.1/",
            "http://2130706434/",
        ] {
            let fake = FakeResponder::start([redirect(307, location)]).await;
            assert_eq!(
                ask_with(settings(), &webhook(&fake.url)).await,
                Err(ResponderError::ForbiddenAddress),
                "{location}"
            );
            let fake = FakeResponder::start([redirect(308, "/again"), redirect(307, location)]).await;
            assert_eq!(
                ask_with(settings(), &openai(&fake.url)).await,
                Err(ResponderError::ForbiddenAddress),
                "{location}"
            );
            assert_eq!(fake.received().len(), 2, "it is not tried again");
        }
    });
}

#[test]
fn other_redirects_are_not_followed() {
    run(async {
        for script in [
            redirect(301, "/elsewhere"),
            redirect(302, "/elsewhere"),
            redirect(303, "/elsewhere"),
            redirect(300, "/elsewhere"),
            redirect(307, "ftp://127.0.0.1/"),
            redirect(307, "file:///etc/passwd"),
            redirect(307, "http://user:password@127.0.0.1/"),
            redirect(307, "http://"),
            crate::support::fake_responder::answer(307, "text/plain", ""),
        ] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask(&webhook(&fake.url)).await, Err(ResponderError::Redirected));
            assert_eq!(fake.received().len(), 1);
        }
        let circle = FakeResponder::start([redirect(307, "/hook")]).await;
        assert_eq!(ask(&webhook(&circle.url)).await, Err(ResponderError::Redirected));
        assert_eq!(circle.received().len(), 4);
    });
}
