//! Secrets, which stand in no message.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A secret: text that stands in no message, no log and no answer.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RawSecret(pub String);

impl fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawSecret(..)")
    }
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Says what is wrong without the value, which is a secret even where it is no text.
        struct Text;

        impl Visitor<'_> for Text {
            type Value = RawSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawSecret, E> {
                Ok(RawSecret(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_i128<E: Error>(self, _: i128) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_u128<E: Error>(self, _: u128) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<RawSecret, E> {
                Err(E::custom(NOT_TEXT))
            }
        }

        const NOT_TEXT: &str = "invalid type: a number or a truth value, expected text in quotes";

        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for RawSecret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawSecret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password" })
    }
}
