//! A folder for each test, a service to kill, and a view of the processes of both.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use sessionary::embedded_postgres::{EmbeddedPostgres, Location, Search, Tuning, install};
use tempfile::TempDir;

/// Returns where to find Postgres. If the machine has none, one is installed for the tests, below `target`.
pub fn search() -> &'static Search {
    static SEARCH: LazyLock<Search> = LazyLock::new(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres");
        // On a separate thread, because the caller is on a thread of a runtime.
        let bring = move || tokio::runtime::Runtime::new().unwrap().block_on(install::ensure(&folder));
        std::thread::spawn(bring).join().unwrap().unwrap_or_else(|error| panic!("{error}"))
    });
    &SEARCH
}

/// A folder that every user may pass through, with a data folder in it.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = TempDir::with_prefix_in("s-", "/tmp").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self(home)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn cluster(&self) -> PathBuf {
        self.data_dir().join("postgres")
    }

    pub fn tuning(&self) -> Tuning {
        Tuning { relocation_root: self.path().join("relocated"), ..Tuning::throw_away() }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data_dir().join("postgres.log")).unwrap_or_default()
    }

    /// Returns the folders of unfinished clusters.
    pub fn drafts(&self) -> Vec<PathBuf> {
        let names = names(&self.data_dir()).into_iter().filter(|name| name.starts_with("postgres.new-"));
        names.map(|name| self.data_dir().join(name)).collect()
    }

    pub async fn start(&self) -> EmbeddedPostgres {
        let started = EmbeddedPostgres::start_with(&self.data_dir(), search(), &self.tuning()).await;
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn hold(&self, arguments: &[&str]) -> Holder {
        self.hold_as(None, arguments)
    }

    /// Starts a service in a separate process, as this user.
    pub fn hold_as(&self, uid: Option<u32>, arguments: &[&str]) -> Holder {
        // The build may be where another user cannot reach it. A child process copies it: this process has other tests
        // that fork, and running a file that is open for writing may fail as busy.
        let program = self.path().join("holder");
        if !program.exists() {
            let built = holder();
            assert!(Command::new("cp").arg(built).arg(&program).status().unwrap().success());
        }
        let mut command = command_as(uid, &program);
        if let Some(folder) = &search().named {
            command.env("SESSIONARY_POSTGRES_BIN", folder);
        }
        command.arg(self.data_dir()).arg(self.tuning().relocation_root).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Holder { output: BufReader::new(child.stdout.take().unwrap()), child }
    }

    pub fn sql(&self, postgres: &EmbeddedPostgres, sql: &str) -> String {
        self.sql_at(postgres.location(), sql)
    }

    pub fn sql_at(&self, location: &Location, sql: &str) -> String {
        run(self.psql(None, location, sql)).unwrap()
    }

    pub fn sql_as(&self, uid: Option<u32>, postgres: &EmbeddedPostgres, sql: &str) -> Result<String, String> {
        run(self.psql(uid, postgres.location(), sql))
    }

    pub fn psql(&self, uid: Option<u32>, location: &Location, sql: &str) -> Command {
        // Next to the programs of the running server, wherever they were found.
        let server = fs::read_link(format!("/proc/{}/exe", self.any_postmaster().0));
        let psql = server.map_or_else(|_| "psql".into(), |server| server.with_file_name("psql"));
        let mut command = command_as(uid, psql);
        command.arg("-XAtq").arg("-h").arg(&location.socket_dir).args(["-p", &location.port.to_string()]);
        command.args(["-U", &location.superuser, "-d", "postgres", "-c", sql]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn postmaster(&self) -> Process {
        postmaster_of(&self.cluster()).expect("a running server")
    }

    fn any_postmaster(&self) -> Process {
        let found = walk(self.path())
            .into_iter()
            .find_map(|path| (path.file_name()? == "postmaster.pid").then(|| postmaster_of(path.parent()?))?);
        found.expect("a running server")
    }

    pub fn guard(&self) -> Process {
        self.find_guard().expect("a guard")
    }

    pub fn find_guard(&self) -> Option<Process> {
        let mut processes = processes_on(&self.data_dir());
        processes.retain(|process| process.command_line().contains("sessionary-guard"));
        processes.pop()
    }

    pub fn assert_quiet(&self) {
        until("no process is left", || processes_on(&self.data_dir()).is_empty());
    }

    pub fn assert_quiet_now(&self) {
        assert_eq!(processes_on(&self.data_dir()), []);
    }
}

pub struct Holder {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Holder {
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub fn wait_for(&mut self, word: &str) {
        assert_eq!(self.line(), word);
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it in order.
    pub fn finish(mut self) {
        drop(self.child.stdin.take());
        self.wait_for("stopped");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    fn ps(self, column: &str) -> String {
        let ps = Command::new("ps").args(["-o", &format!("{column}="), "-p", &self.0.to_string()]).output().unwrap();
        String::from_utf8(ps.stdout).unwrap().trim().to_owned()
    }

    pub fn is_alive(self) -> bool {
        let state = self.ps("state");
        !state.is_empty() && !state.starts_with('Z')
    }

    pub fn uid(self) -> u32 {
        self.ps("uid").parse().unwrap()
    }

    pub fn group(self) -> u32 {
        self.ps("pgid").parse().unwrap()
    }

    pub fn command_line(self) -> String {
        self.ps("args")
    }

    /// Returns the supplementary groups, if the system shows them.
    pub fn groups(self) -> Vec<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
        groups.split_whitespace().map(String::from).collect()
    }

    pub fn signal(self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.0.to_string()]).status().unwrap().success());
    }

    pub fn kill(self) {
        self.signal("KILL");
        until("a killed process is gone", || !self.is_alive());
    }
}

/// Returns the processes of initdb, the server and its guard, all of which name the data folder or work in it.
pub fn processes_on(data_dir: &Path) -> Vec<Process> {
    let ps = Command::new("ps").args(["-A", "-o", "pid=,state=,args="]).output().unwrap();
    let folder = data_dir.to_str().unwrap();
    let text = String::from_utf8_lossy(&ps.stdout).into_owned();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, state) = (words.next()?.parse().ok()?, words.next()?);
            let works_there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(data_dir));
            (!state.starts_with('Z') && (works_there || line.contains(folder))).then_some(Process(pid))
        })
        .collect()
}

