//! Stories about single agents in virtual time. What holds in any order is in `model`.

use gantline_protocol::api::{AgentState, Desired, RestartPolicy};
use serde_json::json;

use super::*;

mod model;

const FAILED: Option<ExitStatus> = Some(ExitStatus::Code(1));
const DONE: Option<ExitStatus> = Some(ExitStatus::Code(0));

fn id(name: &str) -> AgentId {
    format!("ag-{name:a<5}").parse().unwrap()
}

fn plan(members: serde_json::Value) -> Supervision {
    serde_json::from_value(members).unwrap()
}

/// A machine whose clock the story moves.
struct Story {
    fleet: Fleet,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        Self { fleet: Fleet::default(), now: Instant::now() }
    }

    fn passes(&mut self, seconds: f64) -> Vec<Action> {
        self.now += Duration::from_secs_f64(seconds);
        self.hears(Event::Tick)
    }

    fn command(&mut self, name: &str, command: Command) -> Result<Vec<Action>, Refusal> {
        self.fleet.command(id(name), command, self.now)
    }

    fn wants(&mut self, name: &str, command: Command) -> Vec<Action> {
        self.command(name, command).expect("it is not refused")
    }

    fn hears(&mut self, event: Event) -> Vec<Action> {
        self.fleet.handle(event, self.now, 0.5)
    }

    /// A new agent whose first process runs.
    fn runs(&mut self, name: &str, members: serde_json::Value) {
        let todo = self.wants(name, Command::Define(plan(members)));
        assert_eq!(todo, [Action::Tell(id(name)), Action::Launch(id(name), Life(1))]);
        self.hears(Event::Running(id(name), Life(1)));
    }

    /// Its process ends, and nothing of it is left.
    fn exits(&mut self, name: &str, life: u32, how: Option<ExitStatus>) -> Vec<Action> {
        let (agent, life) = (id(name), Life(life));
        let said = Some("out of cheese".to_owned());
        let exited = Event::Exited { agent, life, how, ago: Duration::ZERO, said };
        let mut todo = self.hears(exited);
        todo.extend(self.hears(Event::Cleared(agent, life)));
        todo
    }

    fn state(&self, name: &str) -> AgentState {
        self.fleet.shown(id(name)).unwrap().state
    }

    fn reason(&self, name: &str) -> String {
        let reason = self.fleet.shown(id(name)).unwrap().reason;
        reason.map(|reason| reason.told(|id| id.to_string())).unwrap_or_default()
    }

    /// The node goes, and another one comes after so many seconds.
    fn node_goes(&mut self, seconds: f64, was_rebooted: bool) {
        let old = std::mem::take(&mut self.fleet);
        self.fleet.close();
        self.now += Duration::from_secs_f64(seconds);
        for id in old.agents.keys().copied().collect::<Vec<_>>() {
            let before = self.now.checked_sub(Duration::from_secs_f64(seconds)).unwrap();
            let mut standing = old.standing(id, before).unwrap();
            // Through the file and back.
            standing = serde_json::from_slice(&serde_json::to_vec(&standing).unwrap()).unwrap();
            standing.is_older_by(Duration::from_secs_f64(seconds));
            let plan = old.plan(id).unwrap().clone();
            self.fleet.restore(id, plan, &standing, was_rebooted, self.now);
        }
    }

    /// Nothing is left of any life that had ended before.
    fn all_is_cleared(&mut self) {
        for id in self.fleet.agents.keys().copied().collect::<Vec<_>>() {
            let life = self.fleet.shown(id).unwrap().life;
            self.hears(Event::Cleared(id, life));
        }
    }
}

#[test]
fn a_command_that_ends_is_left_alone() {
    let mut story = Story::new();
    story.runs("once", json!({}));
    assert_eq!(story.exits("once", 1, FAILED), [Action::Tell(id("once"))]);
    assert_eq!(story.state("once"), AgentState::Exited);
    assert_eq!(story.passes(3600.0), []);
    assert_eq!(story.command("once", Command::Stop), Err(Refusal::Ended));
}

