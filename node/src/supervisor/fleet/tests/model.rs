//! Random orders of everything that can happen, against a ledger of what there really is.

use std::collections::BTreeMap;

use gantline_protocol::api::{DependencyCondition, ProbePace};
use proptest::prelude::*;

use super::*;
use crate::supervisor::fleet::restarts::{TOO_MANY, WINDOW};

const NAMES: [&str; 3] = ["one", "two", "six"];

/// What may happen next to one of the agents.
#[derive(Debug, Clone)]
enum Step {
    Edit(Supervision),
    Start,
    Stop,
    Restart,
    /// What was to be launched is there, or not.
    Launched,
    NotLaunched {
        again: bool,
    },
    Exits(Option<ExitStatus>),
    Clears,
    Probes(bool),
    Passes(u32),
    /// The node is another one, so many milliseconds later by a clock that may have jumped.
    NodeGoes(u32),
    Reboot,
}

fn plans() -> impl Strategy<Value = Supervision> {
    let policy = prop_oneof![
        Just(RestartPolicy::No),
        Just(RestartPolicy::OnFailure),
        Just(RestartPolicy::Always),
        Just(RestartPolicy::Always),
    ];
    let probe = proptest::option::of((1..3u32, 1..3u32, any::<bool>(), 0..2000u32));
    (policy, probe).prop_map(|(restart, probe)| {
        let mut plan = plan(json!({"restart": restart}));
        if let Some((failures, successes, restarts, start_period_ms)) = probe {
            let mut probe: gantline_protocol::api::Probe =
                serde_json::from_value(json!({"kind": "tcp", "port": 1})).unwrap();
            probe.pace = ProbePace { failures, successes, restarts, start_period_ms, ..probe.pace };
            plan.probe = Some(probe);
        }
        plan
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        Just(None),
        Just(DONE),
        Just(FAILED),
        Just(FAILED),
        Just(Some(ExitStatus::Signal(9)))
    ];
    prop_oneof![
        1 => plans().prop_map(Step::Edit),
        2 => Just(Step::Start),
        2 => Just(Step::Stop),
        1 => Just(Step::Restart),
        8 => Just(Step::Launched),
        1 => any::<bool>().prop_map(|again| Step::NotLaunched { again }),
        8 => how.prop_map(Step::Exits),
        8 => Just(Step::Clears),
        3 => any::<bool>().prop_map(Step::Probes),
        8 => (0..40_000u32).prop_map(Step::Passes),
        8 => (0..3_000u32).prop_map(Step::Passes),
        1 => (0..100_000u32).prop_map(Step::NodeGoes),
        1 => Just(Step::Reboot),
    ]
}

/// What there really is of an agent.
#[derive(Debug, Default)]
struct Truth {
    launching: Option<Life>,
    alive: Option<Life>,
    /// Its process has ended, its shim has not.
    shim: Option<Life>,
    last: Life,
    is_told_to_stop: bool,
    is_probed: bool,
    /// The last word of a person.
    is_wanted: bool,
    since: Option<Instant>,
    /// As the rules have it: ends after which it is started again, since a person last started it.
    ends: Vec<Instant>,
    level: u32,
}

struct World {
    story: Story,
    truths: BTreeMap<AgentId, Truth>,
}

impl World {
    fn new(plans: Vec<Supervision>) -> Self {
        let mut world = Self { story: Story::new(), truths: BTreeMap::new() };
        let mut before: Option<AgentId> = None;
        for (name, mut plan) in NAMES.into_iter().zip(plans) {
            if let Some(agent_id) = before {
                let condition = DependencyCondition::Started;
                let on = gantline_protocol::api::Dependency { agent_id, condition };
                plan.depends_on = vec![on].try_into().unwrap();
            }
            before = Some(id(name));
            world.truths.insert(id(name), Truth { is_wanted: true, ..Truth::default() });
            let todo = world.story.wants(name, Command::Define(plan));
            world.obey(&todo);
        }
        world
    }

    fn truth(&mut self, id: AgentId) -> &mut Truth {
        self.truths.get_mut(&id).unwrap()
    }

    /// Does what is to be done, and holds it to what may be done.
    fn obey(&mut self, todo: &[Action]) {
        for (index, action) in todo.iter().enumerate() {
            assert!(!todo[..index].contains(action), "{action:?} twice");
            match *action {
                Action::Launch(id, life) => {
                    let truth = self.truth(id);
                    assert!(truth.is_wanted, "a stopped agent starts by itself");
                    assert!(
                        truth.launching.is_none() && truth.alive.is_none() && truth.shim.is_none(),
                        "two at once: {truth:?}"
                    );
                    assert!(life > truth.last, "{life:?} was there before");
                    truth.launching = Some(life);
                    truth.last = life;
                    truth.is_told_to_stop = false;
                }
                Action::Stop(id, life) => {
                    let truth = self.truth(id);
                    assert!(truth.alive == Some(life) || truth.shim == Some(life), "{truth:?}");
                    assert!(!truth.is_told_to_stop, "told twice");
                    truth.is_told_to_stop = true;
                }
                Action::StartProbe(id, life) => {
                    let truth = self.truth(id);
                    assert!(truth.alive == Some(life) && !truth.is_probed, "{truth:?}");
                    truth.is_probed = true;
                }
                Action::StopProbe(id) => {
                    let truth = self.truth(id);
                    assert!(truth.is_probed, "{truth:?}");
                    truth.is_probed = false;
                }
                Action::Tell(_) => {}
            }
        }
    }

    fn hears(&mut self, event: Event) {
        let before: Vec<_> = NAMES.map(|name| self.story.fleet.shown(id(name))).into();
        let todo = self.story.hears(event);
        for (name, before) in NAMES.into_iter().zip(before) {
            let has_changed = self.story.fleet.shown(id(name)) != before;
            assert_eq!(todo.contains(&Action::Tell(id(name))), has_changed, "{name}");
        }
        self.obey(&todo);
    }

    fn wants(&mut self, name: &str, command: Command, is_wanted: Option<bool>) {
        if let Some(wanted) = is_wanted {
            let before = self.truth(id(name)).is_wanted;
            self.truth(id(name)).is_wanted = wanted;
            match self.story.command(name, command) {
                Ok(todo) => {
                    if wanted {
                        let truth = self.truth(id(name));
                        truth.ends.clear();
                        truth.level = 0;
                    }
                    self.obey(&todo);
                }
                Err(_) => self.truth(id(name)).is_wanted = before,
            }
        } else if let Ok(todo) = self.story.command(name, command) {
            self.obey(&todo);
        }
    }

    /// The rules of section 7, a second time: whether it waits now, how long, or is given up.
    fn exits(&mut self, name: &str, how: Option<ExitStatus>) {
        let agent = id(name);
        let now = self.story.now;
        let was_asked = self.story.fleet.shown(agent).unwrap().state == AgentState::Stopping;
        let was_unwell = was_asked
            && matches!(self.story.fleet.shown(agent).unwrap().reason, Some(Reason::Unwell(_)));
        let Some(life) = self.truth(agent).alive.take() else { return };
        self.truth(agent).shim = Some(life);
        let plan = self.story.fleet.plan(agent).unwrap().clone();
        self.hears(Event::Exited { agent, life, how, ago: Duration::ZERO, said: None });
        assert!(!self.truth(agent).is_probed, "what has ended is probed");
        let is_again = was_unwell
            || match plan.restart {
                RestartPolicy::No => false,
                RestartPolicy::OnFailure => how != DONE,
                RestartPolicy::Always => true,
            };
        let shown = self.story.fleet.shown(agent).unwrap();
        let truth = self.truths.get_mut(&agent).unwrap();
        if (was_asked && !was_unwell) || !is_again {
            assert!(
                !matches!(shown.state, AgentState::Backoff | AgentState::RestartLimit),
                "{shown:?}"
            );
            return;
        }
        truth.ends.retain(|end| now - *end <= WINDOW);
        truth.ends.push(now);
        if truth.ends.len() >= TOO_MANY {
            assert_eq!(shown.state, AgentState::RestartLimit);
            return;
        }
        if now - truth.since.unwrap() >= Duration::from_secs(30) {
            truth.level = 0;
        }
        assert_eq!(shown.state, AgentState::Backoff);
        let wait = (0.5 * 2f64.powi(i32::try_from(truth.level).unwrap())).min(30.0);
        truth.level += 1;
        let waits = (shown.next_start.unwrap() - now).as_secs_f64();
        assert!((0.8 * wait - 1e-6..=1.2 * wait + 1e-6).contains(&waits), "{waits} for {wait}");
    }

    fn step(&mut self, name: &str, step: Step) {
        let agent = id(name);
        match step {
            Step::Edit(mut plan) => {
                plan.depends_on = self.story.fleet.plan(agent).unwrap().depends_on.clone();
                self.wants(name, Command::Edit(plan), None);
            }
            Step::Start => self.wants(name, Command::Start, Some(true)),
            Step::Stop => self.wants(name, Command::Stop, Some(false)),
            Step::Restart => self.wants(name, Command::Restart, Some(true)),
            Step::Launched => {
                let now = self.story.now;
                let truth = self.truth(agent);
                let Some(life) = truth.launching.take() else { return };
                truth.alive = Some(life);
                truth.since = Some(now);
                self.hears(Event::Running(agent, life));
            }
            Step::NotLaunched { again } => {
                let now = self.story.now;
                let policy = self.story.fleet.plan(agent).unwrap().restart;
                let is_wanted = self.truth(agent).is_wanted;
                let Some(life) = self.truth(agent).launching.take() else { return };
                if again && is_wanted && policy != RestartPolicy::No {
                    let truth = self.truth(agent);
                    truth.ends.retain(|end| now - *end <= WINDOW);
                    truth.ends.push(now);
                    truth.level += 1;
                }
                let why = "no".to_owned();
                self.hears(Event::NotStarted { agent, life, why, again });
            }
            Step::Exits(how) => self.exits(name, how),
            Step::Clears => {
                let Some(life) = self.truth(agent).shim.take() else { return };
                self.hears(Event::Cleared(agent, life));
            }
            Step::Probes(is_well) => {
                let truth = self.truth(agent);
                // What comes late is told as well, and must not matter.
                let life = truth.alive.unwrap_or(truth.last);
                let is_probed = truth.is_probed;
                let before = self.story.fleet.shown(agent);
                self.hears(match is_well {
                    true => Event::ProbeSucceeded(agent, life),
                    false => Event::ProbeFailed(agent, life, "no".to_owned()),
                });
                assert!(is_probed || before == self.story.fleet.shown(agent));
            }
            Step::Passes(millis) => {
                self.story.now += Duration::from_millis(millis.into());
                self.hears(Event::Tick);
            }
            Step::NodeGoes(millis) => {
                self.story.node_goes(f64::from(millis) / 1000.0, false);
                self.comes_back(false);
            }
            Step::Reboot => {
                for name in NAMES {
                    let shown = self.story.fleet.shown(id(name)).unwrap();
                    let is_given_up =
                        matches!(shown.state, AgentState::Failed | AgentState::RestartLimit);
                    let policy = self.story.fleet.plan(id(name)).unwrap().restart;
                    if is_given_up
                        && shown.desired == Desired::Running
                        && policy != RestartPolicy::No
                    {
                        // It begins anew with the machine.
                        let truth = self.truth(id(name));
                        truth.ends.clear();
                        truth.level = 0;
                    }
                }
                self.story.node_goes(60.0, true);
                self.comes_back(true);
            }
        }
    }

    /// A new node finds what there is.
    fn comes_back(&mut self, was_rebooted: bool) {
        for name in NAMES {
            let agent = id(name);
            let truth = self.truths.get_mut(&agent).unwrap();
            truth.is_probed = false;
            // What the shim was told it may be told again.
            truth.is_told_to_stop = false;
            let (launching, alive) = (truth.launching.take(), truth.alive);
            truth.shim = None;
            if was_rebooted {
                truth.alive = None;
            }
            if let Some(life) = launching {
                self.hears(Event::Untried(agent, life));
            }
            match (alive, was_rebooted) {
                (Some(life), true) => self.hears(Event::Cut(agent, life)),
                (Some(life), false) => self.hears(Event::Running(agent, life)),
                (None, _) => {}
            }
        }
        let todo = self.story.fleet.open(self.story.now);
        self.obey(&todo);
    }

    fn check(&self) {
        for name in NAMES {
            let shown = self.story.fleet.shown(id(name)).unwrap();
            let truth = &self.truths[&id(name)];
            let what = || format!("{name}: {shown:?} {truth:?}");
            match shown.state {
                AgentState::Running | AgentState::Healthy | AgentState::Unhealthy => {
                    assert!(truth.alive.is_some() && !truth.is_told_to_stop, "{}", what());
                    let wants = self.story.fleet.plan(id(name)).unwrap().probe.is_some();
                    assert_eq!(truth.is_probed, wants, "{}", what());
                }
                // Whatever is waited for comes by itself.
                AgentState::Starting => assert!(
                    truth.launching.is_some()
                        || matches!(shown.reason, Some(Reason::Waits(_)))
                        || truth.shim.is_some(),
                    "{}",
                    what()
                ),
                AgentState::Stopping => assert!(
                    truth.launching.is_some() || (truth.alive.is_some() && truth.is_told_to_stop),
                    "{}",
                    what()
                ),
                AgentState::Backoff => {
                    assert!(truth.alive.is_none(), "{}", what());
                    let due = self.story.fleet.due().expect("nobody wakes it");
                    assert!(due <= shown.next_start.unwrap(), "{}", what());
                }
                AgentState::Exited
                | AgentState::Failed
                | AgentState::RestartLimit
                | AgentState::Lost => {
                    assert!(truth.alive.is_none() && truth.launching.is_none(), "{}", what())
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 512 } else { 8192 }))]

    #[test]
    fn no_order_of_events_breaks_the_rules(
        first in proptest::collection::vec(plans(), NAMES.len()),
        steps in proptest::collection::vec((0..NAMES.len(), steps()), 0..120),
    ) {
        let mut world = World::new(first);
        world.check();
        for (which, step) in steps {
            world.step(NAMES[which], step);
            world.check();
        }
    }
}
