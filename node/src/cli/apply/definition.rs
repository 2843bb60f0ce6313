//! Definition files: agents by name, in TOML, with the members that the API has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gantline_protocol::{
    AgentId, Name,
    api::{
        Agent, Argv, Command, Cwd, DependencyCondition, Env, LogMb, Probe, ResourceLimits,
        RestartPolicy, ScrollbackKb, StopPlan, SuccessCodes, Supervision,
    },
};
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// One agent, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Definition {
    pub(in crate::cli) name: Name,
    pub(in crate::cli) argv: Argv,
    pub(in crate::cli) shell: bool,
    pub(in crate::cli) cwd: Option<Cwd>,
    /// Nothing if the file does not say: what the agent has stays.
    pub(in crate::cli) env: Option<Env>,
    /// But for what it depends on.
    pub(in crate::cli) supervision: Supervision,
    pub(in crate::cli) depends_on: BTreeMap<String, DependencyCondition>,
    pub(in crate::cli) scrollback_kb: Option<ScrollbackKb>,
    pub(in crate::cli) log_mb: Option<LogMb>,
}

impl Definition {
    pub(in crate::cli) fn command(&self) -> Command {
        Command {
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
            env: self.env.clone().unwrap_or_default(),
            shell: self.shell,
        }
    }
}

/// What is wrong with a file: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub(in crate::cli) struct Mistake {
    file: String,
    line: Option<usize>,
    what: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    defaults: Option<Spanned<Written>>,
    #[serde(default)]
    agents: BTreeMap<String, Spanned<Written>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Argv>,
    /// Whether the first item of `argv` is a script for the shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<bool>,
    /// A script for the shell, in place of `argv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<Cwd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<RestartPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_codes: Option<SuccessCodes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrollback_kb: Option<ScrollbackKb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_mb: Option<LogMb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Env>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<StopPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<BTreeMap<String, DependencyCondition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<ResourceLimits>,
}

/// Reads all files as one, and puts what is waited for before what waits.
pub(in crate::cli) fn read(files: &[(String, String)]) -> Result<Vec<Definition>, Mistake> {
    let mut definitions: BTreeMap<Name, (String, Definition)> = BTreeMap::new();
    for (file, text) in files {
        for definition in read_one(file, text)? {
            let name = definition.name.clone();
            if let Some((other, _)) = definitions.insert(name.clone(), (file.clone(), definition)) {
                let what = format!("agents.{name}: it is in {other} as well");
                return Err(Mistake { file: file.clone(), line: None, what });
            }
        }
    }
    in_order(definitions)
}

fn read_one(file: &str, text: &str) -> Result<Vec<Definition>, Mistake> {
    let at = |offset: usize, what: String| {
        let before = text.get(..offset).unwrap_or(text);
        Mistake { file: file.to_owned(), line: Some(1 + before.matches('\n').count()), what }
    };
    let unreadable = |error: toml::de::Error| {
        let what = error.message().to_owned();
        let start = error.span().map_or(0, |span| span.start);
        at(
            start,
            match key_at(text, start) {
                Some(key) => format!("{key}: {what}"),
                None => what,
            },
        )
    };
    let written: WrittenFile = toml::from_str(text).map_err(unreadable)?;
    let raw: toml::Table = toml::from_str(text).map_err(unreadable)?;
    let (defaults, begins) = match &written.defaults {
        Some(defaults) => (defaults.get_ref().clone(), defaults.span().start),
        None => (Written::default(), 0),
    };
    nothing_unknown(&defaults, raw.get("defaults"), "defaults").map_err(|what| at(begins, what))?;
    let Written { argv, shell, command, depends_on, .. } = &defaults;
    if argv.is_some() || shell.is_some() || command.is_some() || depends_on.is_some() {
        let what = "defaults: argv, shell, command and dependsOn are for single agents".to_owned();
        return Err(at(begins, what));
    }
    let mut definitions = Vec::new();
    for (name, written) in &written.agents {
        let key = format!("agents.{name}");
        let wrong = |what: String| at(written.span().start, what);
        let raw = raw.get("agents").and_then(|agents| agents.get(name));
        nothing_unknown(written.get_ref(), raw, &key).map_err(wrong)?;
        let definition = define(name, written.get_ref(), &defaults);
        definitions.push(definition.map_err(|what| wrong(format!("{key}{what}")))?);
    }
    Ok(definitions)
}

