//! What went wrong with a request: problem details (RFC 9457) with a code for programs.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// The body of every answer with a status from 400.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A URI for the kind of problem. Always `about:blank` in version 1: `code` says more.
    #[serde(rename = "type", default = "about_blank")]
    pub type_uri: Cow<'static, str>,
    /// The status in words (RFC 9110 section 15).
    pub title: Cow<'static, str>,
    /// The status code, 400 to 599.
    pub status: u16,
    /// What a program can act on.
    pub code: ProblemCode,
    /// For people: what, why, what next. It may quote what a stranger sent; show it as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The path of the resource in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Problem {
    /// The content type of a problem.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    /// A problem with the status that belongs to `code`, and `detail` for people.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let (status, title) = code.status();
        Self {
            type_uri: about_blank(),
            title: Cow::Borrowed(title),
            status,
            code,
            detail: Some(detail.into()),
            instance: None,
        }
    }
}

const fn about_blank() -> Cow<'static, str> {
    Cow::Borrowed("about:blank")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))
    }
}

impl std::error::Error for Problem {}

/// What went wrong, by what a program can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// The request is malformed or out of bounds; the detail says which bound.
    InvalidRequest,
    /// The request carries no credential, or one that is not known.
    Unauthenticated,
    /// The role of the device does not allow this.
    RoleForbids,
    /// The machine's policy denies this command.
    PolicyForbids,
    /// There is no such thing, or none that the device may know of.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The state of the thing does not allow this now.
    Conflict,
    /// The body is larger than the route accepts.
    TooLarge,
    /// The `Idempotency-Key` was used with another request before.
    IdempotencyMismatch,
    /// Too many requests; `Retry-After` says when to come back.
    Rate,
    /// An error inside the node.
    Internal,
    /// The gateway has no path to the machine.
    Unreachable,
    /// Something that the node needs is away for now, or the node is stopping.
    Unavailable,
    /// The machine did not answer the gateway in time; whether it acted is not known.
    TimedOut,
    /// A code that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

impl ProblemCode {
    /// The status code that belongs to the problem, and its words (RFC 9110 section 15).
    #[must_use]
    pub const fn status(self) -> (u16, &'static str) {
        match self {
            Self::InvalidRequest => (400, "Bad Request"),
            Self::Unauthenticated => (401, "Unauthorized"),
            Self::RoleForbids | Self::PolicyForbids => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::Conflict => (409, "Conflict"),
            Self::TooLarge => (413, "Content Too Large"),
            Self::IdempotencyMismatch => (422, "Unprocessable Content"),
            Self::Rate => (429, "Too Many Requests"),
            Self::Internal | Self::Other => (500, "Internal Server Error"),
            Self::Unreachable => (502, "Bad Gateway"),
            Self::Unavailable => (503, "Service Unavailable"),
            Self::TimedOut => (504, "Gateway Timeout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn a_problem_has_the_documented_json() {
        let mut problem = Problem::new(ProblemCode::PolicyForbids, "sudo is denied");
        is_written_as(
            &problem,
            r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"policy-forbids","detail":"sudo is denied"}"#,
        );
        assert_eq!(problem.to_string(), "sudo is denied");
        problem.detail = None;
        problem.instance = Some("/v1/agents".to_owned());
        is_written_as(
            &problem,
            r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"policy-forbids","instance":"/v1/agents"}"#,
        );
        assert_eq!(problem.to_string(), "Forbidden");
    }

    #[test]
    fn an_old_client_understands_a_problem_from_the_future() {
        let json = r#"{"title":"Gone","status":410,"code":"long-gone"}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!((problem.code, problem.status), (ProblemCode::Other, 410));
        assert_eq!(problem.type_uri, "about:blank");
    }
}
