//! Headers for browsers and caches, for responses whose handlers did not set them.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// For the documentation page: Swagger UI with its own scripts. Some of its styles are on elements, and its icons are
/// in its style sheet. It loads nothing from elsewhere, sends requests to this service only, and no page may frame it.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' \
     data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// For every response to a request that can have a credential, or with private data: caches do not store it, and
/// browsers do not guess another type.
pub fn set_private(headers: &mut HeaderMap) {
    add(headers, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    add(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The middleware that sets the headers of [`set_private`].
pub async fn private(mut response: Response) -> Response {
    set_private(response.headers_mut());
    response
}

/// For pages that are the same for every reader.
pub async fn page(mut response: Response) -> Response {
    let headers = response.headers_mut();
    add(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    add(headers, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    add(headers, header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    add(headers, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
