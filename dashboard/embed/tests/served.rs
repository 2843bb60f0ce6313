//! What a browser is given of the dashboard, and what it can't get.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use axum::response::Response;
use gantline_dashboard::{Dashboard, File, Place, Scheme, Sockets};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use proptest::prelude::*;

static FILES: &[File] = &[
    File {
        path: "/assets/main-D2f9.js",
        hash: "aa",
        plain: b"plain script",
        gzip: Some(b"gzipped"),
        brotli: Some(b"br"),
    },
    File { path: "/icon.svg", hash: "bb", plain: b"<svg/>", gzip: None, brotli: None },
    File { path: "/index.html", hash: "cc", plain: b"<page>", gzip: None, brotli: None },
];

const PLACE: Place<'_> =
    Place { authority: "127.0.0.1:33120", sockets: Sockets::Own, scheme: Scheme::Plain };

fn ask(
    dashboard: Dashboard,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    dashboard.answer(&method, &path.parse().unwrap(), &headers, &PLACE)
}

fn get(path: &str, fields: &[(&'static str, &str)]) -> Response {
    ask(Dashboard::of(FILES), Method::GET, path, fields)
}

async fn body(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn field<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_address_of_the_dashboard_is_its_page_and_is_asked_for_anew_each_time() {
    for path in ["/", "/index.html", "/machines/abc/agents/ag-x7k2p", "/settings?tab=1", "/pair"] {
        let response = get(path, &[]);
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(field(&response, "cache-control"), Some("no-cache"));
        assert_eq!(field(&response, "content-type"), Some("text/html; charset=utf-8"));
        let tag = field(&response, "etag").unwrap().to_owned();
        assert_eq!(body(response).await, b"<page>");
        let again = get(path, &[("if-none-match", &format!("\"x\", {tag}"))]);
        assert_eq!(again.status(), 304);
        assert_eq!(body(again).await, b"");
    }
}

#[tokio::test]
async fn a_file_whose_name_has_its_hash_is_kept_for_ever_and_comes_compressed() {
    let path = "/assets/main-D2f9.js";
    for (accepts, encoding, bytes) in [
        ("gzip, deflate, br", Some("br"), &b"br"[..]),
        ("gzip", Some("gzip"), b"gzipped"),
        ("identity", None, b"plain script"),
    ] {
        let response = get(path, &[("accept-encoding", accepts)]);
        assert_eq!(field(&response, "cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(field(&response, "content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(field(&response, "content-encoding"), encoding);
        assert_eq!(field(&response, "vary"), Some("accept-encoding"));
        assert_eq!(field(&response, "content-length"), Some(bytes.len().to_string().as_str()));
        assert_eq!(body(response).await, bytes);
    }
    let head = ask(Dashboard::of(FILES), Method::HEAD, path, &[]);
    assert_eq!((field(&head, "content-length"), head.status().as_u16()), (Some("12"), 200));
    assert_eq!(body(head).await, b"");
}

#[test]
fn what_is_no_file_is_not_there_and_no_path_leads_out() {
    for path in [
        "/assets/other-1111.js",
        "/assets/",
        "/favicon.ico",
        "/robots.txt",
        "/v1/nothing",
        "/v1",
        "/machines/a.b",
    ] {
        assert_eq!(get(path, &[]).status(), 404, "{path}");
    }
    for path in [
        "/../etc/passwd",
        "/assets/../../index.html",
        "/assets/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5cwindows",
        "/%252e%252e/x",
        "//evil.example/",
        "/.git/config",
        "/x/./y",
        "/a%00.html",
    ] {
        assert_eq!(get(path, &[]).status(), 400, "{path}");
    }
    assert_eq!(get(&format!("/{}", "x".repeat(2000)), &[]).status(), 400);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let response = ask(Dashboard::of(FILES), method, "/", &[]);
        assert_eq!(
            (response.status().as_u16(), field(&response, "allow")),
            (405, Some("GET, HEAD"))
        );
    }
}

#[test]
fn every_answer_has_all_of_its_walls_also_one_that_fails() {
    for path in ["/", "/assets/main-D2f9.js", "/nothing.js", "/../x"] {
        let response = get(path, &[]);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(field(&response, name), Some(value), "{path}");
        }
        assert_eq!(field(&response, "content-security-policy"), Some(PLACE.policy().as_str()));
        assert!(field(&response, "permissions-policy").unwrap().contains("camera=()"));
        assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn a_program_without_a_dashboard_says_how_to_build_one() {
    let response = ask(Dashboard::of(&[]), Method::GET, "/machines", &[]);
    assert_eq!(response.status(), 200);
    assert!(field(&response, "content-security-policy").is_some());
    let page = String::from_utf8(body(response).await).unwrap();
    assert!(page.contains("npm run build") && page.contains("cargo build"), "{page}");
    // The policy would stop it, so there must be none.
    assert!(!page.contains("<script") && !page.contains("style"), "{page}");
    assert!(!Dashboard::of(&[]).is_built() && Dashboard::of(FILES).is_built());
}

proptest! {
    #[test]
    fn whatever_is_asked_is_one_of_the_files_or_nothing(path in "/[!-~&&[^#? <>\"`{}]]{0,60}") {
        if let Ok(uri) = path.parse() {
            let response = Dashboard::of(FILES).answer(&Method::GET, &uri, &HeaderMap::new(), &PLACE);
            prop_assert!([200, 400, 404].contains(&response.status().as_u16()));
        }
    }
}
