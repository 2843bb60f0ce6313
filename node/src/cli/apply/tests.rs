//! What people rely on when they apply a file: no agent but those that differ is touched, a second
//! time changes nothing, and what was exported is what there is.

use gantline_protocol::{
    Timestamp,
    api::{AgentState, Desired, Env, Supervision},
    terminal::TerminalSize,
};
use proptest::{collection::btree_map, prelude::*, sample::select};

use super::*;

/// A machine that does what it is told, in memory.
#[derive(Debug, Clone, Default)]
struct Fake {
    agents: Vec<Agent>,
    environments: BTreeMap<AgentId, Env>,
    made: u32,
}

impl Fake {
    fn plan(&self, definitions: &[Definition], prune: bool) -> Vec<Step> {
        let meant = plan::meant(definitions, &self.agents).unwrap();
        let differences = definitions.iter().filter_map(|definition| {
            let id = meant.get(definition.name.as_str())?;
            let env = definition.env.as_ref()?;
            Some((*id, EnvDifference::between(&self.environments[id], env)))
        });
        plan::plan(definitions, &self.agents, &differences.collect(), prune).unwrap()
    }

    fn apply(&mut self, file: &str, prune: bool) -> Vec<Step> {
        let steps = self.plan(&read_all(&[file]).unwrap(), prune);
        self.perform(&steps);
        steps
    }

    fn perform(&mut self, steps: &[Step]) {
        let mut replaced = Vec::new();
        for Step { act, .. } in steps {
            match act {
                Act::Keep(_) => {}
                Act::Create(definition) => self.create(definition),
                Act::Replace(old, definition, _) => {
                    // As long as both are there, the name means the new one.
                    self.agents.retain(|agent| agent.agent_id != *old);
                    self.create(definition);
                    replaced.push(*old);
                }
                Act::Change(edit) => self.change(edit),
                Act::Remove(id) => self.agents.retain(|agent| agent.agent_id != *id),
            }
        }
    }

    fn create(&mut self, definition: &Definition) {
        self.made += 1;
        let agent_id = format!("ag-{:05}", self.made).parse().unwrap();
        let mut supervision = definition.supervision.clone();
        supervision.depends_on = self.ids(&definition.depends_on);
        self.environments.insert(agent_id, definition.env.clone().unwrap_or_default());
        self.agents.push(Agent {
            agent_id,
            name: Some(definition.name.clone()),
            argv: definition.argv.clone(),
            shell: definition.shell,
            cwd: definition.cwd.clone(),
            state: AgentState::Running,
            reason: None,
            desired: Desired::Running,
            source: gantline_protocol::api::AgentSource::Apply,
            pid: None,
            epoch: None,
            size: TerminalSize::STANDARD,
            exit: None,
            problem: None,
            restarts: 0,
            created_at: Timestamp::from_millis(self.made.into()),
            started_at: None,
            ended_at: None,
            next_start_at: None,
            limits_not_enforced: None,
            supervision,
        });
    }

    fn change(&mut self, edit: &Edit) {
        let depends_on = edit.depends_on.as_ref().map(|depends_on| self.ids(depends_on));
        let agent = self.agents.iter_mut().find(|agent| agent.agent_id == edit.id).unwrap();
        let patch = edit.patch.clone();
        if let Some(cwd) = patch.cwd {
            agent.cwd = cwd;
        }
        if let Some(env) = patch.env {
            self.environments.insert(edit.id, env.unwrap_or_default());
        }
        let Supervision { restart, success_codes, stop, probe, limits, .. } =
            &mut agent.supervision;
        *restart = patch.restart.flatten().unwrap_or(*restart);
        *success_codes = patch.success_codes.flatten().unwrap_or(success_codes.clone());
        *stop = patch.stop.flatten().unwrap_or(*stop);
        *probe = patch.probe.unwrap_or(probe.clone());
        *limits = patch.limits.flatten().unwrap_or(*limits);
        agent.supervision.depends_on = depends_on.unwrap_or(agent.supervision.depends_on.clone());
    }

