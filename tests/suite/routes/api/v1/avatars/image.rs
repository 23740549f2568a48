//! `GET /api/v1/avatars/images/{image}`.

use std::num::NonZeroU32;

use http::Method;
use http_body_util::BodyExt;
use serde_json::Value;
use sessionary::dialects::integer_id::Transfers;
use sessionary::store::{Store, StoreSettings};

use crate::support::integer_id::{AVATARS, HOST, PNG, image_path, session, start_session, upload};
use crate::support::{AGENT_NUMBER, Setup, TestApp, admin, database, run};

const NO_IMAGE: &str = r#"{"success":false,"error":"Image not found"}"#;

async fn uploaded(app: &TestApp, bytes: &[u8]) -> Value {
    upload(app, &[("file", Some("face"), bytes), ("name", None, b"Face")]).await.expect(201).json()
}

#[test]
fn whatever_stands_behind_an_images_first_bytes_a_browser_takes_it_for_that_image() {
    run(async {
        let app = TestApp::new().await;
        let script = b"<html><script>alert(1)</script></html>";
        for (first, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        ] {
            let bytes = [first, script].concat();
            let (path, length) = (image_path(&uploaded(&app, &bytes).await), bytes.len().to_string());
            let image =
                app.get(&path).anonymous().header("origin", "https://anywhere.example").send().await.expect(200);
            assert_eq!(image.bytes, bytes);
            for (header, value) in [
                ("content-type", kind),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'; sandbox"),
                ("cache-control", "public, max-age=3600"),
                ("content-length", length.as_str()),
                ("cross-origin-resource-policy", "cross-origin"),
                ("access-control-allow-origin", "https://anywhere.example"),
            ] {
                assert_eq!(image.header(header), Some(value), "{kind}");
            }
            let head = app.ask(Method::HEAD, &path).anonymous().send().await.expect(200);
            assert_eq!((head.header("content-type"), head.bytes.len()), (Some(kind), 0));
        }
    });
}

#[test]
fn an_address_is_good_for_one_image_of_one_organization() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (ours, theirs) = (image_path(&uploaded(&app, PNG).await), image_path(&uploaded(&other, PNG).await));
        other.get(&ours).anonymous().send().await.expect(200);
        // The first half of the last segment is the organization, the second the image.
        let (ours, theirs) = (ours.rsplit_once('/').expect("a path").1, theirs.rsplit_once('/').expect("a path").1);
        let flip = |text: &str, place: usize| {
            let digit = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
            format!("{}{digit}{}", &text[..place], &text[place + 1..])
        };
        let long = "0".repeat(5_000);
        for wrong in [
            format!("{}{}", &ours[..26], &theirs[26..]),
            format!("{}{}", &theirs[..26], &ours[26..]),
            flip(ours, 25),
            flip(ours, 26),
            flip(ours, 51),
            ours.to_uppercase(),
            ours[..51].to_owned(),
            format!("{ours}0"),
            format!("8{}", &ours[1..]),
            "0".repeat(52),
            "z".repeat(52),
            "%F0%9F%98%80".repeat(13),
            "%00".to_owned(),
            "1".to_owned(),
            long,
        ] {
            let refused = app.get(&format!("{AVATARS}/images/{wrong}")).anonymous().send().await.expect(404);
            assert_eq!(refused.text(), NO_IMAGE, "{wrong}");
        }
    });
}

#[test]
fn an_image_stays_while_its_avatar_does_and_sessions_tell_of_it_longer() {
    run(async {
        let app = TestApp::new().await;
        let avatar = uploaded(&app, PNG).await;
        let (id, path) = (avatar["id"].as_i64().expect("an integer"), image_path(&avatar));
        let wear = format!(r#"{{"avatar_id":{id}}}"#);
        app.ask(Method::PUT, &format!("/api/v1/agents/{AGENT_NUMBER}")).json(wear).send().await.expect(200);
        let started = start_session(&app, "").await;
        let url = format!("http://{HOST}{path}");
        assert_eq!(session(&app, started).await["avatar_url"], url);

        let other = r#"{"url":"https://a.example/other.png"}"#;
        app.ask(Method::PUT, &format!("{AVATARS}/{id}")).json(other).send().await.expect(200);
        app.get(&path).anonymous().send().await.expect(200);

        app.ask(Method::DELETE, &format!("{AVATARS}/{id}")).send().await.expect(200);
        assert_eq!(app.get(&path).anonymous().send().await.expect(404).text(), NO_IMAGE);
        assert_eq!(app.images().await, 0);
        assert_eq!(session(&app, started).await["avatar_url"], url);
    });
}

#[test]
fn a_cache_that_has_the_image_is_not_sent_it_again_while_it_is_there() {
    run(async {
        let app = TestApp::new().await;
        let avatar = uploaded(&app, PNG).await;
        let path = image_path(&avatar);
        let tag = app.get(&path).anonymous().send().await.expect(200).header("etag").expect("a tag").to_owned();
        let ask = |tags: &str| app.get(&path).anonymous().header("if-none-match", tags).send();
        for same in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let unchanged = ask(&same).await.expect(304);
            assert!(unchanged.bytes.is_empty());
            assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
            assert_eq!(unchanged.header("cache-control"), Some("public, max-age=3600"));
        }
        for other in ["\"other\"", tag.trim_matches('"'), ""] {
            assert_eq!(ask(other).await.expect(200).bytes, PNG);
        }
        app.ask(Method::DELETE, &format!("{AVATARS}/{}", avatar["id"])).send().await.expect(200);
        assert_eq!(ask(&tag).await.expect(404).text(), NO_IMAGE);
    });
}

