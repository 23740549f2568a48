//! The served OpenAPI documents are those that are kept in `openapi/`.

use sessionary::domain::DialectName;

use crate::support::{TestApp, run};

#[test]
fn every_document_is_the_one_kept_in_the_tree() {
    for dialect in DialectName::ALL {
        let path = format!("{}/openapi/{dialect}.json", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let generated = sessionary::cli::openapi_text(dialect).expect("a document");
        assert!(
            kept == generated,
            "{path} is not what the code describes; accept the change with\n  cargo run -- openapi {dialect} > openapi/{dialect}.json"
        );
    }
}

#[test]
fn every_document_is_served() {
    run(async {
        let app = TestApp::new().await;
        for dialect in DialectName::ALL {
            let served = app.get(&format!("/openapi/{dialect}.json")).anonymous().send().await.expect(200).json();
            let kept = sessionary::cli::openapi_text(dialect).expect("a document");
            assert_eq!(served, serde_json::from_str::<serde_json::Value>(&kept).expect("JSON"), "{dialect}");
            assert!(served["paths"].as_object().is_some_and(|paths| !paths.is_empty()), "{dialect}");
        }
    });
}
