//! `/console`: the pages of the console, which are part of the program (`console/dist`).
//!
//! Every address below `/console/` is the same page, whose script shows what the address names. The other files have the
//! hash of their content in their names, and never change.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use rust_embed::RustEmbed;

use super::system_routes::not_found;

#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Dist;

const PAGE: &str = "index.html";
/// The folder of the files that never change.
const ASSETS: &str = "assets/";
/// Nothing but the service's own files, which are no one else's frame. The page has no script and no style in itself.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

struct File {
    plain: Encoded,
    gzip: Encoded,
    media_type: &'static str,
}

struct Encoded {
    bytes: Bytes,
    etag: HeaderValue,
}

static FILES: LazyLock<HashMap<String, File>> =
    LazyLock::new(|| Dist::iter().filter_map(|name| Some((name.to_string(), File::load(&name)?))).collect());

impl File {
    fn load(name: &str) -> Option<Self> {
        let file = Dist::get(name)?;
        let bytes = Bytes::from(file.data.into_owned());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes).ok()?;
        let hash = hex::encode(&file.metadata.sha256_hash()[..16]);
        let etag = |kind: &str| HeaderValue::from_str(&format!("\"{hash}{kind}\"")).ok();
        let media_type = match name.rsplit('.').next()? {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        Some(Self {
            plain: Encoded { bytes, etag: etag("")? },
            gzip: Encoded { bytes: gzip.finish().ok()?.into(), etag: etag("-gzip")? },
            media_type,
        })
    }
}

/// Returns the routes `/`, which leads browsers to the console, and `/console`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { root(&headers) }))
        .route("/console", get(|| async { Redirect::permanent("/console/") }))
        .route("/console/", get(|headers: HeaderMap| async move { serve(PAGE, &headers) }))
        .route(
            "/console/{*path}",
            get(|uri: Uri, headers: HeaderMap| async move { serve(uri.path().trim_start_matches("/console/"), &headers) }),
        )
}

/// Leads browsers to the console. Other clients get the same response as for every unknown path.
fn root(headers: &HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_browser = accepts.into_iter().any(|value| value.contains("text/html"));
    if is_browser { Redirect::to("/console/").into_response() } else { not_found() }
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let is_asset = path.starts_with(ASSETS);
    let file = match FILES.get(path) {
        Some(file) => file,
        None if is_asset => return not_found(),
        None => match FILES.get(PAGE) {
            Some(page) => page,
            None => return not_found(),
        },
    };
    let encoded = if accepts_gzip(headers) { &file.gzip } else { &file.plain };
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|etag| etag.trim().trim_start_matches("W/").as_bytes() == encoded.etag.as_bytes());
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { encoded.bytes.clone().into_response() };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    set.insert(header::ETAG, encoded.etag.clone());
    set.insert(header::CACHE_CONTROL, if is_asset { FOREVER } else { ASK_AGAIN });
    set.insert(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    if !is_known && accepts_gzip(headers) {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    set.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    set.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    set.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// Returns whether the client accepts gzip, with any weight but zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| {
        let mut words = part.split(';').map(str::trim);
        let is_gzip = words.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_rejected = words.any(|word| {
            let weight = word.strip_prefix("q=").or_else(|| word.strip_prefix("Q="));
            weight.is_some_and(|weight| {
                weight.trim_end_matches('0').trim_end_matches('.').trim_end_matches('0').is_empty()
            })
        });
        is_gzip && !is_rejected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_that_accept_it() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
            accepts_gzip(&headers)
        };
        for value in ["gzip", "br, gzip", "GZIP;q=0.5", "gzip; q=0.01", "deflate, gzip;q=1.0"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn the_page_names_files_that_exist() {
        let page = std::str::from_utf8(&FILES[PAGE].plain.bytes).unwrap();
        let named: Vec<&str> = page.split('"').filter_map(|text| text.strip_prefix("/console/")).collect();
        assert!(named.len() >= 3, "{named:?}");
        for name in named {
            assert!(FILES.contains_key(name), "{name}");
        }
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("<script>"));
    }
}