    fn ids(
        &self,
        names: &BTreeMap<String, gantline_protocol::api::DependencyCondition>,
    ) -> Dependencies {
        let id =
            |name: &String| plan::find(name, &self.agents).unwrap().expect("it was made before");
        let on = names
            .iter()
            .map(|(name, condition)| Dependency { agent_id: id(name), condition: *condition });
        on.collect::<Vec<_>>().try_into().unwrap()
    }
}

fn read_all(files: &[&str]) -> Result<Vec<Definition>, Mistake> {
    let files: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(number, text)| (format!("{number}.toml"), (*text).to_owned()))
        .collect();
    definition::read(&files)
}

fn acts(steps: &[Step]) -> Vec<(&str, &'static str)> {
    steps.iter().map(|step| (&*step.name, told(step, &BTreeMap::new()).action)).collect()
}

const FILE: &str = r#"
[defaults]
restart = "on-failure"
env = { LANG = "C" }

[agents.web]
command = "exec ./server"
cwd = "/srv"
env = { TOKEN = "hunter2" }
dependsOn = { db = "healthy", setup = "completed" }

[agents.db]
argv = ["postgres", "-D", "data"]
restart = "always"
stop = { signal = "INT", graceMs = 30000 }
probe = { kind = "tcp", port = 5432 }
limits = { memoryMb = 512 }

[agents.setup]
argv = ["make", "setup"]
dependsOn = { db = "healthy" }
"#;

#[test]
fn a_second_apply_changes_nothing() {
    let mut machine = Fake::default();
    let first = machine.apply(FILE, true);
    assert_eq!(acts(&first), [("db", "create"), ("setup", "create"), ("web", "create")]);
    let second = machine.apply(FILE, true);
    assert_eq!(acts(&second), [("db", "keep"), ("setup", "keep"), ("web", "keep")]);
}

#[test]
fn only_what_differs_is_touched() {
    let mut machine = Fake::default();
    machine.apply(FILE, false);
    let steps = machine.apply(&FILE.replace("graceMs = 30000", "graceMs = 5000"), false);
    assert_eq!(acts(&steps), [("db", "change"), ("setup", "keep"), ("web", "keep")]);
    let Act::Change(edit) = &steps[0].act else { panic!("{steps:?}") };
    assert!(!edit.restarts, "a running agent is restarted for nothing");
    let steps = machine.plan(&read_all(&[&FILE.replace("\"/srv\"", "\"/other\"")]).unwrap(), false);
    let Act::Change(edit) = &steps[2].act else { panic!("{steps:?}") };
    assert!(edit.restarts, "it goes on in another directory than the file says");
    machine.agents[2].desired = Desired::Stopped;
    let steps = machine.plan(&read_all(&[&FILE.replace("\"/srv\"", "\"/other\"")]).unwrap(), false);
    let Act::Change(edit) = &steps[2].act else { panic!("{steps:?}") };
    assert!(!edit.restarts, "what a person has stopped is started");
}

#[test]
fn another_command_is_another_agent_and_those_that_wait_for_it_follow() {
    let mut machine = Fake::default();
    machine.apply(FILE, false);
    let other = FILE.replace("\"data\"", "\"elsewhere\"");
    let steps = machine.apply(&other, false);
    assert_eq!(acts(&steps), [("db", "replace"), ("setup", "change"), ("web", "change")]);
    assert_eq!(
        acts(&machine.apply(&other, false)),
        [("db", "keep"), ("setup", "keep"), ("web", "keep")]
    );
}

#[test]
fn prune_takes_away_what_an_apply_made_and_nothing_else() {
    let mut machine = Fake::default();
    machine.apply(FILE, false);
    machine.apply("[agents.by-hand]\nargv = [\"sleep\", \"9\"]", false);
    machine.agents[3].source = gantline_protocol::api::AgentSource::Spawn;
    let only_db = "[agents.db]\nargv = [\"postgres\", \"-D\", \"data\"]";
    assert_eq!(machine.plan(&read_all(&[only_db]).unwrap(), false).len(), 1);
    let steps = machine.apply(only_db, true);
    assert_eq!(acts(&steps), [("db", "change"), ("web", "remove"), ("setup", "remove")]);
    assert_eq!(machine.agents.len(), 2);
}

