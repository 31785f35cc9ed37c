//! How bytes and reasons are written in a recording.

/// Bytes as hexadecimal digits.
pub(crate) mod hex {
    use std::borrow::Cow;
    use std::fmt::Write;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Two digits for each byte.
    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    /// The bytes of such a text.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'static, [u8]>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.map(Cow::Owned).ok_or_else(|| D::Error::custom("not an even number of hexadecimal digits"))
    }
}

/// Why something was refused: in words, values included.
pub(crate) fn refusal<S: serde::Serializer>(
    refusal: &crate::error::Refusal,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(refusal)
}
