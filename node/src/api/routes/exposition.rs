//! The machine and its agents as Prometheus reads them: OpenMetrics text at `/metrics`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use gantline_protocol::{
    AgentId, Timestamp,
    api::{Agent, AgentState, AgentVitals, ExitStatus, LinkState},
};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder, text,
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::{
    api::{App, Refused},
    history::History,
};

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What this machine and its agents do and use, for Prometheus, as it was measured last.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "read_exposition",
    responses((
        status = 200,
        description = "OpenMetrics 1.0 text.",
        body = String,
        content_type = "application/openmetrics-text",
    ))
)]
pub(super) async fn exposition(State(app): State<App>) -> Result<Response, Refused> {
    let mut registry = Registry::with_prefix("gantline");
    registry.register_collector(Box::new(Scrape::of(&app)));
    let mut text = String::new();
    text::encode(&mut text, &registry).map_err(|error| Refused::internal(&error))?;
    Ok(([(CONTENT_TYPE, TYPE)], text).into_response())
}

/// What there is to tell at one moment.
#[derive(Debug)]
struct Scrape {
    started_at: Timestamp,
    links: Vec<(String, bool)>,
    agents: Vec<Told>,
    history: History,
}

impl Scrape {
    fn of(app: &App) -> Self {
        let links = app.links.list().into_iter();
        Self {
            started_at: app.machine.started_at,
            links: links.map(|link| (link.host.to_string(), link.state == LinkState::Up)).collect(),
            agents: app.agents.list().into_iter().map(Told::from).collect(),
            history: app.history.clone(),
        }
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Out(&mut encoder);
        out.one("node_info", "The node's software.", None, &[("version", VERSION)], 1)?;
        let (help, unit) = ("When the node was started, since 1970.", Some(&Unit::Seconds));
        out.one("node_start_time", help, unit, &[], seconds(self.started_at))?;
        self.history(&mut out)?;
        let mut links = out.family("link_up", "Whether the link to a relay is up.", None)?;
        for (host, is_up) in &self.links {
            gauge(&mut links, &[("relay", host)], u8::from(*is_up))?;
        }
        let vitals = self.history.latest();
        if let Some(vitals) = &vitals {
            let machine = &vitals.machine;
            let ratio = Some(&Unit::Ratios);
            let help = "Processor time that the machine uses; 1 is one core.";
            out.one("machine_cpu_usage", help, ratio, &[], machine.cpu_percent / 100.0)?;
            out.one("machine_cpu_cores", "Processor cores.", None, &[], machine.cores)?;
            let help = "Memory that is neither free nor could be freed at once.";
            out.one("machine_memory_used", help, Some(&Unit::Bytes), &[], machine.memory_used)?;
            let help = "All memory.";
            out.one("machine_memory", help, Some(&Unit::Bytes), &[], machine.memory_total)?;
            out.one("machine_processes", "Processes.", None, &[], machine.processes)?;
        }
        self.agents(&mut out)?;
        let used: BTreeMap<_, _> = vitals
            .iter()
            .flat_map(|vitals| &vitals.agents)
            .map(|agent| (agent.agent_id, agent))
            .collect();
        self.used(&mut out, &used)
    }
}

