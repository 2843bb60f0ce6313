//! The OpenAPI document, made from the routes, the models and the table of roles.

use std::{collections::BTreeSet, sync::LazyLock};

use gantline_protocol::{
    Epoch, Offset,
    api::{
        Cursor, Dependency, EventId, ExecEvent, MachineEventsMissed, PagePlace, PageToken,
        PageTokenRequest, Problem,
    },
};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::routes;
use crate::access::{Access, Effect, From, TABLE};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gantline",
        description = "The API of one machine's node. It is the same on every path that leads \
            there: the Unix socket and 127.0.0.1 of the machine itself, and each session of a \
            paired device. docs/api.md tells what holds for all of it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((
        url = "http://127.0.0.1:{port}",
        description = "The machine's own loopback address.",
        variables(("port" = (
            default = "33120",
            description = "The next free one if it is taken; `gantline status` tells it."
        )))
    )),
    tags(
        (name = "agents", description = "Commands that the machine starts and watches over."),
        (name = "exec", description = "One command, run to its end while its output streams."),
        (name = "machine", description = "The machine and its node."),
        (name = "events", description = "What happens on the machine."),
        (name = "devices", description = "Who may reach the machine."),
        (name = "pairing", description = "Codes and invitations by which devices are paired."),
    ),
    components(schemas(
        Cursor,
        Dependency,
        Epoch,
        EventId,
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
    reword(&mut document);
    without_stars(&mut document);
    for access in TABLE {
        complete(&mut document, access);
    }
    insert(&mut document, "/components", "responses", failures());
    insert(&mut document, "/components", "securitySchemes", schemes());
    insert(&mut document, "", "security", json!([{ TOKEN: [] }]));
    never_answer_null(&mut document);
    document
});

/// The OpenAPI document of the API.
#[must_use]
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The name of the token in the document.
const TOKEN: &str = "token";

fn schemes() -> Value {
    json!({ TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "On 127.0.0.1: the token of this start of the node, from \
            `run/loopback.token` in its directory. A WebSocket offers the subprotocols \
            `gantline.v1` and `gantline.bearer.TOKEN` instead. On the Unix socket the system says \
            who asks, and in a session its handshake does; neither takes a credential.",
    }})
}

/// How requests fail wherever they fail so; a route may say more of its own.
const FAILURES: &[(u16, &str)] = &[
    (400, "The request is malformed or out of bounds; the detail says which bound."),
    (401, "It comes from nobody known. On 127.0.0.1: without the token of this start of the node."),
    (403, "The role does not allow it. On 127.0.0.1 also: by another name or from another page."),
    (404, "There is no such thing."),
    (
        409,
        "Its state does not allow it now; or the request with this `Idempotency-Key` still runs, \
         or was carried out and its answer is not kept.",
    ),
    (413, "The body is longer than this route takes."),
    (415, "The body is not of the type `application/json`."),
    (422, "This `Idempotency-Key` was used with another request."),
    (429, "Too many wrong tokens, or too many requests with an `Idempotency-Key` at a time."),
    (500, "An error inside the node; its log says more."),
    (502, "There is no way to the machine."),
    (503, "Something that the node needs is away for now, or the node is stopping."),
    (504, "The machine did not answer in time; whether it acted is not known."),
];

fn failures() -> Value {
    let response = |(status, what): &(u16, &str)| {
        let mut response = failure(what);
        if *status == 429 {
            let schema = json!({ "type": "integer", "minimum": 0 });
            let after = json!({ "description": "Seconds to wait.", "schema": schema });
            insert(&mut response, "", "headers", json!({ "Retry-After": after }));
        }
        (status.to_string(), response)
    };
    Value::Object(FAILURES.iter().map(response).collect())
}

fn failure(what: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": what, "content": { Problem::CONTENT_TYPE: { "schema": schema } } })
}

