//! Calls to endpoints: one POST, its redirects, its time-outs, and the bytes of the response.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use super::{ResponderError, RespondersSettings};
use crate::domain::responder::HttpUrl;
use crate::outbound::{Client, Unsent};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
/// How many bytes of one response are read. The limit is far above that of a reply, because a delta of one token takes
/// some 300 bytes of JSON.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The HTTP client of all responders. Clones share its connections.
#[derive(Clone)]
pub(super) struct Outbound {
    client: Client,
    settings: Arc<RespondersSettings>,
}

/// A request to an endpoint. The body is JSON.
pub(super) struct Post {
    pub url: HttpUrl,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A response whose first byte has arrived.
pub(super) struct Incoming {
    /// The media type in lower case, without its parameters; empty without a `Content-Type`.
    pub media_type: String,
    pub bytes: BoxStream<'static, Result<Bytes, ResponderError>>,
}

impl Outbound {
    pub fn new(settings: RespondersSettings) -> Result<Self, ResponderError> {
        let client = Client::new(settings.private_addresses.clone(), settings.connect);
        let client = client.map_err(|_| ResponderError::Misconfigured("TLS cannot be set up on this machine"))?;
        Ok(Self { client, settings: Arc::new(settings) })
    }

    pub fn settings(&self) -> &RespondersSettings {
        &self.settings
    }

    /// Posts once, and returns the response when its first byte has arrived.
    pub async fn post(&self, post: &Post) -> Result<Incoming, ResponderError> {
        timeout(self.settings.first_byte, self.follow(post)).await.unwrap_or(Err(ResponderError::TimedOut))
    }

    /// Posts, and posts a second time if no part of a reply arrived and the error is temporary.
    pub async fn post_twice(&self, post: &Post) -> Result<Incoming, ResponderError> {
        match self.post(post).await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(self.settings.before_retry).await;
                self.post(post).await
            }
            outcome => outcome,
        }
    }

    /// Posts, follows the redirects, and waits for the first byte of a successful response.
    async fn follow(&self, post: &Post) -> Result<Incoming, ResponderError> {
        let mut url = post.url.as_url().clone();
        let mut headers = post.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client.post(&url).map_err(Unsent::from)?;
            let request = request.headers(headers.clone()).body(post.body.clone());
            let response = request.send().await.map_err(Unsent::from)?;
            match response.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    let next = next_hop(&url, &response)?;
                    if next.origin() != url.origin() {
                        // The credential is for the first origin only. A later redirect does not restore it.
                        headers.remove(AUTHORIZATION);
                    }
                    url = next;
                }
                status if status.is_redirection() => return Err(ResponderError::Redirected),
                status if status.is_success() => return self.receive(response).await,
                status => return Err(ResponderError::Rejected(status)),
            }
        }
        Err(ResponderError::Redirected)
    }

    async fn receive(&self, mut response: Response) -> Result<Incoming, ResponderError> {
        let media_type = media_type(response.headers());
        let first = response.chunk().await.map_err(Unsent::from)?;
        let wait_timeout = self.settings.between_chunks;
        let bytes = stream::try_unfold((response, first, 0), move |(mut response, waiting, before)| async move {
            let chunk = match waiting {
                Some(chunk) => chunk,
                None if before == 0 => return Ok(None),
                None => match timeout(wait_timeout, response.chunk()).await {
                    Err(_) => return Err(ResponderError::TimedOut),
                    Ok(Err(_)) => return Err(ResponderError::Garbled("it ended in the middle")),
                    Ok(Ok(None)) => return Ok(None),
                    Ok(Ok(Some(chunk))) => chunk,
                },
            };
            let so_far = before + chunk.len();
            if so_far > MAX_BYTES {
                return Err(ResponderError::TooLong);
            }
            Ok(Some((chunk, (response, None, so_far))))
        });
        Ok(Incoming { media_type, bytes: bytes.boxed() })
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns the target of a redirect.
///
/// # Errors
/// [`ResponderError::Redirected`] if the redirect leads from https to http, or to a URL that a responder may not have.
fn next_hop(from: &Url, response: &Response) -> Result<Url, ResponderError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let mut to = location.and_then(|text| from.join(text).ok()).ok_or(ResponderError::Redirected)?;
    to.set_fragment(None);
    let gives_up_tls = from.scheme() == "https" && to.scheme() != "https";
    match HttpUrl::try_from(to) {
        Ok(to) if !gives_up_tls => Ok(to.as_url().clone()),
        _ => Err(ResponderError::Redirected),
    }
}