impl Scrape {
    fn history(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let status = self.history.status();
        let help = "Whether the history can be written.";
        out.one("history_writable", help, None, &[], u8::from(status.problem.is_none()))?;
        out.one("history_size", "Its files.", Some(&Unit::Bytes), &[], status.bytes)?;
        let help = "What was not noted since the node started, as the disk took nothing.";
        let metric = out.0.encode_descriptor("history_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(status.dropped).encode(metric)
    }

    fn agents(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let help = "Whether an agent has a process.";
        let mut family = out.family("agent_up", help, None)?;
        for told in &self.agents {
            gauge(&mut family, &told.labels(), u8::from(told.agent.pid.is_some()))?;
        }
        let help = "What an agent is doing.";
        let mut family = out.family("agent_state", help, None)?;
        for told in &self.agents {
            let [id, name] = told.labels();
            gauge(&mut family, &[id, name, ("state", state(told.agent.state))], 1)?;
        }
        let help = "How often an agent was started anew since a person last did.";
        let mut family =
            out.0.encode_descriptor("agent_restarts", help, None, MetricType::Counter)?;
        for told in &self.agents {
            let labels = told.labels();
            let counter = ConstCounter::new(u64::from(told.agent.restarts));
            counter.encode(family.encode_family(&Labels(&labels))?)?;
        }
        let help = "When the present or last process of an agent was started, since 1970.";
        let mut family = out.family("agent_start_time", help, Some(&Unit::Seconds))?;
        for told in &self.agents {
            if let Some(at) = told.agent.started_at {
                gauge(&mut family, &told.labels(), seconds(at))?;
            }
        }
        let help = "How the last process of an agent ended; by a signal, 128 and its number.";
        let mut family = out.family("agent_exit_code", help, None)?;
        for told in &self.agents {
            match told.agent.exit {
                Some(ExitStatus::Code(code)) => gauge(&mut family, &told.labels(), code)?,
                Some(ExitStatus::Signal(signal)) => {
                    gauge(&mut family, &told.labels(), signal.saturating_add(128))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn used(&self, out: &mut Out<'_, '_>, used: &BTreeMap<AgentId, &AgentVitals>) -> fmt::Result {
        type Read = fn(&AgentVitals) -> f64;
        #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
        let all: [(&str, &str, Option<&Unit>, Read); 5] = [
            (
                "agent_cpu_usage",
                "Processor time that an agent uses with all that it started; 1 is one core.",
                Some(&Unit::Ratios),
                |agent| agent.cpu_percent / 100.0,
            ),
            ("agent_memory", "Resident memory of its processes.", Some(&Unit::Bytes), |agent| {
                agent.memory as f64
            }),
            (
                "agent_disk_read",
                "What those of its processes that live have read from disks.",
                Some(&Unit::Bytes),
                |agent| agent.disk_read as f64,
            ),
            (
                "agent_disk_written",
                "What those of its processes that live have written to disks.",
                Some(&Unit::Bytes),
                |agent| agent.disk_written as f64,
            ),
            ("agent_processes", "Its processes.", None, |agent| agent.processes.into()),
        ];
        for (name, help, unit, read) in all {
            let mut family = out.family(name, help, unit)?;
            for told in &self.agents {
                if let Some(used) = used.get(&told.agent.agent_id) {
                    gauge(&mut family, &told.labels(), read(used))?;
                }
            }
        }
        Ok(())
    }
}

struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn family<'a>(
        &'a mut self,
        name: &'a str,
        help: &'a str,
        unit: Option<&'a Unit>,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)
    }

    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) -> fmt::Result {
        gauge(&mut self.family(name, help, unit)?, labels, value)
    }
}

/// Whatever is measured, as OpenMetrics writes it.
struct Number(f64);

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<u64> for Number {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
    fn from(number: u64) -> Self {
        Self(number as f64)
    }
}

macro_rules! small {
    ($($type:ty)*) => {$(
        impl From<$type> for Number {
            fn from(number: $type) -> Self {
                Self(number.into())
            }
        }
    )*};
}

small!(u8 u32 i32);

fn gauge(
    family: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    value: impl Into<Number>,
) -> fmt::Result {
    let Number(value) = value.into();
    let gauge = ConstGauge::new(value);
    gauge.encode(family.encode_family(&Labels(labels))?)
}

/// An agent, with its labels.
#[derive(Debug)]
struct Told {
    id: String,
    agent: Agent,
}

impl From<Agent> for Told {
    fn from(agent: Agent) -> Self {
        Self { id: agent.agent_id.to_string(), agent }
    }
}

impl Told {
    fn labels(&self) -> [(&str, &str); 2] {
        let name = self.agent.name.as_ref().map_or("", |name| name.as_str());
        [("agent", &self.id), ("name", name)]
    }
}

/// Labels with whatever values: the library writes those as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, value) in self.0 {
            let mut label = encoder.encode_label();
            let mut key = label.encode_label_key()?;
            key.write_str(name)?;
            let mut written = key.encode_label_value()?;
            for letter in value.chars() {
                match letter {
                    '\\' => written.write_str("\\\\")?,
                    '"' => written.write_str("\\\"")?,
                    '\n' => written.write_str("\\n")?,
                    letter => written.write_char(letter)?,
                }
            }
            written.finish()?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age have 41 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

const fn state(state: AgentState) -> &'static str {
    match state {
        AgentState::Starting => "starting",
        AgentState::Running => "running",
        AgentState::Healthy => "healthy",
        AgentState::Unhealthy => "unhealthy",
        AgentState::Backoff => "backoff",
        AgentState::Stopping => "stopping",
        AgentState::Exited => "exited",
        AgentState::Failed => "failed",
        AgentState::RestartLimit => "restart_limit",
        AgentState::Lost => "lost",
    }
}
