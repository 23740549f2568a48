//! `POST /api/v1/avatars/upload`.

use std::convert::Infallible;

use axum::body::Body;
use futures::stream;
use http::Method;
use serde_json::{Value, json};
use sessionary::dialects::integer_id::Transfers;
use sessionary::domain::IMAGE_LIMIT;
use tokio::sync::mpsc;

use crate::support::integer_id::{AVATARS, Field, HOST, PNG, form, image_path, members, upload, upload_of};
use crate::support::{Reply, Setup, TestApp, run};

const FILE: Field<'_> = ("file", Some("face.png"), PNG);
const NAME: Field<'_> = ("name", None, b"Face");

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, said: &str) {
    assert_eq!((reply.status.as_u16(), reply.json()), (status, json!({"error": said})));
}

/// A PNG of so many bytes.
fn png_of(bytes: usize) -> Vec<u8> {
    let mut png = PNG.to_vec();
    png.resize(bytes, 0);
    png
}

#[test]
fn an_avatar_is_made_of_a_file() {
    run(async {
        let app = TestApp::new().await;
        let name = "Büro 客 😀";
        let fields = [
            ("file", Some("gesicht \u{1f600}.png"), PNG),
            ("name", None, name.as_bytes()),
            ("voice_id", None, b"v1"),
            ("is_favorite", None, b"true"),
            ("other", None, b"not looked at"),
        ];
        let made = upload(&app, &fields).await.expect(201).json();
        assert_eq!(members(&made), ["id", "name", "url", "voice_id", "cloudinary_id"]);
        assert_eq!((&made["name"], &made["voice_id"]), (&json!(name), &json!("v1")));
        let image = made["cloudinary_id"].as_str().expect("a text");
        assert_eq!(made["url"], format!("http://{HOST}/api/v1/avatars/images/{image}"));
        assert_eq!(app.get(&image_path(&made)).anonymous().send().await.expect(200).bytes, PNG);

        let listed = app.get(AVATARS).send().await.expect(200).json();
        let avatar = listed.as_array().expect("an array").iter().find(|avatar| avatar["id"] == made["id"]);
        let avatar = avatar.expect("the avatar");
        assert_eq!((&avatar["url"], &avatar["is_favorite"]), (&made["url"], &json!(1)));
        assert_eq!((&avatar["is_public"], &avatar["name"]), (&json!(0), &json!(name)));

        // As JavaScript, Python, a ticked box of an HTML form and others write it.
        for (word, is_public) in
            [("True", 1), ("on", 1), ("yes", 1), ("1", 1), ("False", 0), ("off", 0), ("no", 0), ("0", 0)]
        {
            let made = upload(&app, &[NAME, FILE, ("is_public", None, word.as_bytes())]).await.expect(201).json();
            let listed = app.get(AVATARS).send().await.expect(200).json();
            let avatar =
                listed.as_array().and_then(|all| all.iter().find(|avatar| avatar["id"] == made["id"]).cloned());
            assert_eq!(avatar.expect("the avatar")["is_public"], is_public, "{word}");
        }

        let plain = upload(&app, &[NAME, FILE, ("voice_id", None, b"")]).await.expect(201).json();
        assert_eq!(plain["voice_id"], Value::Null);
        assert_ne!((&plain["id"], &plain["url"]), (&made["id"], &made["url"]));
    });
}

#[test]
fn urls_begin_with_what_the_deployment_says_where_it_says_something() {
    run(async {
        let public_url = Some("https://a.example/sessions/".parse().expect("a URL"));
        let app = TestApp::with(Setup { public_url, ..Setup::default() }).await;
        let made = upload_of(&app, "b", form("b", &[FILE, NAME])).without("host").send().await.expect(201).json();
        let url = made["url"].as_str().expect("a URL");
        assert!(url.starts_with("https://a.example/sessions/api/v1/avatars/images/"), "{url}");
    });
}