#[test]
fn only_so_many_images_are_sent_at_once() {
    run(async {
        let app = TestApp::with(Setup { transfers: Transfers::new(1, 1), ..Setup::default() }).await;
        let bytes = [PNG, &[7; 200_000]].concat();
        let path = image_path(&uploaded(&app, &bytes).await);
        let sending = app.get(&path).anonymous().open().await;
        let refused = app.get(&path).anonymous().from("192.0.2.1").send().await.expect(503);
        assert!(refused.header("retry-after").is_some());
        let sent = sending.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(sent, bytes);

        let given_up = app.get(&path).anonymous().open().await;
        assert_eq!(given_up.status(), 200);
        drop(given_up);
        assert_eq!(app.get(&path).anonymous().send().await.expect(200).bytes, bytes);
    });
}

#[test]
fn one_reader_takes_only_its_share_of_the_images_that_are_sent() {
    run(async {
        let app = TestApp::with(Setup { transfers: Transfers::new(1, 16), ..Setup::default() }).await;
        let path = image_path(&uploaded(&app, &[PNG, &[7; 200_000]].concat()).await);
        for (loud, again, quiet) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
        ] {
            let open = |address| app.get(&path).anonymous().from(address).open();
            let mut sending = Vec::new();
            for address in [loud, again, loud, again] {
                let response = open(address).await;
                if response.status() == 200 {
                    sending.push(response);
                } else {
                    assert_eq!(response.status(), 429);
                    assert!(response.headers().contains_key("retry-after"));
                }
            }
            assert_eq!(sending.len(), 2, "an eighth of all");
            assert_eq!(open(quiet).await.status(), 200);
            sending.pop();
            assert_eq!(open(again).await.status(), 200, "a permit that was given back");
        }
    });
}

#[test]
fn an_image_that_is_deleted_while_it_is_sent_ends_early() {
    run(async {
        let app = TestApp::new().await;
        let bytes = [PNG, &[7; 200_000]].concat();
        let avatar = uploaded(&app, &bytes).await;
        let sending = app.get(&image_path(&avatar)).anonymous().open().await;
        app.ask(Method::DELETE, &format!("{AVATARS}/{}", avatar["id"])).send().await.expect(200);
        assert_eq!(sending.headers()["content-length"], bytes.len().to_string());
        assert_eq!(sending.into_body().collect().await.expect("a body").to_bytes(), bytes[..65_536]);
    });
}

#[test]
fn whoever_makes_addresses_up_is_stopped_and_does_not_learn_which_organizations_there_are() {
    run(async {
        let app = TestApp::with(Setup { per_address: NonZeroU32::new(3), ..Setup::default() }).await;
        let real = image_path(&uploaded(&app, PNG).await);
        let (known, _) = real.split_at(real.len() - 26);
        let no_image = format!("{known}{}", "0".repeat(26));
        let no_org = format!("{AVATARS}/images/{}", "0".repeat(52));
        for (path, status, remaining) in [(&real, 200, "2"), (&no_image, 404, "1"), (&no_org, 404, "0")] {
            let reply = app.get(path).anonymous().send().await.expect(status);
            assert_eq!(reply.header("x-ratelimit-limit"), Some("3"));
            assert_eq!(reply.header("x-ratelimit-remaining"), Some(remaining));
        }
        for path in [&real, &no_image, &no_org] {
            let over = app.get(path).anonymous().send().await.expect(429);
            assert_eq!(over.text(), r#"{"success":false,"error":"Too many requests. Please retry after 1 minute."}"#);
            assert_eq!(over.header("x-ratelimit-limit"), Some("3"));
            assert!(over.header("retry-after").is_some());
        }
    });
}

#[test]
fn a_disabled_organization_shows_no_images() {
    run(async {
        let app = TestApp::new().await;
        let path = image_path(&uploaded(&app, PNG).await);
        admin().await.disable_organization(app.org, app.clock.now()).await.expect("an organization");
        // A service without a cached entry.
        let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
        let app = app.replica(store.clone());
        assert_eq!(app.get(&path).anonymous().send().await.expect(404).text(), NO_IMAGE);
        store.close().await;
    });
}
