//! Compressed request bodies: gzip and deflate, decompressed while they arrive, within limits.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use axum::extract::Request;
use bytes::{Buf, Bytes, BytesMut};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};
use http_body::{Body as _, Frame};

use super::record::Record;
use super::rejection::Rejection;

/// The accepted encodings, for the response to a client that used another one.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, deflate");

/// Bytes that may be decompressed from any body. Small bodies are the most repetitive.
const FREE: usize = 256 * 1024;
/// Beyond those, decompressed bytes per compressed byte. JSON is compressed to a tenth, at best to a fortieth.
const RATIO: usize = 100;
/// Compressed bytes that may exceed the decompressed ones, because no encoding makes a body longer by more.
const OVERHEAD: usize = 64 * 1024;
/// Compressed bytes that are decompressed in one step, and decompressed bytes after which other tasks run.
const STEP: usize = 32 * 1024;

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncoding {
    Identity,
    Gzip,
    /// With or without the zlib header, because clients send both under this name.
    Deflate,
}

/// Why a body cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    #[error("the body is not in its declared encoding")]
    Malformed,
    #[error("the body decompresses to more than {0} bytes")]
    TooLarge(usize),
}

impl From<UnpackError> for Rejection {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Malformed => Self::UnreadableBody,
            UnpackError::TooLarge(limit) => Self::BodyTooLarge(limit),
        }
    }
}

impl ContentEncoding {
    /// Returns the encoding of the request's body; `Identity` for a request without a body.
    ///
    /// # Errors
    /// [`Rejection::UnsupportedEncoding`] for an unknown encoding, and for more than one.
    pub fn of(request: &Request) -> Result<Self, Rejection> {
        if request.body().is_end_stream() {
            return Ok(Self::Identity);
        }
        let encoding = named(request.headers());
        if let (Err(_), Some(Record(record))) = (&encoding, request.extensions().get()) {
            let _ = record.encoding_rejected.set(());
        }
        encoding
    }
}

fn named(headers: &HeaderMap) -> Result<ContentEncoding, Rejection> {
    let mut encoding = ContentEncoding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| Rejection::UnsupportedEncoding)?;
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let next = match name.to_ascii_lowercase().as_str() {
                "identity" => continue,
                "gzip" | "x-gzip" => ContentEncoding::Gzip,
                "deflate" => ContentEncoding::Deflate,
                _ => return Err(Rejection::UnsupportedEncoding),
            };
            if std::mem::replace(&mut encoding, next) != ContentEncoding::Identity {
                return Err(Rejection::UnsupportedEncoding);
            }
        }
    }
    Ok(encoding)
}

/// Returns whether a deflate body has the zlib header, by its first byte. No encoder begins a plain stream with such a
/// byte: it would be a stored block with its padding set.
#[must_use]
pub fn has_zlib_frame(first: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7
}

/// Returns the limit of decompressed bytes for this many compressed ones.
#[must_use]
pub fn max_unpacked(packed: usize) -> usize {
    FREE.saturating_add(packed.saturating_mul(RATIO))
}

/// Returns the request with its body decompressed while it is read. Reading may fail with an [`UnpackError`]. Every
/// route that reads a body in another way than as JSON calls this.
///
/// # Errors
/// [`Rejection::UnsupportedEncoding`] for an unknown encoding, and for more than one.
pub fn unpacked(mut request: Request) -> Result<Request, Rejection> {
    let decoder = match ContentEncoding::of(&request)? {
        ContentEncoding::Identity => return Ok(request),
        ContentEncoding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
        ContentEncoding::Deflate => Decoder::Undecided,
    };
    request.headers_mut().remove(header::CONTENT_ENCODING);
    request.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(request.map(|body| Body::new(Unpacking::new(body, decoder))))
}

/// Returns the rejection for a failed read of a body that may be compressed.
pub(super) fn failure(error: axum::Error) -> Rejection {
    error.into_inner().downcast::<UnpackError>().map_or(Rejection::UnreadableBody, |error| Rejection::from(*error))
}

