//! Unpacks packed exports up to their limit, in one call on a thread for costly work.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::http::{ContentEncoding, UnpackError, has_zlib_frame, max_unpacked};

/// Bytes that are unpacked at once.
const STEP: usize = 64 * 1024;

/// Unpacks bytes. Stops at the limit, or at the limit for the packed size.
///
/// # Errors
/// [`UnpackError::Malformed`] if the bytes do not have this encoding, [`UnpackError::TooLarge`] if a limit is exceeded.
pub fn unpack(packed: &Bytes, encoding: ContentEncoding, limit: usize) -> Result<Bytes, UnpackError> {
    let limit = limit.min(max_unpacked(packed.len()));
    let bytes = &packed[..];
    let unpacked = match encoding {
        ContentEncoding::Identity => return Ok(packed.clone()),
        ContentEncoding::Gzip => read(MultiGzDecoder::new(bytes), limit),
        ContentEncoding::Deflate if bytes.first().copied().is_some_and(has_zlib_frame) => {
            read(ZlibDecoder::new(bytes), limit)
        }
        ContentEncoding::Deflate => read(DeflateDecoder::new(bytes), limit),
    };
    unpacked.map(Bytes::from)
}

fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let mut decoder = decoder.take(limit as u64 + 1);
    loop {
        // The buffer grows with its contents, so that it is at most twice as large.
        unpacked.reserve(STEP);
        let read = (&mut decoder).take(STEP as u64).read_to_end(&mut unpacked).map_err(|_| UnpackError::Malformed)?;
        if unpacked.len() > limit {
            return Err(UnpackError::TooLarge(limit));
        }
        if read < STEP {
            return Ok(unpacked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const FREE: usize = 256 * 1024;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
        super::unpack(&Bytes::copy_from_slice(packed), ContentEncoding::Gzip, limit).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn deflate_is_read_with_and_without_zlibs_frame() {
        let text = b"spans and spans and spans".repeat(100);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut plain = DeflateEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        plain.write_all(&text).unwrap();
        for packed in [zlib.finish().unwrap(), plain.finish().unwrap()] {
            let unpacked = super::unpack(&packed.into(), ContentEncoding::Deflate, FREE);
            assert_eq!(unpacked.as_deref(), Ok(&text[..]));
        }
        let plain = Bytes::from_static(b"as it is");
        assert_eq!(super::unpack(&plain, ContentEncoding::Identity, FREE), Ok(plain));
    }

    #[test]
    fn unpacking_stops_at_its_limits() {
        const LIMIT: usize = 8 * 1024 * 1024;
        let zeros = vec![0; 4 * LIMIT];
        for length in [0, 1, STEP - 1, STEP, STEP + 1, FREE] {
            assert_eq!(unpack(&packed(&zeros[..length]), LIMIT).map(|bytes| bytes.len()), Ok(length));
        }
        let bomb = packed(&zeros[..LIMIT]);
        assert!(bomb.len() < 10 * 1024, "{}", bomb.len());
        assert_eq!(unpack(&bomb, LIMIT), Err(UnpackError::TooLarge(FREE + 100 * bomb.len())));
        // Several members of gzip in a row are one text and count together.
        let row = packed(&zeros[..FREE]).repeat(100);
        assert!(matches!(unpack(&row, LIMIT), Err(UnpackError::TooLarge(_))));
        let mut noise = 1u32;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .take(LIMIT)
        .collect();
        assert_eq!(unpack(&packed(&random), LIMIT).as_ref(), Ok(&random));
        assert_eq!(unpack(&packed(&random), LIMIT - 1), Err(UnpackError::TooLarge(LIMIT - 1)));
        assert_eq!(unpack(b"no gzip", LIMIT), Err(UnpackError::Malformed));
        assert_eq!(unpack(&packed(&random)[..LIMIT / 2], LIMIT), Err(UnpackError::Malformed));
    }
}
