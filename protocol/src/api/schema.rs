//! What the OpenAPI document says about the types whose JSON is not that of their members.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr,
        schema::{AdditionalProperties, KnownFormat, Schema, SchemaFormat, Type},
    },
};

use super::{
    AddMachineRequest, Argv, Cursor, Cwd, Dependencies, Dependency, Env, EventId, ExecBytes,
    ExitStatus, InvitationLink, LineText, PairingCode, ProbePath, StopSignal, SuccessCodes,
    command::MAX_ITEM,
};
use crate::{
    AgentId, Alias, DeviceId, Epoch, HostName, InvitationId, MachineId, Name, Offset, RelayAddress,
    Timestamp, terminal::TerminalSize,
};

/// Gives a type its name in the document and its schema.
macro_rules! schema {
    ($($type:ident => $schema:expr,)*) => {$(
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema.build()).into()
            }
        }
    )*};
}

schema! {
    MachineId => pattern("Names a machine for ever.", "^[a-z2-7]{25}[aeimquy4]$"),
    DeviceId => pattern("Names a device on one machine.", "^[0-9a-f]{32}$"),
    AgentId => pattern("Names an agent on its machine.", "^ag-[a-z0-9]{5}$"),
    Epoch => pattern("One life of an agent's process; opaque.", "^[0-9a-f]{16}$"),
    PairingCode => pattern("Eight digits; spaces and hyphens between them are ignored.", "^[0-9 -]+$"),
    Alias => pattern("A machine's subdomain.", "^[a-z0-9]([a-z0-9-]{0,23}[a-z0-9])?$"),
    HostName => text("A relay's domain, lower case, without port; or an IP address.", HostName::MAX),
    RelayAddress => text("A relay as it is dialled: host[:port][~pin].", RelayAddress::MAX),
    Name => text("A name for people, without control or invisible characters.", Name::MAX),
    Cwd => text("A directory; a relative one begins at the user's home directory.", Cwd::MAX).pattern(Some(WITHOUT_NUL)),
    InvitationLink => text("A link that pairs whoever has it, shown this once.", 4096),
    Timestamp => described("Milliseconds since 1970-01-01T00:00:00Z.").schema_type(Type::Integer).minimum(Some(0)),
    Offset => number("Bytes of output since the epoch began.", KnownFormat::Int64),
    EventId => number("The place of an event among all of this machine.", KnownFormat::Int64).maximum(Some(EventId::MAX)),
    InvitationId => number("Names an invitation on its machine.", KnownFormat::Int64),
    TerminalSize => cells(),
    ExitStatus => exit(),
    ExecBytes => output(),
    ProbePath => pattern("Path and query of a check by HTTP.", "^/[!-~]*$").max_length(Some(ProbePath::MAX)),
    LineText => text("What is looked for in a line of output, without line breaks.", LineText::MAX).pattern(Some("^[^\\u0000\\r\\n]*$")),
    Cursor => pattern("A place in a list, from `next` of its last page.", "^[A-Za-z0-9_-]+$").max_length(Some(Cursor::MAX)),
    StopSignal => stop_signal(),
    SuccessCodes => success_codes(),
    Dependencies => dependencies(),
    Argv => arguments(),
    Env => environment(),
    AddMachineRequest => machine_to_add(),
}

const WITHOUT_NUL: &str = "^[^\\u0000]*$";

fn described(what: &str) -> ObjectBuilder {
    ObjectBuilder::new().description(Some(what))
}

fn pattern(what: &str, pattern: &str) -> ObjectBuilder {
    described(what).schema_type(Type::String).pattern(Some(pattern))
}

fn text(what: &str, bytes: usize) -> ObjectBuilder {
    let what = format!("{what} At most {bytes} bytes of UTF-8.");
    described(&what).schema_type(Type::String).min_length(Some(1)).max_length(Some(bytes))
}

fn number(what: &str, format: KnownFormat) -> ObjectBuilder {
    described(what)
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .minimum(Some(0))
}

fn cells() -> ObjectBuilder {
    let cells = || {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(TerminalSize::MAX))
    };
    described("A terminal's size in character cells.")
        .schema_type(Type::Object)
        .property("cols", cells())
        .property("rows", cells())
        .required("cols")
        .required("rows")
}

fn exit() -> OneOfBuilder {
    let by = |what: &str, member: &str| {
        described(what)
            .schema_type(Type::Object)
            .property(member, ObjectBuilder::new().schema_type(Type::Integer))
            .required(member)
    };
    OneOfBuilder::new()
        .description(Some("How a process ended."))
        .item(by("By itself, with this code.", "code"))
        .item(by("By this signal, numbered as on its machine.", "signal"))
}

fn output() -> OneOfBuilder {
    let as_member = |what: &str, member: &str| {
        described(what)
            .schema_type(Type::Object)
            .property(member, ObjectBuilder::new().schema_type(Type::String))
            .required(member)
    };
    let what = format!("At most {} bytes of output.", ExecBytes::MAX);
    OneOfBuilder::new()
        .description(Some(what))
        .item(as_member("They are UTF-8.", "text"))
        .item(as_member("They are not UTF-8.", "base64"))
}

fn without_nul() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(WITHOUT_NUL))
}

fn arguments() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("The program and its arguments, without NUL."))
        .items(without_nul().max_length(Some(MAX_ITEM)))
        .min_items(Some(1))
        .max_items(Some(Argv::MAX_ITEMS))
}

fn machine_to_add() -> OneOfBuilder {
    let named = |what: &str| {
        let name = described("What you will call it; its own name if left out.")
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(Name::MAX));
        described(what).schema_type(Type::Object).property("name", name)
    };
    let typed = |what: &str, most: usize| text(what, most);
    OneOfBuilder::new()
        .description(Some("The machine to pair with, by a code and an address or by a link."))
        .item(
            named("By a code that the machine shows.")
                .property("code", typed("Eight digits, as a person typed them.", 32))
                .property(
                    "address",
                    typed("<machine id>.<relay>[:port][~pin]", AddMachineRequest::MAX_ADDRESS),
                )
                .required("code")
                .required("address"),
        )
        .item(
            named("By a link that was handed over.")
                .property(
                    "link",
                    typed("The link, or what stands behind its #.", AddMachineRequest::MAX_LINK),
                )
                .required("link"),
        )
}

fn environment() -> ObjectBuilder {
    let value = Schema::from(without_nul().build());
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[^=\\u0000]+$"));
    described("Environment variables by name. A value may refer to a secret, `@secret:NAME`.")
        .schema_type(Type::Object)
        .property_names(Some(name.build()))
        .additional_properties(Some(AdditionalProperties::RefOr(value.into())))
        .max_properties(Some(Env::MAX_ENTRIES))
}

fn stop_signal() -> ObjectBuilder {
    described("A signal that asks a process to end.")
        .schema_type(Type::String)
        .enum_values(Some(["HUP", "INT", "QUIT", "TERM", "KILL"]))
}

fn success_codes() -> ArrayBuilder {
    let code = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(255));
    ArrayBuilder::new()
        .description(Some("Exit codes that count as success."))
        .items(code)
        .min_items(Some(1))
        .max_items(Some(SuccessCodes::MAX))
}

fn dependencies() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("What an agent waits for; no agent is named twice."))
        .items(RefOr::<Schema>::Ref(utoipa::openapi::Ref::from_schema_name(Dependency::name())))
        .max_items(Some(Dependencies::MAX))
}
