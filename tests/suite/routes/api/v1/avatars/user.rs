//! `GET /api/v1/avatars/user/{user_id}`, which the vendor calls deprecated.

use crate::support::integer_id::{AVATARS, NOBODYS_IDS, PNG, upload};
use crate::support::{TestApp, run};

#[test]
fn whichever_user_is_named_the_avatars_are_the_organizations() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        upload(&other, &[("file", Some("a.png"), PNG), ("name", None, b"theirs")]).await.expect(201);
        upload(&app, &[("file", Some("a.png"), PNG), ("name", None, b"ours")]).await.expect(201);
        let all = app.get(AVATARS).send().await.expect(200).json();
        for user in ["1", "77", "9007199254740992"] {
            let listed = app.get(&format!("{AVATARS}/user/{user}")).send().await.expect(200);
            assert_eq!(listed.header("deprecation"), Some("true"), "{user}");
            assert_eq!(listed.json(), all, "{user}");
        }
        assert_eq!(app.get(AVATARS).send().await.header("deprecation"), None);
        app.get(&format!("{AVATARS}/user/1?cursor=x")).send().await.expect(400);
        app.get(&format!("{AVATARS}/user/1")).anonymous().send().await.expect(401);
    });
}

#[test]
fn what_is_no_users_number_is_not_found() {
    run(async {
        let app = TestApp::new().await;
        for id in NOBODYS_IDS.into_iter().filter(|id| *id != "9007199254740992") {
            let refused = app.get(&format!("{AVATARS}/user/{id}")).send().await.expect(404);
            assert_eq!(refused.text(), r#"{"success":false,"error":"User not found"}"#, "{id}");
        }
    });
}
