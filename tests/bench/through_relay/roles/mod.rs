//! What this program is when it is started again with a role.

mod loopback;
mod node;
mod relay;
mod sink;
mod splice;

pub(crate) use loopback::loopback;
pub(crate) use node::node;
pub(crate) use relay::relay;
pub(crate) use sink::sink;
pub(crate) use splice::splice;