#[test]
fn a_password_in_an_environment_is_never_shown() {
    let mut machine = Fake::default();
    machine.apply(FILE, false);
    let steps = machine.plan(&read_all(&[&FILE.replace("hunter2", "swordfish")]).unwrap(), false);
    let json =
        serde_json::to_string(&steps.iter().map(|s| told(s, &BTreeMap::new())).collect::<Vec<_>>())
            .unwrap();
    assert!(json.contains("TOKEN changed"), "{json}");
    assert!(!json.contains("hunter2") && !json.contains("swordfish"), "{json}");
    assert!(!format!("{steps:?}").contains("swordfish"));
}

#[test]
fn a_mistake_is_told_with_its_file_line_and_key() {
    let mistakes = [
        ("[agents.a]\nargv = []", "0.toml:2: agents.a.argv", "names no program"),
        (
            "[agents.a]\nargv = [\"a\"]\nrestart = \"often\"",
            "0.toml:3: agents.a.restart",
            "unknown variant",
        ),
        (
            "[agents.a]\nargv = [\"a\"]\n\nretsart = \"no\"",
            "0.toml:4: agents.a.retsart",
            "unknown field",
        ),
        ("\n[agents.a]\ncwd = \"/\"", "0.toml:2: agents.a", "neither argv nor command"),
        ("[agents.a]\nargv = [\"a\"]\ncommand = \"a\"", "0.toml:1: agents.a", "may have one"),
        (
            "[agents.a]\nargv = [\"a\"]\nprobe = { kind = \"tcp\", port = 1, intervalMS = 5 }",
            "0.toml:1: agents.a.probe",
            "unknown key `intervalMS`",
        ),
        (
            "[agents.a]\nargv = [\"a\"]\nstop = { grace = 5 }",
            "agents.a.stop",
            "unknown key `grace`",
        ),
        ("[defaults]\nargv = [\"a\"]", "0.toml:1: defaults", "for single agents"),
        ("agents = 5", "0.toml:1: agents", "invalid type"),
        ("[agents.a]\nargv = [", "0.toml:2", ""),
    ];
    for (file, place, what) in mistakes {
        let mistake = read_all(&[file]).unwrap_err().to_string();
        assert!(mistake.contains(place) && mistake.contains(what), "{mistake}");
    }
    let twice = read_all(&["[agents.a]\nargv = [\"a\"]", "[agents.a]\nargv = [\"b\"]"]);
    assert_eq!(twice.unwrap_err().to_string(), "1.toml: agents.a: it is in 0.toml as well");
}

#[test]
fn a_circle_is_refused_and_named() {
    let agent = |name: &str, on: &str| {
        format!("[agents.{name}]\nargv = [\"a\"]\ndependsOn = {{ {on} = \"started\" }}\n")
    };
    let file = [agent("a", "b"), agent("b", "c"), agent("c", "b")].concat();
    let circle = read_all(&[&file]).unwrap_err().to_string();
    assert!(circle.ends_with("dependsOn goes in a circle: b → c → b"), "{circle}");
    let unknown = read_all(&[&agent("a", "nobody")]).unwrap();
    let unknown = plan::plan(&unknown, &[], &BTreeMap::new(), false).unwrap_err().to_string();
    assert!(unknown.contains("agents.a.dependsOn") && unknown.contains("nobody"), "{unknown}");
}

#[test]
fn two_agents_of_one_name_are_not_mistaken_for_each_other() {
    let mut machine = Fake::default();
    let file = "[agents.a]\nargv = [\"a\"]";
    machine.apply(file, false);
    let mut twin = machine.agents[0].clone();
    twin.agent_id = "ag-twin0".parse().unwrap();
    machine.agents.push(twin);
    let unclear = plan::plan(&read_all(&[file]).unwrap(), &machine.agents, &BTreeMap::new(), false);
    assert_eq!(unclear.unwrap_err(), Unclear::Shared(2, "a".to_owned()));
    let all: Vec<_> = machine.agents.iter().collect();
    let written = definition::write(&all, &machine.agents).unwrap();
    assert!(written.contains("ag-00001") && written.contains("ag-twin0"), "{written}");
}