fn postmaster_of(cluster: &Path) -> Option<Process> {
    let pid_file = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    Some(Process(pid_file.lines().next()?.parse().ok()?))
}

pub fn command_as(uid: Option<u32>, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    if let Some(uid) = uid {
        command.uid(uid).gid(uid).current_dir("/");
    }
    command
}

fn run(mut command: Command) -> Result<String, String> {
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Polls for at most a minute.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn our_uid() -> u32 {
    fs::metadata(TempDir::new().unwrap().path()).unwrap().uid()
}

/// Returns an ordinary user for root to become. initdb requires one with a name.
pub fn nobody() -> Option<u32> {
    let id = Command::new("id").args(["-u", "nobody"]).output().unwrap();
    is_root().then(|| String::from_utf8(id.stdout).unwrap().trim().parse().unwrap())
}

pub fn is_root() -> bool {
    our_uid() == 0
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

pub fn chown_all(folder: &Path, uid: u32) {
    for path in walk(folder) {
        chown(path, Some(uid), Some(uid)).unwrap();
    }
}

/// Returns each path with its time of change and its length.
pub fn tree(folder: &Path) -> Vec<(PathBuf, i64, i64, u64)> {
    let described = |path: PathBuf| {
        let file = fs::symlink_metadata(&path).unwrap();
        (path, file.ctime(), file.ctime_nsec(), file.len())
    };
    walk(folder).into_iter().map(described).collect()
}

/// Returns the example that runs a cluster, which `cargo test` builds with the tests.
fn holder() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/private_postgres");
    assert!(built.exists(), "{} is missing: run cargo build --examples", built.display());
    built
}