fn define(name: &str, written: &Written, defaults: &Written) -> Result<Definition, String> {
    let name: Name = name.parse().map_err(|error| format!(": {error}"))?;
    let (argv, shell) = match (&written.argv, &written.command) {
        (Some(argv), None) => (argv.clone(), written.shell.unwrap_or(false)),
        (None, Some(script)) => {
            let argv = Argv::try_from(vec![script.clone()]);
            (argv.map_err(|error| format!(".command: {error}"))?, true)
        }
        (Some(_), Some(_)) => return Err(": it has argv and command, and may have one".to_owned()),
        (None, None) => return Err(": it has neither argv nor command".to_owned()),
    };
    let env = match (&defaults.env, &written.env) {
        (None, None) => None,
        (one, None) | (None, one) => one.clone(),
        (Some(all), Some(own)) => {
            let both = all
                .iter()
                .chain(own.iter())
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            let both: BTreeMap<_, _> = both.collect();
            Some(Env::try_from(both).map_err(|error| format!(".env: {error}"))?)
        }
    };
    let usual = Supervision::default();
    Ok(Definition {
        name,
        argv,
        shell,
        cwd: written.cwd.clone().or_else(|| defaults.cwd.clone()),
        env,
        supervision: Supervision {
            restart: written.restart.or(defaults.restart).unwrap_or(usual.restart),
            success_codes: written
                .success_codes
                .clone()
                .or_else(|| defaults.success_codes.clone())
                .unwrap_or(usual.success_codes),
            stop: written.stop.or(defaults.stop).unwrap_or(usual.stop),
            probe: written.probe.clone().or_else(|| defaults.probe.clone()),
            limits: written.limits.or(defaults.limits).unwrap_or(usual.limits),
            depends_on: usual.depends_on,
        },
        depends_on: written.depends_on.clone().unwrap_or_default(),
        scrollback_kb: written.scrollback_kb.or(defaults.scrollback_kb),
        log_mb: written.log_mb.or(defaults.log_mb),
    })
}

