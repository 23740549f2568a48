//! One connection, from its first byte to its last.
//!
//! The handlers of its requests run in its task. They continue when the client disconnects: hyper does not check for
//! the end of the connection while a request is served (`half_close`), and the [`stream`] hides from it that the client
//! no longer reads. Two kinds of requests end with their client: event streams, and requests that change nothing, once
//! it is certain that the client is disconnected and has not only finished sending.

mod bodies;
mod client;
mod linger;
mod stream;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::bounds::{Bounds, Peer};
use super::connections::Activity;
use bodies::{Receiving, Sending, discard_small};
use client::{Client, Due};
use stream::{ClientStream, has_unread};

pub use linger::LingerBounds;
pub(super) use linger::Lingering;

/// The pause until a request that has arrived or is on its way is read, and the limit of such pauses on a connection
/// that is ending.
const UNTIL_READ: Duration = Duration::from_millis(1);
const MAX_PAUSES: usize = 100;
/// How long a connection lingers when the service stops.
const LINGER_AT_STOP: Duration = Duration::from_secs(1);

/// Responds to requests. Every clone is the same.
pub trait Application:
    Service<axum::extract::Request, Response = axum::response::Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<A> Application for A where
    A: Service<axum::extract::Request, Response = axum::response::Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// What a connection needs from its listener.
#[derive(Clone)]
pub(super) struct Context<A> {
    pub app: A,
    pub bounds: Bounds,
    pub lingering: Lingering,
    pub stop: CancellationToken,
}

/// How a connection ended.
enum Ended {
    /// By HTTP.
    Served(hyper::Result<()>),
    /// Dropped because its client did not use it.
    Abandoned,
}

/// Serves a connection until it ends, and lingers if its client may not have read the last response yet.
pub(super) async fn serve<A: Application>(
    socket: TcpStream,
    peer: SocketAddr,
    context: Context<A>,
    activity: Activity,
) {
    let _ = socket.set_nodelay(true);
    let (socket, client) = (Arc::new(socket), Arc::new(Client::new()));
    let ended = exchange(&socket, &client, peer, &context, &activity).await;
    let may_still_send = match ended {
        Ended::Served(result) => {
            client.has_unread_body() || has_unread(&socket) || result.is_err_and(|error| error.is_parse())
        }
        Ended::Abandoned => false,
    };
    if !may_still_send || client.is_gone() {
        return;
    }
    let Some(permit) = context.lingering.permit(peer.ip()) else { return };
    let stopping = async {
        context.stop.cancelled().await;
        tokio::time::sleep(LINGER_AT_STOP).await;
    };
    tokio::select! {
        () = permit.linger(&socket) => {}
        () = activity.make_room() => {}
        () = stopping => {}
    }
}

/// Exchanges requests and responses.
async fn exchange<A: Application>(
    socket: &Arc<TcpStream>,
    client: &Arc<Client>,
    peer: SocketAddr,
    Context { app, bounds, stop, .. }: &Context<A>,
    activity: &Activity,
) -> Ended {
    let stream = ClientStream::new(Arc::clone(socket), Arc::clone(client), bounds.write_timeout);
    let service = service_fn(|request| respond(app.clone(), request, peer, Arc::clone(client), activity));
    let connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut failed = pin!(socket.ready(Interest::ERROR));
    // The timer checks at the shorter of both times, which is often enough for either.
    let tick = bounds.header_read_timeout.min(bounds.keep_alive);
    let mut timer = pin!(tokio::time::sleep(tick));
    let mut is_ending = false;
    // A request that has arrived is served before an idle connection ends.
    let mut pauses = 0..MAX_PAUSES;
    let mut is_to_read_first =
        || activity.is_idle() && (has_unread(socket) || client.is_new()) && pauses.next().is_some();
    loop {
        tokio::select! {
            // The connection comes first, because the others depend on its progress.
            biased;
            result = connection.as_mut() => return Ended::Served(result),
            _ = failed.as_mut(), if !client.is_gone() => client.set_gone(),
            () = poll_fn(|context| client.poll_finished(socket, context)) => {}
            () = stop.cancelled(), if !is_ending => {
                if is_to_read_first() {
                    tokio::time::sleep(UNTIL_READ).await;
                } else {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
            }
            () = activity.make_room(), if !is_ending => {
                if is_to_read_first() {
                    tokio::time::sleep(UNTIL_READ).await;
                } else if activity.is_idle() && !client.has_sent_request() {
                    // A client that has not sent a whole request yet gets no response.
                    return Ended::Abandoned;
                } else {
                    // Any other connection ends after its responses are flushed.
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
            }
            () = timer.as_mut() => {
                let now = Instant::now();
                let next = match client.due(bounds.header_read_timeout, bounds.keep_alive) {
                    Due::Head(at) if at <= now => return Ended::Abandoned,
                    // The request arrived just in time.
                    Due::Request(at) if at <= now && is_to_read_first() => now + UNTIL_READ,
                    Due::Request(at) if at <= now && is_ending => return Ended::Abandoned,
                    Due::Request(at) if at <= now => {
                        connection.as_mut().graceful_shutdown();
                        is_ending = true;
                        now + tick
                    }
                    Due::Head(at) | Due::Request(at) => at.min(now + tick),
                    Due::Never => now + tick,
                };
                timer.as_mut().reset(next);
            }
        }
    }
}

/// Serves one request.
fn respond<A: Application>(
    mut app: A,
    request: Request<Incoming>,
    peer: SocketAddr,
    client: Arc<Client>,
    activity: &Activity,
) -> impl Future<Output = Result<Response<Sending>, Infallible>> + use<A> {
    client.request_began();
    let busy = Busy::new(activity, &client);
    let changes_nothing = request.method().is_safe();
    let waits_for_continue = request.headers().contains_key(header::EXPECT);
    let mut request = request.map(|body| Body::new(Receiving::new(body, &client)));
    request.extensions_mut().insert(Peer(peer));
    let response = app.call(request);
    async move {
        let mut response = if changes_nothing {
            tokio::select! {
                biased;
                response = response => response?,
                () = client.gone() => Response::default(),
            }
        } else {
            response.await?
        };
        if let Some(leftover) = client.take_leftover()
            && (waits_for_continue || !discard_small(leftover).await)
        {
            client.leaves_body_unread();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(Sending::new(response, client, busy))
    }
}

/// Marks a connection as busy until dropped.
struct Busy {
    activity: Activity,
    client: Arc<Client>,
}

impl Busy {
    fn new(activity: &Activity, client: &Arc<Client>) -> Self {
        activity.began();
        Self { activity: activity.clone(), client: Arc::clone(client) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.ended();
        self.client.response_ended();
    }
}
