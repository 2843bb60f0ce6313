//! The dashboard's files, embedded as `npm run build` left them, and the one way in which a node
//! and a relay give them to a browser. Without a build there is a page that says how to make one.

#[cfg(debug_assertions)]
mod directory;
mod encoding;
#[cfg(test)]
mod pack;
mod policy;

use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use self::encoding::Encoding;
pub use self::policy::{Place, Scheme, Sockets, TRUSTED_TYPES};

/// The page, for every address that is one of the dashboard's own.
const PAGE: &str = "/index.html";
/// Below it every name has the hash of its content in it, and so never means anything else.
const HASHED: &str = "/assets/";
/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 1024;
/// What the page may use of the browser's machine.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(self), \
     clipboard-write=(self), display-capture=(), fullscreen=(self), geolocation=(), gyroscope=(), \
     hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), \
     xr-spatial-tracking=()";

static EMBEDDED: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

static MISSING: &[File] = &[File {
    path: PAGE,
    hash: "missing-1",
    plain: include_bytes!("missing.html"),
    gzip: None,
    brotli: None,
}];

/// A file of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its path in a URL.
    pub path: &'static str,
    /// Tells one content from another.
    pub hash: &'static str,
    /// Its content.
    pub plain: &'static [u8],
    /// The same, compressed, if that gains anything.
    pub gzip: Option<&'static [u8]>,
    /// The same.
    pub brotli: Option<&'static [u8]>,
}

/// The dashboard, as it is served. Copies are the same.
#[derive(Debug, Clone, Copy)]
pub struct Dashboard {
    files: &'static [File],
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    File(&'static File),
    Nothing,
    /// It tries to mean something else than it says.
    Malformed,
}

impl Dashboard {
    /// The dashboard that was built with this program; if none was, a page that says how. A program
    /// for debugging takes another from the directory that `GANTLINE_DASHBOARD_DIR` names, as it is
    /// when it is first asked for.
    #[must_use]
    pub fn embedded() -> Self {
        #[cfg(debug_assertions)]
        if let Some(files) = directory::files() {
            return Self::of(files);
        }
        Self::of(EMBEDDED)
    }

    /// A dashboard of these files; without any, the page that says how to build it.
    #[must_use]
    pub const fn of(files: &'static [File]) -> Self {
        Self { files: if files.is_empty() { MISSING } else { files } }
    }

    /// Whether it was built with this program.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.files != MISSING
    }

    /// Answers a request for one of its files or pages. Who may ask, the caller has seen to.
    #[must_use]
    pub fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        asked: &HeaderMap,
        place: &Place<'_>,
    ) -> Response {
        let mut response = match (method, self.find(uri.path())) {
            (_, Found::Malformed) => plain(StatusCode::BAD_REQUEST, "That is no path.\n"),
            (_, Found::Nothing) => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
            (&Method::GET | &Method::HEAD, Found::File(file)) => give(file, method, asked),
            (_, Found::File(_)) => {
                let mut response =
                    plain(StatusCode::METHOD_NOT_ALLOWED, "This can only be read.\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
        };
        secure(response.headers_mut(), place);
        response
    }

    /// Only what was embedded can be found, so no path leads out. The addresses of the dashboard's
    /// own pages all mean the one page; what looks like a file and is none is not there.
    fn find(&self, path: &str) -> Found {
        let is_file = |wanted: &str| self.files.iter().find(|file| file.path == wanted);
        if is_malformed(path) {
            return Found::Malformed;
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_page = !path.starts_with(HASHED) && !path.starts_with("/v1/") && path != "/v1";
        let found = match is_file(path) {
            None if is_page && !last.contains('.') => is_file(PAGE),
            found => found,
        };
        found.map_or(Found::Nothing, Found::File)
    }
}

fn is_malformed(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let hides = ["%2e", "%2f", "%5c", "%00", "%25", "\\", "//"];
    !path.starts_with('/')
        || path.len() > MAX_PATH
        || hides.iter().any(|hidden| lower.contains(hidden))
        || path.split('/').any(|part| part.starts_with('.'))
}

fn give(file: &'static File, method: &Method, asked: &HeaderMap) -> Response {
    // The same for all encodings of a file, and therefore a weak one.
    let tag = format!("W/\"{}\"", file.hash);
    let is_known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|known| known.split(',').map(str::trim).any(|known| known == tag || known == "*"));
    let (encoding, bytes) = Encoding::choose(asked.get_all(ACCEPT_ENCODING), file);
    let body = match is_known || method == Method::HEAD {
        true => Body::empty(),
        false => Body::from(bytes),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    let caching = match file.path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file.path)));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    if let Some(encoding) = encoding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn secure(headers: &mut HeaderMap, place: &Place<'_>) {
    let fixed: [(HeaderName, &str); 7] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("origin-agent-cluster"), "?1"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A place that can't be written gets the policy that lets nothing out at all.
    let policy = HeaderValue::from_str(&place.policy())
        .unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
}

fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
