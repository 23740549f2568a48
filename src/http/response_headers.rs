//! What browsers and caches may do with responses, where their handlers did not say it.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// For the readable page: Swagger UI with its own scripts. Its styles are in part on its elements, and its icons are in
/// its style sheet. It loads nothing from elsewhere, sends requests to this service alone, and no page may frame it.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' \
     data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// For every response to a request that can have a credential, or has private data: no cache stores it,
/// and no browser takes it for another type than it says.
pub async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    add(headers, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    add(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// For the pages that are the same for every reader.
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
