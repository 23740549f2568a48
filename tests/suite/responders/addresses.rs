//! Addresses that are not public are not called.

use sessionary::outbound::PrivateAddresses;
use sessionary::responders::{ResponderError, RespondersSettings};

use super::{ask_with, openai, settings, webhook};
use crate::support::fake_responder::{FakeResponder, json};
use crate::support::run;

fn refusing() -> RespondersSettings {
    RespondersSettings { private_addresses: PrivateAddresses::Refused, ..settings() }
}

#[test]
fn private_addresses_are_refused_by_name_and_by_every_spelling() {
    run(async {
        let fake = FakeResponder::start([json(r#"{"content":"Hello."}"#)]).await;
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ] {
            let url = format!("http://{host}:{}", fake.port);
            for responder in [webhook(&url), openai(&url)] {
                assert_eq!(ask_with(refusing(), &responder).await, Err(ResponderError::ForbiddenAddress), "{host}");
            }
        }
        assert!(fake.received().is_empty());
    });
}

#[test]
fn a_deployment_can_allow_them_all_or_by_network() {
    run(async {
        let fake = FakeResponder::start([json(r#"{"content":"Hello."}"#)]).await;
        let by_name = webhook(&format!("http://localhost:{}", fake.port));
        let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network"));
        for private_addresses in [PrivateAddresses::Allowed, PrivateAddresses::Within(loopback.into())] {
            let settings = || RespondersSettings { private_addresses: private_addresses.clone(), ..settings() };
            assert_eq!(ask_with(settings(), &webhook(&fake.url)).await, Ok("Hello.".to_owned()));
            assert_eq!(ask_with(settings(), &by_name).await, Ok("Hello.".to_owned()));
        }
        let elsewhere = PrivateAddresses::Within(["10.0.0.0/8".parse().expect("a network")].into());
        let settings = RespondersSettings { private_addresses: elsewhere, ..settings() };
        assert_eq!(ask_with(settings, &by_name).await, Err(ResponderError::ForbiddenAddress));
    });
}
