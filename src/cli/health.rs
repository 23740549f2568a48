//! `health`: checks whether the service is ready, for container engines and scripts without an HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Context, Failure};

/// How long the service may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of the bytes of a response that are read.
const MAX_BYTES: u64 = 16 * 1024;

#[derive(Serialize)]
struct Ready {
    ready: bool,
    address: SocketAddr,
}

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let address = reachable(context.settings.listen);
    ask_ready(address).await?;
    context.output.line(&format!("ready at {address}"), &Ready { ready: true, address });
    Ok(())
}

/// Requests `/readyz` over HTTP as a client would.
///
/// # Errors
/// Why the service is not ready.
pub(super) async fn ask_ready(address: SocketAddr) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        stream.take(MAX_BYTES).read_to_end(&mut response).await?;
        Ok::<String, std::io::Error>(String::from_utf8_lossy(&response).into_owned())
    };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(Ok(response)) if response.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(Ok(response)) if response.starts_with("HTTP/1.1 503") => {
            let reason = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            Err(format!("the service at {address} is not ready: {}", super::output::printable(reason)))
        }
        Ok(Ok(_)) => Err(format!("what responds at {address} is not Sessionary")),
        Ok(Err(error)) => Err(format!("nothing responds at {address} (SESSIONARY_LISTEN): {error}")),
        Err(_elapsed) => Err(format!("no response from {address} within {} seconds", TIMEOUT.as_secs())),
    }
}

/// Returns the address for a client on this machine of a service that listens at `address`.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
