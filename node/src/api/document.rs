//! The OpenAPI document, made from the routes, the models and the table of roles.

use std::sync::LazyLock;

use gantline_protocol::{
    Offset,
    api::{Dependency, MachineEventsMissed, PagePlace, PageToken, PageTokenRequest, Problem},
};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::routes;
use crate::access::{Access, Effect, From, TABLE};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gantline",
        description = "The API of one machine's node. It is the same on every path that leads \
            there: the Unix socket and 127.0.0.1 of the machine itself, and each session of a \
            paired device.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(
        Dependency,
        MachineEventsMissed,
        Offset,
        PagePlace,
        PageToken,
        PageTokenRequest,
        Problem
    ))
)]
pub(super) struct Description;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let (_, document) = routes::all().split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    without_null(&mut document);
    without_stars(&mut document);
    for access in TABLE {
        complete(&mut document, access);
    }
    document
});

/// The OpenAPI document of the API.
#[must_use]
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Adds what is the same everywhere: how a route fails, and what the table says of it.
fn complete(document: &mut Value, access: &Access) {
    let method = access.method.as_str().to_ascii_lowercase();
    let path = documented(access.path);
    let paths = document.get_mut("paths").and_then(|paths| paths.get_mut(&path));
    let Some(operation) = paths.and_then(|path| path.get_mut(&method)) else {
        return;
    };
    let Some(operation) = operation.as_object_mut() else {
        return;
    };
    if access.path != path {
        // One handler answers several methods, and an operation's name may be there once.
        let name = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{name}_{method}");
        operation.insert("operationId".to_owned(), json!(name));
    }
    operation.insert("x-least-role".to_owned(), json!(access.least));
    if access.from == From::Here {
        operation.insert("x-only-here".to_owned(), json!(true));
    }
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ Problem::CONTENT_TYPE: { "schema": schema } });
        let failure = json!({ "description": "What went wrong.", "content": content });
        responses.insert("default".to_owned(), failure);
    }
    if !matches!(access.effect, Effect::Changes { .. }) {
        return;
    }
    let key = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Drawn by the client for this request: sent again with the same key, it acts once.",
        "schema": { "type": "string", "pattern": "^[!-~]{8,128}$" },
    });
    if let Some(parameters) =
        operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()
    {
        parameters.push(key);
    }
}

/// A path as it is documented: the router marks a parameter that takes the rest of it by a star.
#[must_use]
pub fn documented(path: &str) -> String {
    path.replace("{*", "{")
}

fn without_stars(document: &mut Value) {
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        let all = std::mem::take(paths);
        paths.extend(all.into_iter().map(|(path, operations)| (documented(&path), operations)));
    }
}

/// What is optional in the API is left out and never null; utoipa describes it as either.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("oneOf") {
                let before = choices.len();
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let ([Value::Object(only)], true) = (choices.as_slice(), choices.len() < before)
                {
                    let only = only.clone();
                    members.remove("oneOf");
                    for (name, value) in only {
                        members.entry(name).or_insert(value);
                    }
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
