//! Makes valid UTF-8 of bytes that should be UTF-8.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};

/// Returns the same bytes with U+FFFD for every sequence that is not UTF-8, wherever the network cut them. A sequence
/// that the end of the stream cuts short is replaced as well.
pub(super) fn lossy<E: Send + 'static>(
    bytes: BoxStream<'static, Result<Bytes, E>>,
) -> BoxStream<'static, Result<Bytes, E>> {
    let chunks = bytes.map(Some).chain(futures::stream::once(async { None }));
    chunks
        .scan(Vec::new(), |carried: &mut Vec<u8>, chunk| {
            let decoded = match chunk {
                Some(Ok(chunk)) => Ok(decode(carried, chunk)),
                Some(Err(error)) => Err(error),
                None => Ok(Bytes::from(String::from_utf8_lossy(&std::mem::take(carried)).into_owned())),
            };
            std::future::ready(Some(decoded))
        })
        .boxed()
}

/// Returns a chunk as UTF-8. If the chunk ends within a character, its first bytes, three at most, stay in `carried`.
fn decode(carried: &mut Vec<u8>, chunk: Bytes) -> Bytes {
    if carried.is_empty() && std::str::from_utf8(&chunk).is_ok() {
        return chunk;
    }
    let mut bytes = std::mem::take(carried);
    bytes.extend_from_slice(&chunk);
    let mut text = String::with_capacity(bytes.len());
    let mut at = 0;
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        at += part.valid().len() + part.invalid().len();
        if part.invalid().is_empty() {
            continue;
        }
        // A sequence can only be unfinished at the end of the bytes.
        let unfinished =
            at == bytes.len() && std::str::from_utf8(part.invalid()).is_err_and(|error| error.error_len().is_none());
        if unfinished {
            carried.extend_from_slice(part.invalid());
        } else {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use proptest::prelude::*;

    fn through(chunks: Vec<Bytes>) -> String {
        let stream = lossy(futures::stream::iter(chunks.into_iter().map(Ok::<_, ()>)).boxed());
        let bytes: Vec<Bytes> = stream.map(Result::unwrap).collect().now_or_never().unwrap();
        String::from_utf8(bytes.concat()).unwrap()
    }

    #[test]
    fn bad_bytes_become_replacement_characters() {
        assert_eq!(
            through(vec![Bytes::from_static(b"a\xffb\xc3"), Bytes::from_static(b"\xa9\xf0\x9f")]),
            "a\u{fffd}bé\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_bytes_are_cut(
            bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "(?s).{0,12}".prop_map(String::into_bytes)],
            size in 1usize..8,
        ) {
            let chunks = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
            prop_assert_eq!(through(chunks), String::from_utf8_lossy(&bytes));
        }
    }
}