#[test]
fn a_request_that_does_not_say_where_it_was_sent_is_refused() {
    run(async {
        let app = TestApp::new().await;
        for host in [&b"a b"[..], b"u@a.example", b"a.example/x", b"", b"\xff"] {
            let ask = upload_of(&app, "b", form("b", &[FILE, NAME])).without("host").header("host", host);
            assert_eq!(ask.send().await.expect(400).json()["error"], "Invalid Host header");
        }
        upload_of(&app, "b", form("b", &[FILE, NAME])).without("host").send().await.expect(400);
        assert_eq!(app.images().await, 0);
    });
}

#[test]
fn forms_that_are_not_as_documented_are_refused() {
    run(async {
        let app = TestApp::new().await;
        let long = "ä".repeat(201);
        let text = "Fields other than file must be text in UTF-8";
        let cases: [(&[Field<'_>], u16, &str); 16] = [
            (&[], 400, "No file uploaded"),
            (&[NAME], 400, "No file uploaded"),
            (&[("file", Some(""), b""), NAME], 400, "No file uploaded"),
            (&[("image", Some("a.png"), PNG), NAME], 400, "No file uploaded"),
            (&[FILE], 400, "name required"),
            (&[FILE, ("name", None, b"")], 400, "name required"),
            (&[FILE, FILE, NAME], 400, "Each field may be sent only once"),
            (&[FILE, NAME, NAME], 400, "Each field may be sent only once"),
            (&[FILE, ("name", None, long.as_bytes())], 400, "name must be a string of 1 to 200 characters"),
            (&[FILE, ("name", Some("name.png"), PNG)], 400, text),
            (&[FILE, ("name", None, b"a\0b")], 400, text),
            (&[FILE, NAME, ("voice_id", None, b"\xff")], 400, text),
            (&[FILE, NAME, ("is_public", None, b"maybe")], 400, "is_public must be a boolean"),
            (
                &[("file", Some("a.png"), b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>"), NAME],
                415,
                "The file must be a PNG, JPEG, GIF or WebP image",
            ),
            (
                &[("file", Some("a.png"), b"<!doctype html>"), NAME],
                415,
                "The file must be a PNG, JPEG, GIF or WebP image",
            ),
            (&[("file", Some("a.png"), &PNG[1..]), NAME], 415, "The file must be a PNG, JPEG, GIF or WebP image"),
        ];
        for (fields, status, said) in cases {
            assert_refused(&upload(&app, fields).await, status, said);
        }
        assert_eq!(app.images().await, 0);
        assert_eq!(app.get(AVATARS).send().await.expect(200).json().as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn what_is_no_form_or_none_that_ends_is_refused() {
    run(async {
        let app = TestApp::new().await;
        let whole = form("b", &[FILE, NAME]);
        let ask = |content_type: &str, bytes: &[u8]| {
            upload_of(&app, "b", bytes.to_vec()).without("content-type").header("content-type", content_type)
        };
        for other in ["application/json", "image/png", "multipart/mixed; boundary=b", "multipart/form-datax", ""] {
            assert_refused(&ask(other, &whole).send().await, 400, "No file uploaded");
        }
        for no_boundary in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y"] {
            assert_refused(&ask(no_boundary, &whole).send().await, 400, "The form could not be read");
        }
        for end in [1, 30, whole.len() / 2, whole.len() - 8] {
            assert_refused(
                &ask("multipart/form-data; boundary=b", &whole[..end]).send().await,
                400,
                "The form could not be read",
            );
        }
        let unreadable = ask("multipart/form-data; boundary=other", &whole).send().await;
        assert_eq!(unreadable.status, 400, "{}", unreadable.text());
        let nothing = ask("multipart/form-data; boundary=b", b"").send().await;
        assert_eq!(nothing.status, 400, "{}", nothing.text());
        assert_eq!(app.images().await, 0);
    });
}

#[test]
fn five_mebibytes_are_taken_and_a_byte_more_is_not() {
    run(async {
        let app = TestApp::new().await;
        let largest = png_of(IMAGE_LIMIT);
        let made = upload(&app, &[("file", Some("a.png"), &largest), NAME]).await.expect(201).json();
        assert_eq!(app.get(&image_path(&made)).send().await.expect(200).bytes, largest);
        for bytes in [IMAGE_LIMIT + 1, IMAGE_LIMIT + 1_000_000] {
            let refused = upload(&app, &[("file", Some("a.png"), &png_of(bytes)), NAME]).await;
            assert_refused(&refused, 413, "The file must not exceed 5 MiB");
        }
        assert_eq!(app.images().await, 1);
    });
}

/// How the second of two uploads ends while the first is being read.
async fn meanwhile(slow: &TestApp, other: impl Future<Output = Reply>) -> Reply {
    let (sender, receiver) = mpsc::channel::<Result<Vec<u8>, Infallible>>(1);
    let body = Body::from_stream(stream::unfold(receiver, |mut parts| async { Some((parts.recv().await?, parts)) }));
    let slow = upload_of(slow, "b", Vec::new()).body(body).send();
    let others = async {
        // The second part is read after the first, so the first has been read by then.
        for part in [&b"--b\r\n"[..], b""] {
            sender.send(Ok(part.to_vec())).await.expect("a reader");
        }
        sender.reserve().await.expect("a reader");
        let reply = other.await;
        drop(sender);
        reply
    };
    let (slow, reply) = tokio::join!(slow, others);
    assert_refused(&slow, 400, "The form could not be read");
    reply
}

#[test]
fn only_so_many_uploads_are_read_at_once() {
    run(async {
        let transfers = Transfers::new(1, 1);
        let app = TestApp::with(Setup { transfers: transfers.clone(), ..Setup::default() }).await;
        let other = TestApp::with(Setup { transfers, ..Setup::default() }).await;
        let refused = meanwhile(&app, upload(&other, &[FILE, NAME])).await.expect(503);
        assert!(refused.header("retry-after").is_some());
        upload(&app, &[FILE, NAME]).await.expect(201);
    });
}

#[test]
fn one_organization_takes_only_its_share_of_the_uploads() {
    run(async {
        let transfers = Transfers::new(4, 1);
        let app = TestApp::with(Setup { transfers: transfers.clone(), ..Setup::default() }).await;
        let other = TestApp::with(Setup { transfers, ..Setup::default() }).await;
        let refused = meanwhile(&app, upload(&app, &[FILE, NAME])).await.expect(429);
        assert!(refused.header("retry-after").is_some());
        meanwhile(&app, upload(&other, &[FILE, NAME])).await.expect(201);
        upload(&app, &[FILE, NAME]).await.expect(201);
    });
}

#[test]
fn an_organization_keeps_a_thousand_images() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        app.fill_images(999).await;
        let last = upload(&app, &[FILE, NAME]).await.expect(201).json();
        let full = "Too many uploaded images; delete avatars to make room";
        assert_refused(&upload(&app, &[FILE, NAME]).await, 409, full);
        upload(&other, &[FILE, NAME]).await.expect(201);
        app.ask(Method::DELETE, &format!("{AVATARS}/{}", last["id"])).send().await.expect(200);
        upload(&app, &[FILE, NAME]).await.expect(201);
    });
}

#[test]
fn a_form_that_is_sent_again_under_its_key_makes_one_avatar_whatever_its_boundary() {
    run(async {
        let app = TestApp::new().await;
        let send = |boundary: &'static str, fields: Vec<Field<'static>>| {
            upload_of(&app, boundary, form(boundary, &fields)).header("idempotency-key", "k").send()
        };
        let first = send("b1", vec![FILE, NAME]).await.expect(201);
        let again = send("b2", vec![NAME, FILE]).await.expect(201);
        assert_eq!((again.text(), again.header("idempotency-replayed")), (first.text(), Some("true")));
        assert_eq!(app.images().await, 1);
        send("b1", vec![FILE, ("name", None, b"Other")]).await.expect(422);
        send("b1", vec![FILE, NAME, ("is_public", None, b"1")]).await.expect(422);
    });
}

#[test]
fn uploading_needs_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let lacking = app.key_with("agents:read,sessions:write").await;
        let ask = || upload_of(&app, "b", form("b", &[FILE, NAME])).anonymous();
        ask().header("x-api-key", lacking).send().await.expect(403);
        assert_eq!(ask().send().await.expect(401).text(), r#"{"success":false,"error":"API key required"}"#);
    });
}
