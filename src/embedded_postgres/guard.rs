//! Ends the processes that this process started when it ends.
//!
//! A death signal would not work, because the kernel clears it when a process changes its user. So a small shell waits
//! on a pipe whose other end only this process has. However this process ends, the kernel closes the pipe, and the
//! shell ends the process that it guards. The shell must know of a process before that process does anything. So each
//! process starts as a second shell that waits for a line from this process, and only then becomes initdb or postgres.
//! If this process dies before that, the second shell ends by itself.

use std::{io, path::Path, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    sync::Mutex,
    task::JoinHandle,
};

use super::server_user::ServerUser;

/// Its argument is the cluster's folder. Its input is lines of a kind and a process id, of which the last one counts.
///
/// A process id may belong to another process by the time the pipe closes, so a postmaster is signalled only if it is
/// the one in the cluster's `postmaster.pid`. A new postmaster may not have written that yet, so this is retried.
const GUARD: &str = r#"
trap '' HUP INT TERM
while read -r word number; do kind=$word pid=$number; done
case $kind in
initdb) kill -s KILL -- "-$pid" ;;
postmaster)
    tries=0
    while [ $tries -lt 100 ] && kill -0 "$pid"; do
        named=
        read -r named <"$1/postmaster.pid"
        if [ "$named" = "$pid" ]; then
            kill -s INT "$pid"
            break
        fi
        tries=$((tries + 1))
        sleep 0.1 || sleep 1
    done ;;
esac
"#;

const GATE: &str = r#"read -r word || exit 1; exec "$@" </dev/null"#;

/// What the guard ends when this process is gone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Charge {
    /// Killed at once with all its children. What it has created is discarded.
    Initdb,
    /// Ended by a fast shutdown.
    Postmaster,
}

/// The guard and the task that replaces it if it is killed. Dropping this closes the pipe that the guard waits on.
#[derive(Debug)]
pub(super) struct Guard {
    user: ServerUser,
    post: Arc<Mutex<Post>>,
    keeper: JoinHandle<()>,
}

/// The state for a guard and its replacement.
#[derive(Debug)]
struct Post {
    pipe: Option<ChildStdin>,
    orders: String,
    relieved: bool,
}

impl Guard {
    pub fn start(user: &ServerUser, cluster: PathBuf) -> io::Result<Self> {
        let mut shell = spawn(user, &cluster)?;
        let post = Post { pipe: shell.stdin.take(), orders: String::new(), relieved: false };
        let post = Arc::new(Mutex::new(post));
        let keeper = tokio::spawn(keep(shell, user.clone(), cluster, Arc::clone(&post)));
        Ok(Self { user: user.clone(), post, keeper })
    }

    /// Returns a command for [`launch`](Self::launch). The caller adds its arguments.
    pub fn gated(&self, program: &Path) -> Command {
        let mut command = self.user.command("/bin/sh");
        command.args(["-c", GATE, "sessionary-gate"]).arg(program).stdin(Stdio::piped());
        command
    }

    /// Starts a gated command, and opens its gate after the guard knows of it.
    pub async fn launch(&self, charge: Charge, mut command: Command) -> io::Result<Child> {
        let mut child = command.spawn()?;
        let kind = match charge {
            Charge::Initdb => "initdb",
            Charge::Postmaster => "postmaster",
        };
        self.order(format!("{kind} {}\n", child.id().unwrap_or_default())).await;
        if let Some(mut gate) = child.stdin.take() {
            gate.write_all(b"go\n").await?;
        }
        Ok(child)
    }

    /// Reports to the guard that there is nothing to guard any more.
    pub async fn discharge(&self) {
        self.order("nothing 0\n".to_owned()).await;
    }

    async fn order(&self, orders: String) {
        let mut post = self.post.lock().await;
        post.orders = orders;
        post.speak().await;
    }

