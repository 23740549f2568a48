//! Gzip, unpacked no further than an export may go.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Bytes that may be unpacked whatever they were packed into. Small exports repeat themselves the most.
const FREE: usize = 256 * 1024;
/// Beyond those, bytes per packed byte. Exports in JSON pack to a tenth, at best to a fortieth.
const RATIO: usize = 100;
/// Bytes that are unpacked at once.
const STEP: usize = 64 * 1024;

/// Why bytes are not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// They are no gzip.
    Malformed,
    /// They unpack to more than this many bytes.
    TooLarge(usize),
}

/// Returns how many bytes are unpacked of so many packed ones, at most.
pub fn max_unpacked(packed: usize) -> usize {
    FREE.saturating_add(packed.saturating_mul(RATIO))
}

/// Unpacks bytes, and stops at the limit, or where there is too much for what was packed.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let limit = limit.min(max_unpacked(packed.len()));
    let mut unpacked = Vec::new();
    let mut decoder = MultiGzDecoder::new(packed).take(limit as u64 + 1);
    loop {
        // Grows by what has come, so that the buffer is at most twice as large.
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
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_unpacks_to_too_much_is_stopped() {
        const LIMIT: usize = 8 * 1024 * 1024;
        let zeros = vec![0; 4 * LIMIT];
        for length in [0, 1, STEP - 1, STEP, STEP + 1, FREE] {
            assert_eq!(unpack(&packed(&zeros[..length]), LIMIT).map(|bytes| bytes.len()), Ok(length));
        }
        let bomb = packed(&zeros[..LIMIT]);
        assert!(bomb.len() < 10 * 1024, "{}", bomb.len());
        assert_eq!(unpack(&bomb, LIMIT), Err(UnpackError::TooLarge(FREE + 100 * bomb.len())));
        // Several members in a row are one text, and count together.
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
