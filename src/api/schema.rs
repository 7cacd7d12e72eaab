//! JSON Schema of the answers (OpenAPI 3.1), written by the same macro as the structs: what a
//! client reads in the document is what the code sends.

use super::time::Time;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A type with a JSON schema.
pub trait Schema {
    /// Its schema, or the reference to it; named schemas are put into `named` on the way.
    fn schema(named: &mut Map<String, Value>) -> Value;
}

macro_rules! plain {
    ($($of:ty => $schema:tt),* $(,)?) => {
        $(impl Schema for $of {
            fn schema(_: &mut Map<String, Value>) -> Value {
                json!($schema)
            }
        })*
    };
}

plain! {
    String => { "type": "string" },
    &'static str => { "type": "string" },
    bool => { "type": "boolean" },
    i64 => { "type": "integer" },
    i32 => { "type": "integer" },
    u32 => { "type": "integer" },
    u64 => { "type": "integer" },
    u16 => { "type": "integer" },
    f32 => { "type": "number" },
    Time => { "type": "string", "format": "date-time" },
    // A free object: event details.
    Value => { "type": "object" },
}

impl<T: Schema> Schema for Option<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "anyOf": [T::schema(named), { "type": "null" }] })
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "type": "array", "items": T::schema(named) })
    }
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "type": "array", "items": T::schema(named), "minItems": N, "maxItems": N })
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "type": "object", "additionalProperties": T::schema(named) })
    }
}

/// One field of a struct: name, what it is, schema.
pub type Field = (&'static str, String, Value);

/// The schema of a struct: every key is always there.
pub fn object(about: &str, fields: Vec<Field>) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    let mut properties = Map::new();
    for (name, help, mut schema) in fields.clone() {
        // A description beside a $ref is allowed since OpenAPI 3.1.
        schema["description"] = json!(help);
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Defines a struct that serialises to JSON, together with its schema. The doc comments of struct
/// and fields are the descriptions in the document.
macro_rules! dto {
    ($(
        $(#[doc = $about:literal])+
        $name:ident { $( $(#[doc = $help:literal])+ $field:ident: $of:ty, )+ }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Debug, serde::Serialize)]
            pub struct $name {
                $( $(#[doc = $help])+ pub $field: $of, )+
            }

            impl $crate::api::schema::Schema for $name {
                fn schema(named: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                    let name = stringify!($name);
                    if !named.contains_key(name) {
                        let fields = vec![$((
                            stringify!($field),
                            concat!($($help),+).trim().to_owned(),
                            <$of as $crate::api::schema::Schema>::schema(named),
                        )),+];
                        let schema = $crate::api::schema::object(concat!($($about),+).trim(), fields);
                        named.insert(name.to_owned(), schema);
                    }
                    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
                }
            }
        )+
    };
}
pub(super) use dto;
