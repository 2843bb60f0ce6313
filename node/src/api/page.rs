//! Which page of a list was asked for, and the answer made of what was found.

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use gantline_protocol::{
    WireError,
    api::{Cursor, Page, PageLimit, Place},
};
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::{Refused, input::Asked};

/// The page that was asked for, by `limit` and `cursor` in the query. `P` says where a page begins.
/// For the description, a route with such an argument has [`PageQuery`] among its `params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paging<P> {
    /// Where it begins; the beginning of the list if there is nothing.
    pub(super) after: Option<P>,
    /// How many items it has at most.
    pub(super) limit: usize,
}

/// What the query of a list that is read in pages may say.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The most items that the page may have; 100 if left out.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500)]
    limit: Option<PageLimit>,
    /// Where the page begins: `next` of the page before. The other parameters have to be the same
    /// as there.
    cursor: Option<Cursor>,
}

impl<P: Place> Paging<P> {
    /// How many items to look for: one more than fit tells that there is another page.
    pub(super) const fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// The page made of what was found, in the order of the list, at most [`Self::wanted`] items.
    /// `place` tells where the page that begins behind an item begins.
    pub(super) fn page<T>(&self, mut found: Vec<T>, place: impl Fn(&T) -> P) -> Paged<T> {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let next = match found.last() {
            Some(last) if more => Some(Cursor::at(&place(last))),
            Some(_) | None => None,
        };
        Paged { items: found, next }
    }
}

impl<P: Place, S: Send + Sync> FromRequestParts<S> for Paging<P> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Asked(PageQuery { limit, cursor }) = Asked::from_request_parts(parts, state).await?;
        let after = cursor.map(|cursor| cursor.place::<P>()).transpose();
        let after = after.map_err(|error| Refused::invalid(error.to_string()))?;
        Ok(Self { after, limit: limit.unwrap_or_default().items() })
    }
}

/// A page as an answer.
#[derive(Debug)]
pub(super) struct Paged<T> {
    items: Vec<T>,
    next: Option<Result<Cursor, WireError>>,
}

impl<T: Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        match self.next.transpose() {
            Ok(next) => Json(Page { items: self.items, next }).into_response(),
            Err(error) => Refused::internal(&error).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, routing::get};
    use gantline_protocol::api::{Problem, ProblemCode};
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct After(u32);

    impl Place for After {
        const LIST: &'static str = "numbers";
    }

    #[derive(Serialize, Deserialize)]
    struct Elsewhere(u32);

    impl Place for Elsewhere {
        const LIST: &'static str = "elsewhere";
    }

    /// The numbers from 1 to 1,100.
    async fn numbers(paging: Paging<After>) -> Paged<u32> {
        let first = paging.after.as_ref().map_or(1, |After(last)| last + 1);
        let found = (first..=1_100).take(paging.wanted()).collect();
        paging.page(found, |last| After(*last))
    }

    async fn ask(query: &str) -> (StatusCode, axum::body::Bytes) {
        let router: Router = Router::new().route("/numbers", get(numbers));
        let request = Request::get(format!("/numbers{query}")).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn whoever_follows_next_reads_a_whole_list_once() {
        for (limit, pages) in [("", 11), ("limit=500", 3), ("limit=100", 11), ("limit=1", 1_100)] {
            let (mut read, mut asked, mut query) = (Vec::new(), 0, format!("?{limit}"));
            loop {
                let (status, body) = ask(&query).await;
                assert_eq!(status, StatusCode::OK);
                let page: Page<u32> = serde_json::from_slice(&body).unwrap();
                read.extend(page.items);
                asked += 1;
                match page.next {
                    Some(next) => query = format!("?{limit}&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(read, (1..=1_100).collect::<Vec<_>>());
            assert_eq!(asked, pages, "{limit}");
        }
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_says_what_is_wrong() {
        let elsewhere = format!("cursor={}", Cursor::at(&Elsewhere(3)).unwrap());
        let bad =
            ["limit=0", "limit=501", "limit=x", "limit=", "cursor=", "cursor=AAAA", "cursor=%00"];
        for query in bad.iter().copied().chain([&*elsewhere]) {
            let (status, body) = ask(&format!("?{query}")).await;
            let problem: Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (status.as_u16(), problem.code),
                (400, ProblemCode::InvalidRequest),
                "{query}"
            );
            let what = query.split('=').next().unwrap();
            assert!(problem.to_string().contains(what), "{query}: {problem}");
        }
    }
}
