//! Reads exports in protobuf. Invalid UTF-8 in texts is replaced, because SDKs in Go, C++, Rust and Ruby and the
//! Collector send such texts, and protobuf's rule would reject the whole export.

use std::borrow::Cow;

use super::super::count::is_whole;
use super::super::schema::{Member, Message};
use super::super::wire::{self, Malformed};
use super::{Decoded, Item, NoExport, OfResource, OfScope};

/// Reads an export that has been counted.
///
/// # Errors
/// [`NoExport`] if the message around the spans is malformed.
pub fn protobuf<T: Item>(bytes: &[u8]) -> Result<Decoded<T>, NoExport> {
    let mut decoded = Decoded::default();
    let mut sources = Vec::new();
    each(bytes, |number, source| {
        if number == 1 {
            sources.push(of_resource(source, &mut decoded)?);
        }
        Ok(())
    })?;
    decoded.sources = sources;
    Ok(decoded)
}

fn of_resource<T: Item>(bytes: &[u8], decoded: &mut Decoded<T>) -> Result<OfResource<T>, NoExport> {
    let mut source = OfResource { resource: None, scopes: Vec::new() };
    each(bytes, |number, content| {
        match number {
            1 => source.resource = shared(content, Message::Resource, &mut decoded.grown),
            2 => source.scopes.push(of_scope(content, decoded)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(source)
}

fn of_scope<T: Item>(bytes: &[u8], decoded: &mut Decoded<T>) -> Result<OfScope<T>, NoExport> {
    let mut scoped = OfScope { scope: None, items: Vec::new() };
    each(bytes, |number, content| {
        match number {
            1 => scoped.scope = shared(content, Message::Scope, &mut decoded.grown),
            2 => match message(content, T::SIGNAL.item(), &mut decoded.grown) {
                Some(item) => scoped.items.push(item),
                None => decoded.malformed += 1,
            },
            _ => {}
        }
        Ok(())
    })?;
    Ok(scoped)
}

/// Calls `take` with each field that contains bytes.
fn each<'b>(mut bytes: &'b [u8], mut take: impl FnMut(u64, &'b [u8]) -> Result<(), NoExport>) -> Result<(), NoExport> {
    while let Some(field) = wire::next(&mut bytes).map_err(|Malformed| NoExport)? {
        if let Some(content) = field.content {
            take(field.number, content)?;
        }
    }
    Ok(())
}

/// Reads a message that spans share. Fields that cannot be read are left out.
fn shared<M: prost::Message + Default>(bytes: &[u8], message_type: Message, grown: &mut usize) -> Option<M> {
    if let Some(read) = message(bytes, message_type, grown) {
        return Some(read);
    }
    let (mut rest, mut good) = (bytes, Vec::new());
    while let Ok(Some(field)) = wire::next(&mut rest) {
        // A field alone is a message of the same type.
        if message::<M>(field.whole, message_type, &mut 0).is_some() {
            good.extend_from_slice(field.whole);
        }
    }
    message(&good, message_type, grown)
}

/// Reads a message. Returns `None` if it is malformed. A message that could not be counted to its end is not built.
fn message<M: prost::Message + Default>(bytes: &[u8], message: Message, grown: &mut usize) -> Option<M> {
    if !is_whole(bytes, message) {
        return None;
    }
    if let Ok(read) = M::decode(bytes) {
        return Some(read);
    }
    let mut mended = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    mend(bytes, message, &mut mended).ok()?;
    *grown += mended.len().saturating_sub(bytes.len());
    M::decode(&mended[..]).ok()
}

/// Copies a message, and replaces invalid UTF-8 in its texts.
fn mend(mut bytes: &[u8], message: Message, mended: &mut Vec<u8>) -> Result<(), Malformed> {
    while let Some(field) = wire::next(&mut bytes)? {
        let within = match message.member(field.number) {
            Some(Member::Single(within) | Member::Item(within) | Member::Element(Some(within))) => Some(within),
            Some(Member::Element(None)) | None => None,
        };
        let content: Cow<'_, [u8]> = match (field.content, within) {
            (Some(content), Some(within)) => {
                let mut inner = Vec::with_capacity(content.len());
                mend(content, within, &mut inner)?;
                inner.into()
            }
            (Some(content), None) if message.is_text(field.number) => match String::from_utf8_lossy(content) {
                Cow::Owned(text) => text.into_bytes().into(),
                Cow::Borrowed(_) => content.into(),
            },
            _ => {
                mended.extend_from_slice(field.whole);
                continue;
            }
        };
        prost::encoding::encode_varint(field.number << 3 | 2, mended);
        prost::encoding::encode_varint(content.len() as u64, mended);
        mended.extend_from_slice(&content);
    }
    Ok(())
}