#[test]
fn a_service_that_crashes_comes_back_and_one_that_is_done_stays_away() {
    let mut story = Story::new();
    let web = id("web");
    story.runs("web", json!({"restart": "on-failure", "successCodes": [0, 3]}));
    story.exits("web", 1, Some(ExitStatus::Signal(11)));
    assert_eq!(story.state("web"), AgentState::Backoff);
    assert_eq!(story.reason("web"), "its process was ended by signal 11");
    assert_eq!(story.passes(0.499), []);
    assert_eq!(story.passes(0.001), [Action::Launch(web, Life(2)), Action::Tell(web)]);
    story.hears(Event::Running(web, Life(2)));
    assert_eq!(story.fleet.shown(web).unwrap().restarts, 1);
    story.exits("web", 2, Some(ExitStatus::Code(3)));
    assert_eq!(story.state("web"), AgentState::Exited);
    assert_eq!(story.passes(3600.0), []);
}

#[test]
fn a_crash_loop_is_given_up_with_its_last_words() {
    let mut story = Story::new();
    let web = id("web");
    story.runs("web", json!({"restart": "always"}));
    // At 0, 0.5, 1.5 and 3.5 s; then it is well for 58 s, so that they are soon too old.
    let mut life = 0;
    let mut crashes = |story: &mut Story| {
        life += 1;
        story.exits("web", life, FAILED);
        if let Some(due) = story.fleet.due() {
            story.now = due;
            assert!(story.hears(Event::Tick).contains(&Action::Launch(web, Life(life + 1))));
            story.hears(Event::Running(web, Life(life + 1)));
        }
        life
    };
    for _ in 0..4 {
        crashes(&mut story);
    }
    story.passes(53.5);
    for _ in 0..4 {
        crashes(&mut story);
        assert_eq!(story.state("web"), AgentState::Running);
    }
    let life = crashes(&mut story);
    assert_eq!(story.state("web"), AgentState::RestartLimit);
    assert!(story.reason("web").contains("5 times within 60 s"), "{}", story.reason("web"));
    assert!(story.reason("web").ends_with("out of cheese"), "{}", story.reason("web"));
    assert_eq!(story.passes(3600.0), []);
    // A person begins anew, with all five before them.
    story.wants("web", Command::Start);
    story.hears(Event::Running(web, Life(life + 1)));
    story.exits("web", life + 1, FAILED);
    assert_eq!(story.state("web"), AgentState::Backoff);
}

#[test]
fn a_stop_is_final_whenever_it_comes() {
    for when in ["launching", "running", "backoff", "waiting", "stopping", "unwell"] {
        let mut story = Story::new();
        let web = id("web");
        story.runs("db", json!({}));
        let probe = json!({"kind": "tcp", "port": 1, "failures": 1, "restarts": true});
        let mut members = json!({"restart": "always", "probe": probe});
        if when == "waiting" {
            members["dependsOn"] = json!([{"agentId": "ag-dbaaa", "condition": "completed"}]);
        }
        story.wants("web", Command::Define(plan(members)));
        if when != "launching" {
            story.hears(Event::Running(web, Life(1)));
        }
        match when {
            "backoff" => drop(story.exits("web", 1, FAILED)),
            "stopping" => drop(story.wants("web", Command::Restart)),
            "unwell" => drop(story.hears(Event::ProbeFailed(web, Life(1), "no".to_owned()))),
            _ => {}
        }
        story.wants("web", Command::Stop);
        story.hears(Event::Running(web, Life(1)));
        story.exits("web", 1, FAILED);
        assert_eq!(story.state("web"), AgentState::Exited, "{when}");
        assert_eq!(story.passes(3600.0), [], "{when}");
        story.exits("db", 1, DONE);
        story.node_goes(5.0, true);
        story.all_is_cleared();
        assert_eq!(story.fleet.open(story.now), [], "{when}");
        assert_eq!(story.fleet.shown(web).unwrap().desired, Desired::Stopped);
        // Until a person wants it.
        assert!(
            story
                .wants("web", Command::Start)
                .contains(&Action::Launch(web, Life(if when == "waiting" { 1 } else { 2 })))
        );
    }
}

#[test]
fn what_is_asked_while_it_stops_counts_when_it_has() {
    let mut story = Story::new();
    let web = id("web");
    story.runs("web", json!({}));
    story.wants("web", Command::Stop);
    story.wants("web", Command::Start);
    assert_eq!(story.state("web"), AgentState::Stopping);
    let (agent, life, how) = (web, Life(1), FAILED);
    let exited = Event::Exited { agent, life, how, ago: Duration::ZERO, said: None };
    assert!(!story.hears(exited).contains(&Action::Launch(web, Life(2))), "two at once");
    assert_eq!(
        story.hears(Event::Cleared(web, life)),
        [Action::Tell(web), Action::Launch(web, Life(2))]
    );
}

