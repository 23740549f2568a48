//! Images, recognised by their first bytes, so that browsers get the right type whatever the sender declared.

/// Limit of the bytes of an image.
pub const IMAGE_LIMIT: usize = 5 * 1024 * 1024;

/// The accepted formats. SVG is not accepted, because it is a document that can contain a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    Png,
    Jpeg,
    Gif,
    WebP,
}

impl ImageFormat {
    /// Returns the format that these bytes begin with (WHATWG, *MIME Sniffing*, section 6.1), or `None` if it is not
    /// accepted.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', b'V', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for (bytes, format) in [
            (&b"\x89PNG\r\n\x1a\n"[..], ImageFormat::Png),
            (b"\xff\xd8\xff\xe0", ImageFormat::Jpeg),
            (b"GIF87a", ImageFormat::Gif),
            (b"GIF89a;", ImageFormat::Gif),
            (b"RIFF\x10\0\0\0WEBPVP8L", ImageFormat::WebP),
        ] {
            assert_eq!(ImageFormat::of(bytes), Some(format));
            assert_eq!(ImageFormat::of(&bytes[1..]), None);
        }
        for other in [
            &b""[..],
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<!doctype html>",
            b"\x89PNG",
            b"RIFF\x10\0\0\0WAVEfmt ",
            b"%PDF-1.7",
            b"BM",
        ] {
            assert_eq!(ImageFormat::of(other), None);
        }
    }

    proptest! {
        #[test]
        fn what_follows_the_first_bytes_changes_nothing(
            start in prop::sample::select(vec![
                (&b"\x89PNG\r\n\x1a\n"[..], ImageFormat::Png),
                (b"\xff\xd8\xff", ImageFormat::Jpeg),
                (b"GIF87a", ImageFormat::Gif),
                (b"GIF89a", ImageFormat::Gif),
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..32), size: [u8; 4],
        ) {
            let (first, format) = start;
            prop_assert_eq!(ImageFormat::of(&[first, &rest].concat()), Some(format));
            prop_assert_eq!(ImageFormat::of(&first[..first.len() - 1]), None);
            let webp = [b"RIFF", &size[..], b"WEBPVP", &rest].concat();
            prop_assert_eq!(ImageFormat::of(&webp), Some(ImageFormat::WebP));
        }

        #[test]
        fn no_text_is_an_image(text in "[ -F<H-QS-~\\s]{0,40}") {
            prop_assert_eq!(ImageFormat::of(text.as_bytes()), None);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let binary = bytes.first().is_some_and(|byte| [0x89, 0xff, b'G', b'R'].contains(byte));
            prop_assert!(ImageFormat::of(&bytes).is_none() || binary);
        }
    }
}
