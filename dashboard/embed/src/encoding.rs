//! Which encoding of a file a browser is given (RFC 9110 section 12.5.3).

use http::{HeaderValue, header::GetAll};

use crate::File;

/// An encoding, the better ones last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    Plain,
    Gzip,
    Brotli,
}

impl Encoding {
    /// The best encoding of `file` that the browser takes, and the bytes.
    pub(super) fn choose(
        accepted: GetAll<'_, HeaderValue>,
        file: &'static File,
    ) -> (Self, &'static [u8]) {
        let values = accepted.iter().filter_map(|value| value.to_str().ok());
        let taken = values.flat_map(|value| value.split(',')).filter_map(Self::taken);
        let there = taken.filter_map(|encoding| Some((encoding, encoding.of(file)?)));
        there.max_by_key(|(encoding, _)| *encoding).unwrap_or((Self::Plain, file.plain))
    }

    /// Its name in `content-encoding`.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The encoding that an item of `accept-encoding` takes; none if it says that it takes it not.
    fn taken(item: &str) -> Option<Self> {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        if weight.is_ok_and(|weight| weight <= 0.0) {
            return None;
        }
        [Self::Gzip, Self::Brotli].into_iter().find(|encoding| {
            encoding.name().is_some_and(|own| own.eq_ignore_ascii_case(name.trim()))
        })
    }

    const fn of(self, file: &File) -> Option<&'static [u8]> {
        match self {
            Self::Plain => Some(file.plain),
            Self::Gzip => file.gzip,
            Self::Brotli => file.brotli,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::ACCEPT_ENCODING};
    use proptest::prelude::*;

    use super::*;

    static FILE: File =
        File { path: "/a", hash: "", plain: b"plain", gzip: Some(b"gz"), brotli: Some(b"br") };
    static ONLY_GZIP: File = File { brotli: None, ..FILE };

    fn chosen(accepted: &str, file: &'static File) -> Encoding {
        let mut headers = HeaderMap::new();
        if let Ok(value) = accepted.parse() {
            headers.insert(ACCEPT_ENCODING, value);
        }
        Encoding::choose(headers.get_all(ACCEPT_ENCODING), file).0
    }

    #[test]
    fn a_browser_gets_the_smallest_that_it_takes_and_nothing_else() {
        for (accepted, encoding) in [
            ("", Encoding::Plain),
            ("identity", Encoding::Plain),
            ("gzip", Encoding::Gzip),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("br;q=0, gzip;q=0.5", Encoding::Gzip),
            ("BR ; q=1.0", Encoding::Brotli),
            ("gzip;q=0.000", Encoding::Plain),
            ("brr, xgzip", Encoding::Plain),
        ] {
            assert_eq!(chosen(accepted, &FILE), encoding, "{accepted}");
        }
        assert_eq!(chosen("br, gzip", &ONLY_GZIP), Encoding::Gzip);
        assert_eq!(chosen("br", &ONLY_GZIP), Encoding::Plain);
    }

    proptest! {
        #[test]
        fn no_wish_of_a_browser_breaks_anything(accepted in "[ -~]{0,200}") {
            let _ = chosen(&accepted, &FILE);
        }
    }
}
