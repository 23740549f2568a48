//! Paths as Express matches them: without regard to case, and with or without a slash at the end
//! (docs/dialects/messaging.md). The case of a session's id is not changed.

use axum::extract::Request;
use http::Uri;

/// The index of the segment with a session's id: `/api/messaging/sessions/{id}`, counted from zero.
const ID_SEGMENT: usize = 3;

/// Spells the path of a request as the routes do.
pub fn spell_plainly(request: &mut Request) {
    if let Some(uri) = plain(request.uri()) {
        *request.uri_mut() = uri;
    }
}

/// Returns the path as the routes spell it, or `None` if it is already spelled so.
fn plain(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.ends_with('/') && !path.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut plain = String::with_capacity(path.len());
    for (index, segment) in path.split('/').skip(1).enumerate() {
        plain.push('/');
        if index == ID_SEGMENT && !segment.eq_ignore_ascii_case("health") {
            plain.push_str(segment);
        } else {
            plain.push_str(&segment.to_ascii_lowercase());
        }
    }
    let mut parts = uri.clone().into_parts();
    let path_and_query = match uri.query() {
        Some(query) => format!("{plain}?{query}"),
        None => plain,
    };
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_becomes_that_of_the_routes() {
        let plain = |path: &str| super::plain(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(plain("/api/messaging/sessions"), None);
        assert_eq!(plain("/API/Messaging/SESSIONS/").as_deref(), Some("/api/messaging/sessions"));
        assert_eq!(
            plain("/api/messaging/sessions/ABC/Messages?limit=A").as_deref(),
            Some("/api/messaging/sessions/ABC/messages?limit=A")
        );
        assert_eq!(plain("/api/messaging/sessions/Health").as_deref(), Some("/api/messaging/sessions/health"));
        assert_eq!(plain("/api/messaging/sessions/x//").as_deref(), Some("/api/messaging/sessions/x/"));
    }

    proptest! {
        #[test]
        fn a_path_is_normalized_once_and_its_id_stays(id in "[a-zA-Z0-9%.~_-]{1,20}", below in "(/[a-zA-Z]{1,9}){0,2}/?") {
            let given: Uri = format!("/API/messaging/Sessions/{id}{below}?Q=A").parse().unwrap();
            let spelled = plain(&given).unwrap();
            prop_assert_eq!(plain(&spelled).is_none(), !id.bytes().any(|b| b.is_ascii_uppercase()) && !spelled.path().ends_with('/'));
            if !id.eq_ignore_ascii_case("health") {
                prop_assert_eq!(spelled.path().split('/').nth(4), Some(id.as_str()));
            }
            prop_assert_eq!(spelled.query(), Some("Q=A"));
            let below = below.strip_suffix('/').unwrap_or(&below);
            prop_assert!(spelled.path().ends_with(&below.to_ascii_lowercase()));
        }

        #[test]
        fn no_path_breaks_the_reader(text in "/api/[mM]essaging(/[!-~]{0,8}){0,5}") {
            if let Ok(uri) = text.parse::<Uri>() && let Some(spelled) = plain(&uri) {
                prop_assert_eq!(spelled.path().to_ascii_lowercase(), uri.path().strip_suffix('/').unwrap_or(uri.path()).to_ascii_lowercase());
            }
        }
    }
}
