//! Every route, with the handler that answers it.

mod agents;
mod description;
mod devices;
mod events;
mod exec;
mod exposition;
mod history;
mod machine;
pub(super) mod machines;
mod metrics;
mod once;
mod output;
mod pairing;
mod terminal;
mod vitals;

use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::{OpenApi, Path, openapi::path::HttpMethod};
use utoipa_axum::{PathItemExt, router::OpenApiRouter, routes};

use super::{App, document::Description};

/// Names each route of this machine itself, once for all that is made of them. Those of one path stand
/// together.
macro_rules! own {
    ($made:ident) => {
        $made! {
            [machine::machine]
            [machine::status]
            [agents::list, agents::spawn]
            [agents::find, agents::edit, agents::remove]
            [agents::signal]
            [agents::compare_env]
            [agents::start]
            [agents::stop]
            [agents::restart]
            [output::output]
            [terminal::terminal]
            [exec::exec]
            [events::events]
            [history::list]
            [history::find]
            [metrics::of_agent]
            [metrics::of_machine]
            [exposition::exposition]
            [devices::list]
            [devices::revoke]
            [pairing::mint_code]
            [pairing::list, pairing::invite]
            [pairing::withdraw]
            [once::mint]
            [vitals::vitals]
            [description::openapi]
        }
    };
}

/// The same of what is asked of other machines.
macro_rules! gateway {
    ($made:ident) => {
        $made! {
            [machines::list, machines::add]
            [machines::events]
            [machines::find, machines::rename, machines::forget]
            [machines::hand_on]
        }
    };
}

macro_rules! described {
    ($([$($module:ident::$handler:ident),+])+) => {
        OpenApiRouter::with_openapi(Description::openapi())
            $(.routes(routes!($($module::$handler),+)))+
    };
}

/// Without the descriptions: a node that is asked for them makes them then.
macro_rules! plain {
    ($([$($module:ident::$handler:ident),+])+) => {{
        let router = Router::new();
        $($(
            let router = utoipa_axum::paste! {
                routed::<$module::[<__path_ $handler>], _, _>(router, $module::$handler)
            };
        )+)+
        router
    }};
}

/// All routes, each with its description.
pub(super) fn all() -> OpenApiRouter<App> {
    own!(described).merge(gateway!(described))
}

/// What is asked of this machine itself.
pub(super) fn own() -> Router<App> {
    own!(plain)
}

/// What is asked of other machines.
pub(super) fn gateway() -> Router<App> {
    gateway!(plain)
}

/// Adds a handler where its description says.
fn routed<P: Path, H: Handler<T, App>, T: 'static>(router: Router<App>, handler: H) -> Router<App> {
    let methods = P::methods();
    let add = |routes: MethodRouter<App>, method: &HttpMethod| {
        routes.on(method.to_method_filter(), handler.clone())
    };
    router.route(&P::path(), methods.iter().fold(MethodRouter::new(), add))
}
