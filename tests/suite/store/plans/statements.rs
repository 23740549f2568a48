//! The texts of the program's statements.

use std::path::Path;

pub struct Statement {
    pub text: String,
    pub parameters: usize,
    /// The types of the parameters, if Postgres cannot infer them.
    pub types: Vec<String>,
}

/// Returns every statement that reads or changes rows, as it was described for the compiler.
pub fn all() -> Vec<Statement> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut statements = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
        let described: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let parameters = described["describe"]["parameters"]["Left"].as_array().expect("parameters").len();
        let text = described["query"].as_str().expect("a statement").to_owned();
        if text.contains(" FROM ") || text.contains("INTO ") || text.contains("UPDATE ") {
            statements.push(Statement { text, parameters, types: Vec::new() });
        }
    }
    statements.sort_by(|a, b| a.text.cmp(&b.text));
    statements
}
