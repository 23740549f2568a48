//! Request ids: the client's own if it is valid, otherwise a new one; always in the response.

use http::{HeaderMap, HeaderName};

pub static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Returns the client's id, if there is one, it has 1 to 128 characters, and none of them could disturb a log line.
pub fn of(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(&HEADER).iter();
    let id = given.next()?.to_str().ok()?;
    let sane =
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b));
    (sane && given.next().is_none()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn a_sane_id_is_kept_and_others_are_replaced() {
        let with = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&HEADER, HeaderValue::from_bytes(value).unwrap());
            }
            of(&headers)
        };
        assert_eq!(with(&[b"req-1"]).as_deref(), Some("req-1"));
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[b""]), None);
        assert_eq!(with(&[b"a", b"b"]), None);
        assert_eq!(with(&[b"a b\"}"]), None);
        assert_eq!(with(&["ä".as_bytes()]), None);
        assert_eq!(with(&[&[b'a'; 129]]), None);
    }

    proptest! {
        #[test]
        fn an_id_is_used_exactly_when_it_is_sane(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20), "[a-zA-Z0-9_.:/+=-]{0,140}".prop_map(String::into_bytes),
        ]) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let sane = (1..=128).contains(&bytes.len())
                && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b));
            let mut headers = HeaderMap::new();
            headers.append(&HEADER, value);
            prop_assert_eq!(of(&headers).map(String::into_bytes), sane.then_some(bytes));
        }
    }
}
