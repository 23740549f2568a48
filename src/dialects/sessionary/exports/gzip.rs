//! Whether a client accepts gzip, and a body that is compressed piece by piece.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, header};

/// Returns whether `Accept-Encoding` permits gzip (RFC 9110, section 12.5.3).
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut named, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.to_ascii_lowercase().strip_prefix("q=").map(str::to_owned));
        let is_permitted = quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0));
        match name.as_str() {
            "gzip" | "x-gzip" => named = Some(is_permitted),
            "*" => any = Some(is_permitted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// A body that is compressed while it is written, or not.
pub(super) enum Encoder {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub fn gzip() -> Self {
        Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Returns the next bytes of the body for this piece, all of which a client can decompress at once.
    pub fn piece(&mut self, piece: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(piece),
            Self::Gzip(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// Returns the end of the body.
    pub fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn gzip_is_sent_to_clients_that_accept_it() {
        let accepted = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            is_accepted(&headers)
        };
        for yes in [&["gzip"][..], &["br, GZIP;q=0.5"], &["*"], &["identity", "x-gzip"], &["*;q=0, gzip"]] {
            assert!(accepted(yes), "{yes:?}");
        }
        for no in [&[][..], &[""], &["br"], &["gzip;q=0"], &["gzip; q=0.0, *"], &["*;q=0"], &["gzip;q=x"]] {
            assert!(!accepted(no), "{no:?}");
        }
    }
}