/// Decompresses bytes into a vector.
enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Deflate(DeflateDecoder<Vec<u8>>),
    /// Deflate, before its first byte shows whether it has the zlib header.
    Undecided,
}

impl Decoder {
    /// Decompresses some of the bytes, and returns how many. Writes at most about [`STEP`] bytes.
    fn write(&mut self, packed: &[u8]) -> io::Result<usize> {
        if let (Self::Undecided, Some(first)) = (&self, packed.first()) {
            *self = if has_zlib_frame(*first) {
                Self::Zlib(ZlibDecoder::new(Vec::new()))
            } else {
                Self::Deflate(DeflateDecoder::new(Vec::new()))
            };
        }
        match self {
            Self::Gzip(decoder) => decoder.write(packed),
            Self::Zlib(decoder) => decoder.write(packed),
            Self::Deflate(decoder) => decoder.write(packed),
            Self::Undecided => Ok(0),
        }
    }

    /// Ends the body. Fails if the compressed data is incomplete.
    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
            Self::Undecided => Ok(()),
        }
    }

    /// Takes the decompressed bytes.
    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Gzip(decoder) => std::mem::take(decoder.get_mut()),
            Self::Zlib(decoder) => std::mem::take(decoder.get_mut()),
            Self::Deflate(decoder) => std::mem::take(decoder.get_mut()),
            Self::Undecided => Vec::new(),
        }
    }
}

/// A body that is decompressed while it is read.
struct Unpacking {
    body: Body,
    decoder: Decoder,
    /// Received bytes that are not decompressed yet.
    input: Bytes,
    /// Decompressed bytes that are not read yet.
    output: BytesMut,
    packed: usize,
    unpacked: usize,
    is_done: bool,
    /// Whether other tasks run before the next step.
    is_to_yield: bool,
}

impl Unpacking {
    fn new(body: Body, decoder: Decoder) -> Self {
        Self {
            body,
            decoder,
            input: Bytes::new(),
            output: BytesMut::new(),
            packed: 0,
            unpacked: 0,
            is_done: false,
            is_to_yield: false,
        }
    }

    /// Decompresses a piece of the input.
    fn step(&mut self) -> Result<(), UnpackError> {
        let piece = &self.input[..self.input.len().min(STEP)];
        let taken = self.decoder.write(piece).map_err(|_| UnpackError::Malformed)?;
        // There are bytes after the end of the compressed data.
        if taken == 0 {
            return Err(UnpackError::Malformed);
        }
        self.input.advance(taken);
        self.count()
    }

    /// Ends the body.
    fn finish(&mut self) -> Result<(), UnpackError> {
        self.is_done = true;
        self.decoder.finish().map_err(|_| UnpackError::Malformed)?;
        self.count()
    }

    /// Takes the decompressed bytes, if they are within the limit for the compressed ones.
    fn count(&mut self) -> Result<(), UnpackError> {
        let bytes = self.decoder.take();
        self.unpacked += bytes.len();
        let limit = max_unpacked(self.packed);
        if self.unpacked > limit {
            return Err(UnpackError::TooLarge(limit));
        }
        if self.packed - self.input.len() > self.unpacked + OVERHEAD {
            return Err(UnpackError::Malformed);
        }
        self.output.extend_from_slice(&bytes);
        Ok(())
    }

    fn fail<T>(&mut self, error: UnpackError) -> Poll<Option<Result<T, BoxError>>> {
        self.is_done = true;
        Poll::Ready(Some(Err(error.into())))
    }
}

