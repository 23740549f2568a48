//! The one-time links that a start makes.

use chrono::TimeDelta;
use sessionary::domain::LoginSecret;

use crate::support::{TestApp, admin, run, start};

#[test]
fn only_the_first_start_makes_a_link_of_an_organization() {
    run(async {
        let app = TestApp::new().await;
        let ends = start() + TimeDelta::seconds(60);
        let link = || LoginSecret::generate(app.org, &app.mint).hash();
        assert!(admin().await.first_console_link(app.org, link(), ends).await.expect("a link"));
        assert!(!admin().await.first_console_link(app.org, link(), ends).await.expect("a link"));
        admin().await.replace_console_link(app.org, link(), ends).await.expect("a link");
        assert!(!admin().await.first_console_link(app.org, link(), ends).await.expect("a link"));
        // The suite's database has many organizations.
        assert_eq!(admin().await.only_organization().await.expect("organizations").filter(|org| *org == app.org), None);
    });
}