#[test]
fn a_chain_starts_in_its_order() {
    let mut story = Story::new();
    let [db, job, web] = ["db", "job", "web"].map(id);
    let probe = json!({"kind": "tcp", "port": 1});
    story.wants("db", Command::Define(plan(json!({"restart": "always", "probe": probe}))));
    let on_db = json!([{"agentId": db, "condition": "healthy"}]);
    story.wants("job", Command::Define(plan(json!({"dependsOn": on_db}))));
    let on_job = json!([{"agentId": job, "condition": "completed"}]);
    story.wants("web", Command::Define(plan(json!({"dependsOn": on_job}))));
    assert_eq!(story.reason("job"), "waits for ag-dbaaa to be healthy");
    story.hears(Event::Running(db, Life(1)));
    assert_eq!(story.state("job"), AgentState::Starting, "running is not healthy");
    let todo = story.hears(Event::ProbeSucceeded(db, Life(1)));
    assert!(todo.contains(&Action::Launch(job, Life(1))));
    story.hears(Event::Running(job, Life(1)));
    assert_eq!(story.reason("web"), "waits for ag-jobaa to complete");
    story.exits("job", 1, FAILED);
    assert_eq!(story.reason("web"), "waits for ag-jobaa to complete, but it ended with a failure");
    story.wants("job", Command::Start);
    story.hears(Event::Running(job, Life(2)));
    let todo = story.exits("job", 2, DONE);
    assert!(todo.contains(&Action::Launch(web, Life(1))));
}

#[test]
fn what_can_not_be_waited_for_is_refused_at_once() {
    let mut story = Story::new();
    let [one, two] = ["one", "two"].map(id);
    let on = |agent: AgentId, condition: &str| {
        plan(json!({"dependsOn": [{"agentId": agent, "condition": condition}]}))
    };
    let refused = story.command("one", Command::Define(on(two, "started")));
    assert_eq!(refused, Err(Refusal::UnknownDependency(two)));
    story.runs("one", json!({}));
    let refused = story.command("two", Command::Define(on(one, "healthy")));
    assert_eq!(refused, Err(Refusal::NeverHealthy(one)));
    story.wants("two", Command::Define(on(one, "started")));
    assert_eq!(
        story.command("one", Command::Edit(on(one, "started"))),
        Err(Refusal::Circle(vec![one]))
    );
    assert_eq!(
        story.command("one", Command::Edit(on(two, "started"))),
        Err(Refusal::Circle(vec![two, one]))
    );
    story.exits("one", 1, DONE);
    assert_eq!(story.command("one", Command::Remove), Err(Refusal::IsAwaited(vec![two])));
}

#[test]
fn an_unwell_agent_is_restarted_if_that_is_wanted() {
    let mut story = Story::new();
    let web = id("web");
    let probe = json!({"kind": "tcp", "port": 1, "failures": 2, "restarts": true});
    story.runs("web", json!({"probe": probe}));
    story.hears(Event::ProbeFailed(web, Life(1), "refused".to_owned()));
    assert_eq!(story.state("web"), AgentState::Running);
    assert_eq!(
        story.hears(Event::ProbeFailed(web, Life(1), "refused".to_owned())),
        [Action::StopProbe(web), Action::Stop(web, Life(1)), Action::Tell(web)]
    );
    assert_eq!(story.reason("web"), "its probe fails: refused");
    story.exits("web", 1, DONE);
    assert_eq!(story.state("web"), AgentState::Backoff);
    assert_eq!(
        story.passes(0.5),
        [Action::Launch(web, Life(2)), Action::Tell(web)],
        "whatever its policy"
    );
}