impl http_body::Body for Unpacking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if std::mem::take(&mut this.is_to_yield) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while !this.is_done && this.output.len() < STEP {
            if !this.input.is_empty() {
                if let Err(error) = this.step() {
                    return this.fail(error);
                }
                continue;
            }
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(frame)) => {
                    let Ok(data) = frame?.into_data() else { continue };
                    this.packed = this.packed.saturating_add(data.len());
                    this.input = data;
                }
                Poll::Ready(None) => {
                    if let Err(error) = this.finish() {
                        return this.fail(error);
                    }
                }
                Poll::Pending if this.output.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if this.output.is_empty() {
            return Poll::Ready(None);
        }
        this.is_to_yield = this.output.len() >= STEP;
        Poll::Ready(Some(Ok(Frame::data(this.output.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_done && self.output.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use futures::StreamExt;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    fn packed(encoding: usize, bytes: &[u8]) -> (&'static str, Vec<u8>) {
        let best = Compression::best();
        let (mut gzip, mut zlib, mut deflate) = (
            GzEncoder::new(Vec::new(), best),
            ZlibEncoder::new(Vec::new(), best),
            DeflateEncoder::new(Vec::new(), best),
        );
        let (name, bytes) = match encoding {
            0 => ("gzip", gzip.write_all(bytes).and_then(|()| gzip.finish())),
            1 => ("deflate", zlib.write_all(bytes).and_then(|()| zlib.finish())),
            _ => ("deflate", deflate.write_all(bytes).and_then(|()| deflate.finish())),
        };
        (name, bytes.unwrap())
    }

    /// Reads a body that arrives in pieces of `piece` bytes.
    fn read(encoding: &'static str, bytes: Vec<u8>, piece: usize) -> Result<Bytes, Rejection> {
        let pieces: Vec<_> =
            bytes.chunks(piece).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))).collect();
        let request = Request::builder().header(header::CONTENT_ENCODING, encoding);
        let request = request.body(Body::from_stream(futures::stream::iter(pieces).boxed())).unwrap();
        let body = unpacked(request)?.into_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(body.collect()).map(|body| body.to_bytes()).map_err(failure)
    }

    #[test]
    fn names_are_read_in_any_case_and_one_packing_is_taken() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            named(&headers)
        };
        for (values, encoding) in [
            (&[][..], ContentEncoding::Identity),
            (&["identity"], ContentEncoding::Identity),
            (&["", "Identity, GZIP"], ContentEncoding::Gzip),
            (&["x-gzip"], ContentEncoding::Gzip),
            (&["deflate"], ContentEncoding::Deflate),
        ] {
            assert_eq!(of(values), Ok(encoding), "{values:?}");
        }
        for values in [&["br"][..], &["gzip, gzip"], &["gzip", "deflate"], &["gzip;q=1"]] {
            assert_eq!(of(values), Err(Rejection::UnsupportedEncoding), "{values:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_ratio() {
        for encoding in 0..3 {
            let (name, bytes) = packed(encoding, &vec![0; 16 * 1024 * 1024]);
            assert_eq!(
                read(name, bytes.clone(), 1_024),
                Err(Rejection::BodyTooLarge(max_unpacked(1_024))),
                "{encoding}"
            );
            assert!(matches!(read(name, bytes, usize::MAX), Err(Rejection::BodyTooLarge(_))), "{encoding}");
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_however_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..3_000), copies in 1usize..40, encoding in 0usize..3, piece in 1usize..2_000,
        ) {
            let bytes = bytes.repeat(copies);
            let (name, packed) = packed(encoding, &bytes);
            prop_assert_eq!(read(name, packed, piece), Ok(Bytes::from(bytes)));
        }

        #[test]
        fn what_is_cut_off_or_broken_is_unreadable(
            bytes in prop::collection::vec(any::<u8>(), 1..3_000), encoding in 0usize..2, cut in 1usize..8, piece in 1usize..2_000,
        ) {
            let (name, mut packed) = packed(encoding, &bytes);
            packed.truncate(packed.len() - cut.min(packed.len() - 1));
            prop_assert_eq!(read(name, packed, piece), Err(Rejection::UnreadableBody));
        }

        #[test]
        fn no_body_breaks_the_decoder(
            bytes in prop::collection::vec(any::<u8>(), 0..200), encoding in prop::sample::select(vec!["gzip", "deflate"]),
        ) {
            let _ = read(encoding, bytes, 7);
        }
    }
}