/// The API ignores what it does not know inside of these; in a file that is a typing mistake.
fn nothing_unknown(written: &Written, raw: Option<&toml::Value>, key: &str) -> Result<(), String> {
    let probe = serde_json::to_value(&written.probe).unwrap_or_default();
    let of_probe: Vec<_> = probe.as_object().into_iter().flatten().map(|(key, _)| &**key).collect();
    let known = [
        ("probe", &*of_probe),
        ("stop", &["signal", "graceMs"]),
        ("limits", &["memoryMb", "cpuPercent", "pids"]),
    ];
    for (part, known) in known {
        let table = raw.and_then(|raw| raw.get(part)).and_then(toml::Value::as_table);
        for member in table.into_iter().flat_map(toml::Table::keys) {
            if !known.contains(&&**member) {
                return Err(format!(
                    "{key}.{part}: unknown key `{member}`; it may have {}",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// The table and key in whose line something stands.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let line_start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..)?.lines().next()?.trim();
    if line.starts_with('[') {
        return Some(line.trim_matches(['[', ']']).to_owned());
    }
    let key = line.split_once('=').map(|(key, _)| key.trim())?;
    let table =
        text.get(..line_start)?.lines().rev().map(str::trim).find(|line| line.starts_with('['));
    Some(match table {
        Some(table) => format!("{}.{key}", table.trim_matches(['[', ']'])),
        None => key.to_owned(),
    })
}

/// Puts what is waited for first; what does not depend on each other stays in the order of names.
fn in_order(mut rest: BTreeMap<Name, (String, Definition)>) -> Result<Vec<Definition>, Mistake> {
    let mut ordered = Vec::new();
    while !rest.is_empty() {
        let names: BTreeSet<String> = rest.keys().map(ToString::to_string).collect();
        let waits =
            |definition: &Definition| definition.depends_on.keys().any(|on| names.contains(on));
        let ready: Vec<Name> =
            rest.values().filter(|(_, d)| !waits(d)).map(|(_, d)| d.name.clone()).collect();
        if ready.is_empty() {
            return Err(circle(&rest));
        }
        ordered.extend(ready.iter().filter_map(|name| rest.remove(name)).map(|(_, d)| d));
    }
    Ok(ordered)
}

/// Names a circle among agents of which each waits for another.
fn circle(rest: &BTreeMap<Name, (String, Definition)>) -> Mistake {
    let by_name: BTreeMap<String, &(String, Definition)> =
        rest.iter().map(|(name, entry)| (name.to_string(), entry)).collect();
    let mut walked: Vec<&str> = Vec::new();
    let mut at = by_name.keys().next().map(String::as_str);
    let mut file = String::new();
    while let Some(name) = at {
        if let Some(start) = walked.iter().position(|walked| *walked == name) {
            walked.drain(..start);
            walked.push(name);
            break;
        }
        walked.push(name);
        at = by_name.get(name).and_then(|(of, definition)| {
            file.clone_from(of);
            definition.depends_on.keys().find(|on| by_name.contains_key(*on)).map(String::as_str)
        });
    }
    let what = format!("dependsOn goes in a circle: {}", walked.join(" → "));
    Mistake { file, line: None, what }
}

const HEAD: &str = "\
# Agents, as `gantline export` wrote them down; `gantline apply` makes them so again.
# Environments are not in here: a machine never tells them. Where `env` is left out, an agent keeps
# what it has.
";

/// A file that says what these agents are. `all` has those that they may depend on as well.
pub(in crate::cli) fn write(agents: &[&Agent], all: &[Agent]) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct File {
        agents: BTreeMap<String, Written>,
    }
    let usual = Supervision::default();
    let unless = |is_usual: bool| !is_usual;
    let agents = agents.iter().map(|agent| {
        let Supervision { restart, success_codes, stop, probe, depends_on, limits } =
            &agent.supervision;
        let depends_on: BTreeMap<_, _> =
            depends_on.iter().map(|on| (key_of(on.agent_id, all), on.condition)).collect();
        let script = (agent.shell && agent.argv.items().len() == 1)
            .then(|| agent.argv.items().first().cloned())
            .flatten();
        let written = Written {
            argv: script.is_none().then(|| agent.argv.clone()),
            shell: (script.is_none() && agent.shell).then_some(true),
            command: script,
            cwd: agent.cwd.clone(),
            restart: unless(*restart == usual.restart).then_some(*restart),
            success_codes: unless(*success_codes == usual.success_codes)
                .then(|| success_codes.clone()),
            scrollback_kb: None,
            log_mb: None,
            env: None,
            stop: unless(*stop == usual.stop).then_some(*stop),
            probe: probe.clone(),
            depends_on: unless(depends_on.is_empty()).then_some(depends_on),
            limits: unless(limits.are_none()).then_some(*limits),
        };
        (key_of(agent.agent_id, all), written)
    });
    let file = File { agents: agents.collect() };
    Ok(format!("{HEAD}\n{}", toml::to_string(&file)?))
}

/// What a file calls an agent: by its name, or where it has none or shares it, by its id.
pub(super) fn key_of(id: AgentId, all: &[Agent]) -> String {
    let name = all.iter().find(|agent| agent.agent_id == id).and_then(|agent| agent.name.as_ref());
    let is_shared =
        |name: &&Name| all.iter().filter(|agent| agent.name.as_ref() == Some(name)).count() > 1;
    name.filter(|name| !is_shared(name)).map_or_else(|| id.to_string(), ToString::to_string)
}