#[test]
fn an_edit_counts_at_once() {
    let mut story = Story::new();
    let web = id("web");
    story.runs("web", json!({"restart": "always"}));
    let probe = json!({"kind": "tcp", "port": 1});
    let todo =
        story.wants("web", Command::Edit(plan(json!({"restart": "always", "probe": probe}))));
    assert_eq!(todo, [Action::StartProbe(web, Life(1)), Action::Tell(web)]);
    story.hears(Event::ProbeSucceeded(web, Life(1)));
    assert_eq!(story.state("web"), AgentState::Healthy);
    let todo = story.wants("web", Command::Edit(plan(json!({"restart": "always"}))));
    assert_eq!(todo, [Action::StopProbe(web), Action::Tell(web)]);
    assert_eq!(story.state("web"), AgentState::Running);
    story.exits("web", 1, FAILED);
    story.wants("web", Command::Edit(plan(json!({"restart": "no"}))));
    assert_eq!(story.state("web"), AgentState::Exited);
    assert_eq!(story.passes(60.0), []);
}

#[test]
fn a_node_that_comes_back_goes_on_where_the_last_one_was() {
    let mut story = Story::new();
    let web = id("web");
    story.runs("web", json!({"restart": "always", "probe": {"kind": "tcp", "port": 1}}));
    for life in 1..=3 {
        story.exits("web", life, FAILED);
        story.now = story.fleet.due().unwrap();
        story.hears(Event::Tick);
        story.hears(Event::Running(web, Life(life + 1)));
    }
    // It waits 4 s, of which 3 s pass without a node.
    story.exits("web", 4, FAILED);
    story.node_goes(3.0, false);
    story.all_is_cleared();
    assert_eq!(story.fleet.open(story.now), []);
    assert_eq!(story.state("web"), AgentState::Backoff);
    assert_eq!(story.passes(0.99), []);
    assert!(story.passes(0.02).contains(&Action::Launch(web, Life(5))));
    story.hears(Event::Running(web, Life(5)));
    story.hears(Event::ProbeSucceeded(web, Life(5)));
    // It is found again, and probed further.
    story.node_goes(1.0, false);
    assert_eq!(story.fleet.open(story.now), []);
    assert_eq!(story.state("web"), AgentState::Healthy);
    assert_eq!(story.hears(Event::Running(web, Life(5))), [Action::StartProbe(web, Life(5))]);
    // What is wrong with it is known to the next node as well, before it is probed there.
    story.hears(Event::ProbeFailed(web, Life(5), "no answer".to_owned()));
    story.hears(Event::ProbeFailed(web, Life(5), "no answer".to_owned()));
    story.hears(Event::ProbeFailed(web, Life(5), "no answer".to_owned()));
    assert_eq!(story.state("web"), AgentState::Unhealthy);
    story.node_goes(1.0, false);
    assert_eq!(story.state("web"), AgentState::Unhealthy);
    assert!(story.reason("web").contains("no answer"), "{}", story.reason("web"));
    story.hears(Event::Running(web, Life(5)));
    // The breaker has not forgotten either.
    story.exits("web", 5, FAILED);
    assert_eq!(story.state("web"), AgentState::RestartLimit);
}

#[test]
fn a_reboot_brings_back_what_is_to_run_and_nothing_else() {
    let mut story = Story::new();
    story.runs("svc", json!({"restart": "on-failure"}));
    story.runs("shell", json!({}));
    story.runs("done", json!({"restart": "on-failure"}));
    story.exits("done", 1, DONE);
    story.runs("off", json!({"restart": "always"}));
    story.wants("off", Command::Stop);
    story.exits("off", 1, DONE);
    story.runs("gone", json!({"restart": "always"}));
    story.exits("gone", 1, FAILED);
    story.passes(0.5);
    let (agent, life) = (id("gone"), Life(2));
    let why = "no such program".to_owned();
    story.hears(Event::NotStarted { agent, life, why, again: false });
    assert_eq!(story.state("gone"), AgentState::Failed);
    story.node_goes(90.0, true);
    story.all_is_cleared();
    for name in ["svc", "shell"] {
        story.hears(Event::Cut(id(name), Life(1)));
    }
    let todo = story.fleet.open(story.now);
    let launched = |name, life| todo.contains(&Action::Launch(id(name), Life(life)));
    assert!(launched("svc", 2) && launched("gone", 3));
    assert_eq!(todo.iter().filter(|act| matches!(act, Action::Launch(..))).count(), 2);
    assert_eq!(story.state("shell"), AgentState::Lost);
    assert_eq!(story.reason("shell"), "the machine was started anew while it ran");
    assert_eq!(story.state("done"), AgentState::Exited);
}
