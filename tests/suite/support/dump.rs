//! Looks for texts in what `pg_dump` writes of a database.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// How `pg_dump` begins the rows of a table, as plain text.
const ROWS: &str = "COPY public.";

/// Returns the tables of the database at this URL in whose dumped rows one of the texts occurs in one of its
/// [`encodings`], in upper or lower case. `schema` is everything before the first row. `bytea` is dumped in hexadecimal.
///
/// The URL's login must be a superuser, because row-level security hides rows from others.
pub async fn tables_with(url: &str, texts: &[&str]) -> BTreeSet<String> {
    let (program, url) = (pg_dump(url).await, url.to_owned());
    let mut patterns: Vec<String> = texts.iter().flat_map(|text| encodings(text)).collect();
    patterns.push(ROWS.to_owned());
    let search = move || search(program, &url, &patterns);
    tokio::task::spawn_blocking(search).await.expect("a search")
}

/// Returns the `pg_dump` beside the server's own programs.
#[expect(clippy::disallowed_methods, reason = "the service does not look for programs")]
async fn pg_dump(url: &str) -> PathBuf {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut superuser = options.connect().await.expect("a superuser");
    let folder: String = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        .fetch_one(&mut superuser)
        .await
        .expect("a folder");
    PathBuf::from(folder).join("pg_dump")
}

/// Returns the forms in which a text could be stored or sent: as it is, in hexadecimal, in base64 at any place of a longer
/// text; of a UUID also its bytes.
pub fn encodings(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    let mut of_bytes = |bytes: &[u8]| {
        all.push(hex::encode(bytes));
        // In a longer text, the first of the bytes may be any of the three that four characters encode. The characters at
        // both ends also contain bits of the neighbours.
        for before in 0..3 {
            let shifted = [&vec![0; before], bytes].concat();
            for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                let first = (before * 8).div_ceil(6);
                let last = shifted.len() * 8 / 6;
                all.push(encoded[first..last].to_owned());
            }
        }
    };
    of_bytes(text.as_bytes());
    if let Ok(uuid) = text.parse::<uuid::Uuid>() {
        of_bytes(uuid.as_bytes());
    }
    all
}

/// Pipes the dump through `grep`, because a debug build of this program would be slow with so much text.
fn search(program: PathBuf, url: &str, patterns: &[String]) -> BTreeSet<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(patterns.join("\n").as_bytes()).expect("the patterns");
    let mut dump = Command::new(program)
        .args(["--format=plain", "--encoding=UTF8", "--dbname", url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pg_dump");
    let mut grep = Command::new("grep")
        .args(["--text", "--ignore-case", "--fixed-strings", "--file"])
        .arg(file.path())
        .env("LC_ALL", "C")
        .stdin(dump.stdout.take().expect("a pipe"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("grep");
    let (mut found, mut table, mut tables) = (BTreeSet::new(), "schema".to_owned(), 0);
    for line in BufReader::new(grep.stdout.take().expect("a pipe")).split(b'\n') {
        let line = String::from_utf8_lossy(&line.expect("a line")).into_owned();
        match line.strip_prefix(ROWS) {
            Some(rest) => {
                table = rest.split(' ').next().unwrap_or_default().to_owned();
                tables += 1;
            }
            None => {
                found.insert(table.clone());
            }
        }
    }
    assert!(grep.wait().expect("grep ends").success());
    let output = dump.wait_with_output().expect("pg_dump ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(tables > 40, "the dump has the rows of {tables} tables");
    found
}

#[test]
fn a_text_is_found_in_each_of_its_encodings() {
    let found = |stored: &str| {
        let stored = stored.to_lowercase();
        encodings("word0123456789ab").iter().any(|pattern| stored.contains(&pattern.to_lowercase()))
    };
    let text = b"word0123456789ab";
    assert!(found("a word0123456789AB b"));
    assert!(found(&format!(r"\\x00{}ff", hex::encode(text))));
    for before in 0..6 {
        for after in 0..6 {
            let longer = [&vec![b'{'; before][..], text, &vec![0xff; after]].concat();
            assert!(found(&STANDARD_NO_PAD.encode(&longer)), "{before} and {after}");
            assert!(found(&URL_SAFE_NO_PAD.encode(&longer)), "{before} and {after}");
        }
    }
    assert!(!found("word0123456789a and 0123456789ab"));
}