/// Adds what follows from the table, and how the route fails.
fn complete(document: &mut Value, access: &Access) {
    let method = access.method.as_str().to_ascii_lowercase();
    let path = documented(access.path);
    let paths = document.get_mut("paths").and_then(|paths| paths.get_mut(&path));
    let Some(operation) = paths.and_then(|path| path.get_mut(&method)?.as_object_mut()) else {
        return;
    };
    if access.path != path {
        // One handler answers several methods, and an operation's name may be there once.
        let name = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{name}_{method}");
        operation.insert("operationId".to_owned(), json!(name));
    }
    let noun = path.split('/').nth(2).unwrap_or_default().trim_end_matches(".json");
    operation.entry("tags").or_insert_with(|| json!([noun]));
    operation.insert("x-least-role".to_owned(), json!(access.least));
    if access.from == From::Here {
        operation.insert("x-only-here".to_owned(), json!(true));
    }
    let changes = matches!(access.effect, Effect::Changes { .. });
    if changes
        && let Some(parameters) =
            operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()
    {
        parameters.push(idempotency_key());
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let is_in_path = |parameter: &Value| parameter.get("in") == Some(&json!("path"));
    let has_more = parameters.is_some_and(|parameters| !parameters.iter().all(is_in_path));
    let has_body = operation.contains_key("requestBody");
    let fails = |status: u16| match status {
        400 => has_more || has_body,
        404 => access.path.contains('{'),
        409 | 422 | 503 => changes,
        413 => access.effect != Effect::Converses,
        502 | 504 => access.path.starts_with("/v1/machines"),
        415 => has_body,
        _ => true,
    };
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for (status, response) in responses.iter_mut() {
        let what = response.get("description").and_then(Value::as_str).unwrap_or_default();
        if status.starts_with(['4', '5']) && response.get("content").is_none() {
            *response = failure(what);
        }
    }
    for (status, _) in FAILURES.iter().filter(|(status, _)| fails(*status)) {
        let shared = json!({ "$ref": format!("#/components/responses/{status}") });
        responses.entry(status.to_string()).or_insert(shared);
    }
    if access.path != path {
        let any = json!({ "description": "Whatever the other machine answers." });
        responses.insert("default".to_owned(), any);
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Drawn by the client for this request: sent again with the same key, it acts once.",
        "schema": { "type": "string", "pattern": "^[!-~]{8,128}$" },
    })
}

fn insert(document: &mut Value, pointer: &str, name: &str, value: Value) {
    if let Some(members) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
        members.insert(name.to_owned(), value);
    }
}

/// Answers leave out what there is nothing to say about; utoipa describes it as null as well. Only
/// schemas of requests alone keep that: there null counts as left out, and in a merge patch it takes
/// away.
fn never_answer_null(document: &mut Value) {
    let (mut answered, mut all) = (BTreeSet::new(), BTreeSet::new());
    if let Some(paths) = document.get("paths") {
        referred(paths, document, Some("requestBody"), &mut answered);
        referred(paths, document, None, &mut all);
    }
    if let Some(paths) = document.get_mut("paths") {
        without_null(paths);
    }
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        if answered.contains(name) || !all.contains(name) {
            without_null(schema);
        }
    }
}

/// Collects the names of what `value` refers to, but for what is in members called `except`.
fn referred(value: &Value, document: &Value, except: Option<&str>, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                let name = to.rsplit('/').next().unwrap_or_default();
                if let Some(schema) = document.pointer(to.trim_start_matches('#'))
                    && names.insert(name.to_owned())
                {
                    referred(schema, document, except, names);
                }
            }
            let rest = members.iter().filter(|(name, _)| Some(name.as_str()) != except);
            rest.for_each(|(_, value)| referred(value, document, except, names));
        }
        Value::Array(items) => {
            items.iter().for_each(|item| referred(item, document, except, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
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

fn without_null(value: &mut Value) {
    match value {
        Value::Object(members) => {
            forget_null(members);
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn forget_null(members: &mut Map<String, Value>) {
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
        if let ([Value::Object(only)], true) = (choices.as_slice(), choices.len() < before) {
            let only = only.clone();
            members.remove("oneOf");
            for (name, value) in only {
                members.entry(name).or_insert(value);
            }
        }
    }
}

/// Mends what is said of single values: comments link to what is not in here, numbers without sign
/// are said to have one, and streams to be one value.
fn reword(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let format = members.get("format").and_then(Value::as_str);
            if let (Some(format @ ("int32" | "int64")), true) =
                (format, members.contains_key("minimum"))
            {
                // These have a sign, and bounds by it.
                if format == "int32" {
                    members.entry("maximum").or_insert(json!(u32::MAX));
                }
                members.remove("format");
            }
            if let Some(schema) = schema_of(members, "text/event-stream") {
                *schema = told(schema);
            }
            if let Some(schema) = schema_of(members, ExecEvent::CONTENT_TYPE) {
                *schema = json!({ "type": "array", "items": schema });
            }
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "description" || name == "summary" => {
                        *text = text.replace("[`", "`").replace("`]", "`");
                    }
                    Value::Object(_) | Value::Array(_) => reword(value),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(reword),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schema_of<'v>(content: &'v mut Map<String, Value>, kind: &str) -> Option<&'v mut Value> {
    content.get_mut(kind)?.get_mut("schema")
}

/// One server-sent event with such data.
fn told(data: &Value) -> Value {
    json!({
        "description": "One server-sent event. One that is named `missed` has no data worth reading.",
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "event": { "type": "string" },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": { "anyOf": [data, { "type": "object", "maxProperties": 0 }] },
            },
        },
        "required": ["data"],
    })
}
