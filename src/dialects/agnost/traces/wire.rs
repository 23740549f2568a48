//! Reads protobuf's wire format field by field.

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A field, with the bytes that it was read from.
pub struct Field<'b> {
    pub number: u64,
    /// Its content if it has a length: a text, bytes or a message.
    pub content: Option<&'b [u8]>,
    /// Its tag and its content.
    pub whole: &'b [u8],
}

/// Reads the next field. Returns `None` at the end.
///
/// # Errors
/// [`Malformed`] if a field is cut off or is not valid, or for groups, which no version of OTLP has.
pub fn next<'b>(bytes: &mut &'b [u8]) -> Result<Option<Field<'b>>, Malformed> {
    let before = *bytes;
    if before.is_empty() {
        return Ok(None);
    }
    let tag = varint(bytes)?;
    let (number, wire_type) = (tag >> 3, tag & 7);
    if number == 0 || tag > u64::from(u32::MAX) {
        return Err(Malformed);
    }
    let mut content = None;
    match wire_type {
        0 => drop(varint(bytes)?),
        1 => drop(take(bytes, 8)?),
        5 => drop(take(bytes, 4)?),
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| Malformed)?;
            content = Some(take(bytes, length)?);
        }
        _ => return Err(Malformed),
    }
    Ok(Some(Field { number, content, whole: &before[..before.len() - bytes.len()] }))
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], Malformed> {
    let (taken, remaining) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = remaining;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for index in 0..10 {
        let (&byte, remaining) = bytes.split_first().ok_or(Malformed)?;
        *bytes = remaining;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            return if index == 9 && byte > 1 { Err(Malformed) } else { Ok(value) };
        }
    }
    Err(Malformed)
}
