//! The floor: a process of axum that returns each body, without a database and without anything of the service.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::Failure;

/// The argument that makes the benchmark be the floor.
pub const ARGUMENT: &str = "--be-the-floor";

/// Serves until its standard input ends. Prints its address first.
pub async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let app = Router::new().route("/echo", post(|body: Bytes| async move { body }));
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
    tokio::select! {
        served = async { axum::serve(listener, app).await } => Ok(served?),
        _ = ended => Ok(()),
    }
}

/// The running floor. It ends when this is dropped.
pub struct Floor {
    child: Child,
    pub address: SocketAddr,
}

impl Floor {
    pub fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.as_mut() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().parse();
        let floor = Self { child, address: address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))) };
        if floor.address.port() == 0 { Err("the floor did not start".into()) } else { Ok(floor) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
