//! Where in an agent's output something is: the `(epoch, offset)` of the append-only byte log.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One life of an agent's process: a random number drawn at each start. Offsets of different
/// epochs can't be compared. In JSON 16 lower-case hexadecimal digits, because as a number it
/// would be more than JavaScript holds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(de::Error::custom("epoch is not 16 lower-case hexadecimal digits"));
        }
        u64::from_str_radix(&text, 16).map(Self).map_err(de::Error::custom)
    }
}

/// Bytes of output since the epoch began.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);
