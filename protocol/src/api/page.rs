//! Lists that can grow, which are read a page at a time.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::WireError;

/// A part of a list, in the order of the list. Without `next` it is the last one; a page may have
/// fewer items than were asked for, or none, and still not be the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins: the `cursor` to ask with. Absent at the end of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// How many items a page may have: 1 to 500, 100 if left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct PageLimit(u16);

impl PageLimit {
    /// The most.
    pub const MAX: u16 = 500;

    /// So many.
    #[must_use]
    pub const fn items(self) -> usize {
        self.0 as usize
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u16> for PageLimit {
    type Error = WireError;

    fn try_from(items: u16) -> Result<Self, WireError> {
        match items {
            1..=Self::MAX => Ok(Self(items)),
            _ => Err(WireError::invalid("limit", "it is not within 1 and 500")),
        }
    }
}

impl FromStr for PageLimit {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let items = text.parse().map_err(|_| WireError::invalid("limit", "it is no number"));
        items.and_then(|items: u16| items.try_into())
    }
}

/// A place in a list. What it says is the node's own business: a client takes it from
/// [`Page::next`] and hands it back. 1 to 512 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Cursor(String);

/// What a cursor says, to whoever made it: where in one list the next page begins.
pub trait Place: Serialize + DeserializeOwned {
    /// Names the list, so that no cursor is taken for one of another list.
    const LIST: &'static str;
}

impl Cursor {
    /// The greatest length, in characters.
    pub const MAX: usize = 512;

    /// A cursor that says `place`.
    ///
    /// # Errors
    /// [`WireError`] if the place is too long for one, or is not JSON.
    pub fn at<P: Place>(place: &P) -> Result<Self, WireError> {
        let json = serde_json::to_vec(&(P::LIST, place))
            .map_err(|_| WireError::invalid("cursor", "its place is not JSON"))?;
        Self::try_from(BASE64URL_NOPAD.encode(&json))
    }

    /// The place that it says.
    ///
    /// # Errors
    /// [`WireError`] if it was not made by [`Self::at`] with a place of this list.
    pub fn place<P: Place>(&self) -> Result<P, WireError> {
        let foreign =
            || WireError::invalid("cursor", "it is not the `next` of a page of this list");
        let json = BASE64URL_NOPAD.decode(self.0.as_bytes()).map_err(|_| foreign())?;
        let (list, place): (String, P) = serde_json::from_slice(&json).map_err(|_| foreign())?;
        if list == P::LIST { Ok(place) } else { Err(foreign()) }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Cursor {
    type Error = WireError;

    fn try_from(text: String) -> Result<Self, WireError> {
        let is_one = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        match is_one {
            true => Ok(Self(text)),
            false => {
                Err(WireError::invalid("cursor", "it is not 1 to 512 characters of base64url"))
            }
        }
    }
}

impl FromStr for Cursor {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row(u64, String);

    impl Place for Row {
        const LIST: &'static str = "rows";
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other(u64, String);

    impl Place for Other {
        const LIST: &'static str = "others";
    }

    #[test]
    fn a_page_has_the_documented_json() {
        is_written_as(&Page { items: vec![1, 2], next: None }, r#"{"items":[1,2]}"#);
        let next = Some("WzFd".parse().unwrap());
        is_written_as(&Page { items: Vec::<u8>::new(), next }, r#"{"items":[],"next":"WzFd"}"#);
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let cursor = Cursor::at(&Row(7, "a".to_owned())).unwrap();
        assert_eq!(cursor.place::<Row>().unwrap(), Row(7, "a".to_owned()));
        for foreign in [cursor.place::<Other>(), "AAAA".parse::<Cursor>().unwrap().place()] {
            assert!(foreign.unwrap_err().to_string().contains("of this list"));
        }
        for bad in [String::new(), "a b".to_owned(), "a=".to_owned(), "a".repeat(513)] {
            let json = serde_json::to_string(&bad).unwrap();
            assert!(complaint::<Cursor>(&json).contains("1 to 512 characters"), "{bad}");
        }
        assert!(Cursor::at(&Row(7, "a".repeat(400))).is_err());
    }

    #[test]
    fn a_page_is_neither_empty_by_request_nor_without_end() {
        for (text, expected) in [("1", Some(1)), ("500", Some(500)), ("0", None), ("501", None)] {
            assert_eq!(text.parse::<PageLimit>().ok().map(PageLimit::items), expected, "{text}");
        }
        for bad in ["", "-1", "1.0", "99999999"] {
            assert!(bad.parse::<PageLimit>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_place(number: u64, text in ".{0,60}") {
            let cursor = Cursor::at(&Row(number, text.clone())).unwrap();
            prop_assert_eq!(cursor.as_str().parse::<Cursor>().unwrap().place::<Row>().unwrap(), Row(number, text));
        }

        #[test]
        fn a_stranger_cannot_crash_a_node_with_a_cursor(text in "[a-zA-Z0-9_-]{1,60}") {
            let _ = text.parse::<Cursor>().unwrap().place::<Row>();
        }
    }
}