const NAMES: [&str; 5] = ["a", "b c", "d.e", "ünï", "z\"q"];

/// The members of one agent, but for its name and what it depends on.
fn members() -> impl Strategy<Value = String> {
    let argv = prop::collection::vec("[ -~äß→]{1,12}", 1..4);
    let part = |some: &'static [&'static str]| select(some).prop_map(str::to_owned);
    (
        argv,
        any::<bool>(),
        part(&["", "cwd = \"/srv/x y\"\n", "cwd = \"rel\"\n"]),
        part(&["", "restart = \"always\"\n", "restart = \"on-failure\"\nsuccessCodes = [0, 143]\n"]),
        part(&["", "stop = { signal = \"KILL\" }\n", "stop = { graceMs = 0 }\n"]),
        part(&[
            "",
            "probe = { kind = \"tcp\", port = 5 }\n",
            "probe = { kind = \"http\", port = 80, path = \"/a?b\", failures = 9, restarts = true }\n",
            "probe = { kind = \"exec\", argv = [\"x\", \"y z\"], timeoutMs = 70 }\n",
            "probe = { kind = \"line\", text = \"it's up\", startPeriodMs = 5 }\n",
        ]),
        part(&["", "limits = { memoryMb = 1 }\n", "limits = { cpuPercent = 50, pids = 3 }\n"]),
        part(&["", "env = { A = \"1\" }\n", "env = { A = \"2\", B = \"\" }\n", "env = {}\n"]),
    )
        .prop_map(|(argv, shell, cwd, restart, stop, probe, limits, env)| {
            let argv = serde_json::to_string(&argv).unwrap();
            format!("argv = {argv}\nshell = {shell}\n{cwd}{restart}{stop}{probe}{limits}{env}")
        })
}

/// A file in which each agent depends on some of those before it.
fn file() -> impl Strategy<Value = String> {
    btree_map(0..NAMES.len(), (members(), any::<u8>(), 0..3_usize), 0..5).prop_map(|agents| {
        let mut before: Vec<&str> = Vec::new();
        let mut text = String::new();
        for (name, (members, on, condition)) in agents {
            let condition = ["started", "healthy", "completed"][condition];
            let on: Vec<_> = before
                .iter()
                .enumerate()
                .filter(|(place, _)| on & (1 << place) != 0)
                .map(|(_, name)| {
                    format!("{} = \"{condition}\"", serde_json::to_string(name).unwrap())
                })
                .collect();
            let key = serde_json::to_string(NAMES[name]).unwrap();
            text.push_str(&format!(
                "[agents.{key}]\n{members}dependsOn = {{ {} }}\n\n",
                on.join(", ")
            ));
            before.push(NAMES[name]);
        }
        text
    })
}

fn changes_nothing(steps: &[Step]) -> bool {
    steps.iter().all(|step| matches!(step.act, Act::Keep(_)))
}

proptest! {
    #[test]
    fn whatever_was_applied_before_a_file_comes_true_and_stays(files in prop::collection::vec(file(), 1..4)) {
        let mut machine = Fake::default();
        for file in &files {
            machine.apply(file, true);
            let again = machine.plan(&read_all(&[file]).unwrap(), true);
            prop_assert!(changes_nothing(&again), "{file}\n{again:#?}");
            prop_assert_eq!(machine.agents.len(), read_all(&[file]).unwrap().len());
        }
    }

    #[test]
    fn what_is_exported_is_what_there_is(file in file()) {
        let mut machine = Fake::default();
        machine.apply(&file, false);
        let all: Vec<_> = machine.agents.iter().collect();
        let exported = definition::write(&all, &machine.agents).unwrap();
        let steps = machine.plan(&read_all(&[&exported]).unwrap(), true);
        prop_assert!(changes_nothing(&steps), "{exported}\n{steps:#?}");
        prop_assert_eq!(steps.len(), machine.agents.len());
    }

    #[test]
    fn no_file_is_too_strange_to_be_refused(text in "[a-c\\[\\]={}\", .\n#']{0,60}") {
        let _ = read_all(&[&text]);
    }
}
