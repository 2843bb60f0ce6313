//! A network of one scenario: a relay, a node and a client in network namespaces of their own, with
//! a router between them, so that wires can be cut, addresses change and UDP be forbidden. Nothing
//! of it has a name in the system: it is gone with the processes in it, however they end.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    panic::resume_unwind,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Which addresses there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// What happens to UDP where it is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// The system refuses to send it.
    AtOnce,
    /// It leaves, and a router drops it.
    Silently,
}

/// A place in the network: a namespace, held open by a process that ends with us.
#[derive(Debug)]
pub struct Place {
    holder: Child,
    namespace: fs::File,
}

/// One wire from a place to the router, with a subnet of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire(u8);

/// A direction on a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the place sends.
    From,
    /// What is sent to the place.
    To,
}

/// The wire of the relay.
pub const RELAY: Wire = Wire(1);
/// The wire of the node at first, and another one that it may change to.
pub const NODE: [Wire; 2] = [Wire(2), Wire(3)];
/// The wire of the client at first, and another one that it may change to.
pub const CLIENT: [Wire; 2] = [Wire(4), Wire(5)];

/// The places and what joins them.
#[derive(Debug)]
pub struct Network {
    family: Family,
    router: Place,
    /// Where the relay runs.
    pub relay: Place,
    /// Where the node runs.
    pub node: Place,
    /// Where whoever uses it is.
    pub client: Place,
}

impl Network {
    /// A network in which all reach all; or nothing, after saying so, where the system does not let
    /// us make one. With `GANTLINE_NO_SKIPS` in the environment that is a failure.
    ///
    /// # Panics
    /// If it can't be made although the system lets us.
    #[must_use]
    pub fn new(family: Family) -> Option<Self> {
        let mut trial = Command::new("unshare");
        let tried = trial.args(["--net", "ip", "link", "set", "lo", "up"]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            let story = thread::current().name().unwrap_or("a scenario").to_owned();
            let why = "it needs root, `unshare` of util-linux and `ip` of iproute2";
            assert!(env::var_os("GANTLINE_NO_SKIPS").is_none(), "{story} can't run: {why}");
            eprintln!("SKIPPED {story}: {why}");
            return None;
        }
        let place = || Place::new();
        let network =
            Self { family, router: place(), relay: place(), node: place(), client: place() };
        network.router.inside(|| {
            for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                fs::write(format!("/proc/sys/net/{setting}"), "1").expect(setting);
            }
        });
        network.plug(&network.relay, RELAY);
        network.plug(&network.node, NODE[0]);
        network.plug(&network.client, CLIENT[0]);
        Some(network)
    }

    /// The address that a place has on a wire.
    #[must_use]
    pub fn address(&self, wire: Wire) -> IpAddr {
        self.address_of(wire, 2)
    }

    /// Gives a place a wire, an address on it, and by it the way to all others.
    pub fn plug(&self, place: &Place, wire: Wire) {
        let (there, here) = (format!("wire{}", wire.0), format!("router{}", wire.0));
        let router = self.router.holder.id();
        place.ip(&format!("link add {there} type veth peer name {here} netns {router}"));
        let subnet = |host| format!("{}/{}", self.address_of(wire, host), self.prefix());
        self.router.ip(&format!("address add {} dev {here}", subnet(1)));
        self.router.ip(&format!("link set {here} up"));
        place.ip(&format!("address add {} dev {there}", subnet(2)));
        place.ip(&format!("link set {there} up"));
        let gateway = self.address_of(wire, 1);
        place.ip(&format!("{} route replace default via {gateway} dev {there}", self.flag()));
    }

    /// Takes a wire away from a place, with its address: the place knows.
    pub fn unplug(&self, place: &Place, wire: Wire) {
        place.ip(&format!("link delete wire{}", wire.0));
    }

    /// Drops, or passes on again, everything on a wire: nobody is told.
    pub fn cut(&self, wire: Wire, is_cut: bool) {
        self.cut_one_way(wire, Way::From, is_cut);
        self.cut_one_way(wire, Way::To, is_cut);
    }

    /// The same, for what comes from the place on this wire or for what goes there.
    pub fn cut_one_way(&self, wire: Wire, way: Way, is_cut: bool) {
        let (what, flag) = (if is_cut { "add" } else { "del" }, self.flag());
        let packets = match way {
            Way::From => format!("priority 5 iif router{}", wire.0),
            Way::To => format!("priority 6 to {}/{}", self.address_of(wire, 0), self.prefix()),
        };
        self.router.ip(&format!("{flag} rule {what} {packets} blackhole"));
    }

    /// No datagram gets anywhere from now on.
    pub fn forbid_udp(&self, how: Forbidden) {
        let rule = |kind| format!("{} rule add priority 7 ipproto udp {kind}", self.flag());
        match how {
            Forbidden::Silently => self.router.ip(&rule("blackhole")),
            Forbidden::AtOnce => {
                self.node.ip(&rule("prohibit"));
                self.client.ip(&rule("prohibit"));
            }
        }
    }

    /// The router passes nothing on that is longer than this, and says so to the sender.
    pub fn limit_packets(&self, mtu: u16) {
        for wire in [RELAY, NODE[0], CLIENT[0]] {
            let subnet = format!("{}/{}", self.address_of(wire, 0), self.prefix());
            let (flag, device) = (self.flag(), format!("router{}", wire.0));
            self.router.ip(&format!("{flag} route flush {subnet} dev {device}"));
            self.router.ip(&format!("{flag} route add {subnet} dev {device} mtu lock {mtu}"));
        }
    }

    fn address_of(&self, wire: Wire, host: u8) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 90, wire.0, host).into(),
            Family::V6 => {
                let (wire, host) = (wire.0.into(), host.into());
                Ipv6Addr::new(0xfd90, wire, 0, 0, 0, 0, 0, host).into()
            }
        }
    }

    const fn prefix(&self) -> u8 {
        match self.family {
            Family::V4 => 24,
            Family::V6 => 64,
        }
    }

    const fn flag(&self) -> &'static str {
        match self.family {
            Family::V4 => "-4",
            Family::V6 => "-6",
        }
    }
}

impl Place {
    fn new() -> Self {
        // The holder ends when its input does, and that ends with us, whatever ends us.
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it could just be run");
        let stdout = holder.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut String::new()).expect("it says that it is there");
        let namespace = fs::File::open(format!("/proc/{}/ns/net", holder.id()));
        let place = Self { holder, namespace: namespace.expect("a process has a namespace") };
        place.inside(|| {
            // An address is good at once: nobody else has it here.
            let setting = "/proc/sys/net/ipv6/conf/default/accept_dad";
            fs::write(setting, "0").expect(setting);
        });
        place.ip("link set lo up");
        place
    }

    /// What is done here, and what is started here, is in this place.
    ///
    /// # Panics
    /// If the system does not let us go there, or if the work panics.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // A thread of its own need not come back, which whoever is root by a user namespace can't.
        let there = || {
            self.enter();
            work()
        };
        match thread::scope(|scope| scope.spawn(there).join()) {
            Ok(done) => done,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// From now on this thread, and every thread and process that it starts, is in this place.
    ///
    /// # Panics
    /// If the system does not let us go there.
    pub fn enter(&self) {
        move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("whoever made it may enter it");
    }

    /// Runs `ip` here.
    ///
    /// # Panics
    /// If it complains.
    pub fn ip(&self, arguments: &str) {
        let mut command = Command::new("ip");
        command.args(arguments.split_whitespace());
        let output = self.inside(|| command.output()).expect("it could just be run");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {complaint}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
