//! Runs the `sessionary` program as users run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit of every step of a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command of the program with this data folder, without any setting of the environment.
pub fn sessionary(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionary"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SESSION")) {
        command.env_remove(name);
    }
    if let Some(folder) = &super::search().named {
        command.env("SESSIONARY_POSTGRES_BIN", folder);
    }
    command
        .env_remove("DATABASE_URL")
        .env_remove("RUST_LOG")
        .env("SESSIONARY_DATA_DIR", data_dir)
        .env("SESSIONARY_LISTEN", "127.0.0.1:0")
        .env("SESSIONARY_SHUTDOWN_DELAY", "0");
    command
}

/// Runs a command, which must succeed. Returns its one JSON object.
#[track_caller]
pub fn json_of(command: &mut Command) -> Value {
    let output = command.arg("--json").output().expect("the program runs");
    assert!(output.status.success(), "{}", complaint(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Returns what a command wrote to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running service. It is killed, not stopped, when dropped.
pub struct Service {
    pub child: Child,
    /// Its output before it was ready.
    pub printed: String,
    pub base_url: String,
    log: PathBuf,
}

impl Service {
    /// Starts it on a separate port, and waits until it has printed what it created.
    #[track_caller]
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = sessionary(data_dir);
        command.envs(settings.iter().copied());
        Self::launch(data_dir, command)
    }

    /// Starts it with the demo organization in the database of this `DATABASE_URL`.
    #[track_caller]
    pub fn start_on(data_dir: &Path, database_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = sessionary(data_dir);
        command.args(["serve", "--demo"]).env("DATABASE_URL", database_url).envs(settings.iter().copied());
        Self::launch(data_dir, command)
    }

    /// Starts it on a database, and waits for its end. Returns what it wrote to standard error. Fails if it serves.
    #[track_caller]
    pub fn fails_to_start(data_dir: &Path, settings: &[(&str, &str)]) -> String {
        let mut command = sessionary(data_dir);
        command.arg("serve").envs(settings.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child").is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        // One that serves goes on until here.
        let _ = child.kill();
        let output = child.wait_with_output().expect("a child");
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
        complaint(&output)
    }

    /// Starts it from a shell that runs this line first.
    #[track_caller]
    pub fn start_limited(data_dir: &Path, line: &str) -> Self {
        let program = sessionary(data_dir);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line} && exec \"$0\"")]).arg(program.get_program());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self::launch(data_dir, command)
    }

    /// Starts it with its standard error somewhere else than in the file that [`Service::log`] reads.
    #[track_caller]
    pub fn start_logging_to(data_dir: &Path, settings: &[(&str, &str)], errors: Stdio) -> Self {
        let mut command = sessionary(data_dir);
        command.envs(settings.iter().copied());
        Self::spawn(data_dir, command, errors)
    }

    #[track_caller]
    fn launch(data_dir: &Path, command: Command) -> Self {
        let log = data_dir.with_extension("log");
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        Self::spawn(data_dir, command, errors.into())
    }

    #[track_caller]
    fn spawn(data_dir: &Path, mut command: Command, errors: Stdio) -> Self {
        let log = data_dir.with_extension("log");
        command.stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let mut printed = String::new();
        // The line of the integer dialect is printed last.
        while !printed.contains("/api/v1/sessions ") {
            let Some(Ok(line)) = lines.next() else {
                panic!("the service ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            };
            printed += &(line + "\n");
        }
        // Reads its later output, so that it does not block.
        std::thread::spawn(move || lines.count());
        let base_url = printed.split("Sessionary is at ").nth(1).and_then(|rest| rest.split(',').next());
        let base_url = base_url.expect("an address").to_owned();
        Self { child, printed, base_url, log }
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a request. Returns the response's status and body.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[String], body: &str) -> (u16, String) {
        let address = self.base_url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for header in headers {
            request += &format!("{header}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    /// Returns the curl lines that it printed, with method POST, as path, headers and body.
    pub fn curl_lines(&self) -> Vec<(String, Vec<String>, String)> {
        self.printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("curl -s "))
            .map(|line| {
                let path = line.strip_prefix(&self.base_url).and_then(|rest| rest.split(' ').next()).expect("a path");
                let quoted: Vec<&str> = line.split('\'').skip(1).step_by(2).collect();
                let [headers @ .., body] = quoted.as_slice() else { panic!("no body in {line}") };
                (path.to_owned(), headers.iter().map(|header| (*header).to_owned()).collect(), (*body).to_owned())
            })
            .collect()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal {name}");
    }

    /// Waits for its end. Returns its exit code, or `None` if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        until("the service ends", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is a result, within a test's time limit.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the process id of the private Postgres of a data folder.
pub fn postmaster(data_dir: &Path) -> u32 {
    let file = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).expect("a postmaster.pid");
    file.lines().next().and_then(|line| line.trim().parse().ok()).expect("a process id")
}

/// Returns whether a process is running.
pub fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
    match state {
        // A zombie has ended, but its parent has not waited for it yet.
        Ok(state) => !state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => Command::new("kill").args(["-0", &process.to_string()]).status().is_ok_and(|status| status.success()),
    }
}