    /// Ends the guard. The process that it guarded should have ended before.
    pub async fn end(mut self) {
        {
            let mut post = self.post.lock().await;
            post.relieved = true;
            post.pipe = None;
        }
        if tokio::time::timeout(Duration::from_secs(15), &mut self.keeper).await.is_err() {
            tracing::warn!("the guard of the embedded Postgres did not end in time");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.keeper.abort();
        // The aborted task releases the pipe when it is next polled, and this does not wait for that.
        if let Ok(mut post) = self.post.try_lock() {
            post.relieved = true;
            post.pipe = None;
        }
    }
}

impl Post {
    /// Sends the current orders to the guard. If the guard has ended, its replacement gets them.
    async fn speak(&mut self) {
        if let Some(pipe) = &mut self.pipe
            && let Err(error) = pipe.write_all(self.orders.as_bytes()).await
        {
            tracing::debug!("the guard of the embedded Postgres does not read its orders: {error}");
        }
    }
}

async fn keep(mut shell: Child, user: ServerUser, cluster: PathBuf, post: Arc<Mutex<Post>>) {
    loop {
        let ended = shell.wait().await;
        let mut post = post.lock().await;
        if post.relieved {
            return;
        }
        tracing::warn!("the guard of the embedded Postgres ended ({ended:?}): starting another");
        shell = match spawn(&user, &cluster) {
            Ok(shell) => shell,
            Err(error) => {
                tracing::error!("no guard for the embedded Postgres: {error}. It may outlive this service");
                return;
            }
        };
        post.pipe = shell.stdin.take();
        post.speak().await;
        drop(post);
        // A pause, because whatever ended the guard may end the next one too.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn spawn(user: &ServerUser, cluster: &Path) -> io::Result<Child> {
    let mut command = user.command("/bin/sh");
    command.args(["-c", GUARD, "sessionary-guard"]).arg(cluster);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::test_kill_process_group;
    use tokio::time::{Instant, sleep, timeout};

    use super::{super::postmaster::pid_of, *};

    /// Returns a folder that every user can write to.
    fn open_folder() -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        folder
    }

    #[tokio::test]
    async fn without_a_word_the_gate_stays_shut() {
        let folder = open_folder();
        let user = ServerUser::for_new_cluster().await.unwrap();
        let guard = Guard::start(&user, folder.path().to_owned()).unwrap();
        let trace = folder.path().join("trace");

        // As if this process had been killed before the guard knew of the child.
        let mut child = guard.gated(Path::new("/bin/mkdir")).arg(&trace).spawn().unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().await.unwrap().success());
        assert!(!trace.exists());

        let mut command = guard.gated(Path::new("/bin/mkdir"));
        command.arg(&trace);
        let mut child = guard.launch(Charge::Initdb, command).await.unwrap();
        assert!(child.wait().await.unwrap().success());
        assert!(trace.exists());
        guard.discharge().await;
        timeout(Duration::from_secs(10), guard.end()).await.unwrap();
    }

    #[tokio::test]
    async fn an_unfinished_initdb_ends_with_its_children() {
        let folder = open_folder();
        let user = ServerUser::for_new_cluster().await.unwrap();
        let guard = Guard::start(&user, folder.path().to_owned()).unwrap();
        let mut command = guard.gated(Path::new("/bin/sh"));
        command.args(["-c", "sleep 600 & sleep 600"]);
        let mut child = guard.launch(Charge::Initdb, command).await.unwrap();
        let group = pid_of(child.id()).unwrap();
        assert!(test_kill_process_group(group).is_ok());

        drop(guard);
        timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while alive_in(group.as_raw_nonzero().get()).await {
            assert!(Instant::now() < deadline);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns whether the group has a process other than zombies.
    async fn alive_in(group: i32) -> bool {
        let listed = Command::new("ps").args(["-A", "-o", "pgid=,state="]).output().await.unwrap();
        String::from_utf8_lossy(&listed.stdout).lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(&group.to_string()) && words.next().is_some_and(|state| !state.starts_with('Z'))
        })
    }
}
