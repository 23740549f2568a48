//! Objects whose members the client chooses, such as metadata. Their schemas state that every member is allowed,
//! because client generators would otherwise produce types without members.

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

pub(super) fn open(document: &mut OpenApi) {
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        open_one(schema);
    }
}

fn open_one(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => open_object(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                open_one(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(open_one),
        Schema::AllOf(all) => all.items.iter_mut().for_each(open_one),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(open_one),
        _ => {}
    }
}

fn open_object(object: &mut Object) {
    let is_object = match &object.schema_type {
        SchemaType::Type(kind) => *kind == Type::Object,
        SchemaType::Array(kinds) => kinds.contains(&Type::Object),
        SchemaType::AnyValue => false,
    };
    if is_object && object.properties.is_empty() && object.additional_properties.is_none() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    }
    object.properties.values_mut().for_each(open_one);
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
        open_one(values);
    }
}
