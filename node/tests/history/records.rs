//! What is remembered of agents, for how long, and how it is found again.

use gantline_node::history::{Edited, LifeId, MAX_ARGV, MAX_LINES, Removed};
use gantline_protocol::{
    DeviceId,
    api::{Actor, AgentSource, ChangeKind, Who},
};
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_life_is_remembered_with_who_and_why_after_the_agent_is_gone() {
    let place = Place::new();
    let history = place.open();
    let by = Actor {
        who: Who::Device {
            device_id: DeviceId::from_bytes([0xab; 16]),
            name: Some("phone".parse().unwrap()),
        },
        path: Some(Way::Relay),
    };
    let mut one = agent(1, &["make", "all"]);
    one.name = Some("build".parse().unwrap());
    let (agent_id, epoch) = (one.agent_id, one.epoch.unwrap());
    let journal = history.journal();
    journal.note(Began::of(&one, None, Some(by.clone())).unwrap());
    let running = |millis, from, to, reason: Option<&str>| Changed {
        agent_id,
        epoch,
        at: at(millis),
        from: Some(from),
        to,
        reason: reason.map(str::to_owned),
        by: None,
    };
    journal.note(running(1_100, AgentState::Starting, AgentState::Running, None));
    let why = Some("3 checks in a row failed");
    journal.note(running(1_200, AgentState::Running, AgentState::Unhealthy, why));
    journal.note(Edited {
        agent_id,
        epoch,
        at: at(1_300),
        members: vec!["name".to_owned(), "env".to_owned()],
        name: Some("release".parse().unwrap()),
        by: Some(by.clone()),
    });
    journal.note(Ended {
        reason: Some("killed by the kernel: out of memory".to_owned()),
        last_lines: LastLines::new(["", "cc1plus: \u{1b}[1mfatal", "  "], None),
        ..end_of(&one, 4_000, ExitStatus::Signal(9), Outcome::Failure)
    });
    journal.note(Removed { agent_id, at: at(5_000), by: Some(by.clone()) });
    close(history).await;
    let history = place.open();
    let record = history.life(agent_id, epoch).await.unwrap().unwrap();
    let life = &record.life;
    assert_eq!(life.name.as_ref().unwrap().as_str(), "release");
    assert_eq!(life.argv, ["make", "all"]);
    assert_eq!(life.by, Some(by.clone()));
    assert_eq!((life.state, life.outcome), (AgentState::Exited, Some(Outcome::Failure)));
    assert_eq!((life.exit, life.duration_ms), (Some(ExitStatus::Signal(9)), Some(3_000)));
    assert_eq!(life.reason.as_deref(), Some("killed by the kernel: out of memory"));
    assert_eq!(life.last_lines, ["cc1plus: [1mfatal"]);
    let kinds: Vec<_> = record.changes.iter().map(|change| &change.what).collect();
    assert!(
        matches!(
            kinds[..],
            [
                ChangeKind::State { to: AgentState::Running, .. },
                ChangeKind::State { to: AgentState::Unhealthy, .. },
                ChangeKind::Edited { .. },
                ChangeKind::Removed,
            ]
        ),
        "{kinds:?}"
    );
    assert_eq!(record.changes[1].reason.as_deref(), why);
    assert_eq!(record.changes[3].by, Some(by));
    assert_eq!(history.life(agent_id, Epoch(77)).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_noted_twice_is_remembered_once_and_an_exit_code_is_never_replaced() {
    let place = Place::new();
    let history = place.open();
    let one = agent(1, &["true"]);
    live(&history, &one, 3);
    live(&history, &one, 0);
    let lives = all(&history).await;
    assert_eq!(lives.len(), 1);
    assert_eq!(
        (lives[0].exit, lives[0].outcome),
        (Some(ExitStatus::Code(3)), Some(Outcome::Failure))
    );
}

#[tokio::test]
async fn no_value_of_an_environment_reaches_the_disk_in_any_form() {
    let place = Place::new();
    let history = place.open();
    let secret = "Zm9vYmFy-canary-8417-value";
    let env = env(json!({ "TOKEN": secret, "DB": "@secret:db.prod", "SHORT": "ab" }));
    // People write `--token "$TOKEN"`, programs print what they were given.
    let one = agent(1, &["curl", &format!("--token={secret}"), "ab"]);
    history.journal().note(Began::of(&one, Some(&env), None).unwrap());
    history.journal().note(Ended {
        last_lines: LastLines::new([format!("401 for {secret}!"), "bye".to_owned()], Some(&env)),
        ..end_of(&one, 2_000, ExitStatus::Code(1), Outcome::Failure)
    });
    let lives = all(&history).await;
    assert_eq!(lives[0].env, ["DB=@secret:db.prod", "SHORT", "TOKEN"]);
    assert_eq!(lives[0].argv, ["curl", "--token=‹TOKEN›", "ab"]);
    assert_eq!(lives[0].last_lines, ["401 for ‹TOKEN›!", "bye"]);
    for part in [secret, "canary-8417"] {
        assert!(found(&history, part).await.is_empty());
    }
    // In the database and in its WAL.
    let before = place.bytes();
    close(history).await;
    for bytes in [before, place.bytes()] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let base64 = data_encoding::BASE64_NOPAD.encode(secret.as_bytes());
        for form in [secret, "canary", "8417", &hex, &hex.to_uppercase(), &base64[..20]] {
            assert!(
                memchr::memmem::find(&bytes, form.as_bytes()).is_none(),
                "{form} is on the disk"
            );
        }
        let noted = memchr::memmem::find(&bytes, b"--token=");
        assert!(noted.is_some(), "nothing was looked through");
    }
}

#[tokio::test]
async fn a_history_that_was_begun_anew_learns_of_agents_without_what_their_environments_keep() {
    let place = Place::new();
    let secret = "canary-of-a-running-agent";
    let history = place.open();
    let one = (agent(1, &["serve", &format!("--key={secret}")]), env(json!({ "KEY": secret })));
    history.settle_with(move || vec![one.clone()]);
    // Whoever asks next is told of it, as of anything else that was noted.
    let lives = all(&history).await;
    let known = lives.into_iter().find(|life| life.epoch.0 == 1).expect("it is told");
    assert_eq!(
        (known.argv, known.env),
        (vec!["serve".into(), "--key=‹KEY›".into()], vec!["KEY".into()])
    );
    close(history).await;
    assert!(memchr::memmem::find(&place.bytes(), secret.as_bytes()).is_none());
}

#[tokio::test]
async fn what_is_long_is_cut_and_says_so() {
    let place = Place::new();
    let history = place.open();
    let long = "é".repeat(9_000);
    let mut one = agent(1, &["run", &long, "never"]);
    one.reason = None;
    history.journal().note(Began::of(&one, None, None).unwrap());
    let lines = (0..100).map(|number| format!("{number} {}", "x".repeat(1_000)));
    history.journal().note(Ended {
        reason: Some("r".repeat(1 << 20)),
        last_lines: LastLines::new(lines, None),
        ..end_of(&one, 2_000, ExitStatus::Code(0), Outcome::Success)
    });
    let lives = all(&history).await;
    let kept: usize = lives[0].argv.iter().map(String::len).sum();
    assert!(kept <= MAX_ARGV && kept > MAX_ARGV - 4 && lives[0].argv_cut);
    assert_eq!(lives[0].reason.as_ref().unwrap().len(), 1024);
    let lines = &lives[0].last_lines;
    assert!(lines.len() <= MAX_LINES && lines.last().unwrap().starts_with("99 "), "{lines:?}");
    assert!(lines.iter().map(String::len).sum::<usize>() <= 4096);
    let many: Vec<_> = std::iter::once("run").chain(std::iter::repeat_n("", 4_000)).collect();
    let items = |argv: &[&str]| Began::of(&agent(2, argv), None, None).unwrap();
    history.journal().note(items(&many));
    assert_eq!(all(&history).await[0].argv.len(), 4_001, "empty ones cost a byte each");
}

#[tokio::test]
async fn lives_are_found_by_what_people_remember_of_them() {
    let place = Place::new();
    let history = place.open();
    let mut build = agent(1, &["cargo", "build", "--release"]);
    build.name = Some("Überbau".parse().unwrap());
    live(&history, &build, 0);
    let mut failing = agent(2, &["/usr/bin/python3", "serve.py"]);
    failing.source = AgentSource::Exec;
    live(&history, &failing, 3);
    let open = agent(3, &["sleep", "99"]);
    history.journal().note(Began::of(&open, None, None).unwrap());
    let ids = |lives: Vec<Life>| lives.iter().map(|life| life.epoch.0).collect::<Vec<_>>();
    for (words, expected) in [
        ("cargo release", vec![1]),
        ("--release", vec![1]),
        ("uberbau", vec![1]),
        ("ÜBER", vec![1]),
        ("serve.py", vec![2]),
        ("pyth", vec![2]),
        ("ag-00003", vec![3]),
        ("cargo python3", vec![]),
    ] {
        assert_eq!(ids(found(&history, words).await), expected, "{words}");
    }
    let every = Search::default;
    for (search, expected) in [
        (every(), vec![3, 2, 1]),
        (Search { agent: Some(build.agent_id), ..every() }, vec![1]),
        (Search { name: Some("Überbau".to_owned()), ..every() }, vec![1]),
        (Search { state: Some(AgentState::Running), ..every() }, vec![3]),
        (Search { outcomes: vec![Outcome::Failure, Outcome::Lost], ..every() }, vec![2]),
        (Search { exit: Some(ExitStatus::Code(3)), ..every() }, vec![2]),
        (Search { exit: Some(ExitStatus::Signal(3)), ..every() }, vec![]),
        (Search { source: Some(AgentSource::Exec), ..every() }, vec![2]),
        // One that goes on belongs to every time since its beginning.
        (Search { since: Some(at(2_600)), ..every() }, vec![3]),
        (Search { until: Some(at(2_000)), ..every() }, vec![2, 1]),
        (Search { before: Some(LifeId(2)), ..every() }, vec![1]),
        (
            Search { words: Some("ag".parse().unwrap()), before: Some(LifeId(3)), ..every() },
            vec![2, 1],
        ),
    ] {
        assert_eq!(ids(lives(&history, search.clone()).await), expected, "{search:?}");
    }
}

#[tokio::test]
async fn a_search_is_words_and_never_a_language() {
    let place = Place::new();
    let history = place.open();
    let odd = r#"say "hi" OR NOT (a) col:x^2 {n} -- ; DROP TABLE lives"#;
    live(&history, &agent(1, &["sh", "-c", odd]), 0);
    for hostile in [
        "\"",
        "\"\"hi\"",
        "hi\"*",
        "a\"\u{0}b",
        "NEAR(a b)",
        "argv:hi",
        "{argv}:hi",
        "hi OR NOT",
        "hi AND",
        "(hi",
        "hi)",
        "^hi",
        "hi*",
        "-hi",
        "+hi",
        "hi:",
        "' OR 1=1 --",
        "\\",
        "%",
        "_",
        "a\u{1}b\u{7f}\u{9b}c",
        "\u{202e}hi",
        "💥hi",
        "\u{fffd}",
        "hi \u{0} OR",
    ] {
        let Ok(words) = hostile.parse() else { continue };
        let search = Search { words: Some(words), ..Search::default() };
        history.lives(search, 10).await.unwrap_or_else(|error| panic!("{hostile:?}: {error}"));
    }
    assert_eq!(found(&history, odd).await.len(), 1);
    assert!(found(&history, "hi NEAR a").await.is_empty(), "NEAR is a word that is not there");
    for none in ["", "  ", "\"\"", "***", "\u{0}", "(^)"] {
        assert!(none.parse::<gantline_node::history::Words>().is_err(), "{none:?}");
    }
    assert_eq!(history.status().set_aside, None);
}

#[tokio::test]
async fn a_page_begins_where_the_last_one_ended_although_more_comes() {
    let place = Place::new();
    let history = place.open();
    (1..=25).for_each(|number| live(&history, &agent(number, &["true"]), 0));
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let search = Search { before, ..Search::default() };
        let page = history.lives(search, 10).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        before = Some(*last);
        seen.extend(page.iter().map(|(_, life)| life.epoch.0));
        live(&history, &agent(100 + seen.len() as u64, &["true"]), 0);
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_old_or_too_much_is_forgotten_and_what_goes_on_is_not() {
    let now = Timestamp::from(SystemTime::now()).as_millis();
    let day = 24 * 60 * 60 * 1000;
    let place = Place::new();
    let history = place.open();
    for number in 1..=40 {
        let mut one = agent(number, &["true"]);
        // Ten days ago, nine and a half, …
        let at = Timestamp::from_millis(now - day * (40 - number) / 4);
        one.started_at = Some(at);
        history.journal().note(Began::of(&one, None, None).unwrap());
        if number != 2 {
            let end = end_of(&one, 0, ExitStatus::Code(0), Outcome::Success);
            history.journal().note(Ended { at, ..end });
        }
    }
    assert_eq!(all(&history).await.len(), 40);
    close(history).await;
    let epochs = async |retention, agents: Vec<Agent>| {
        let history = History::open(place.dir.path(), retention, place.events.clone());
        history.settle_with(move || plain(&agents));
        // It forgets in its first step, like once a minute.
        history.journal().note(Began::of(&agent(41, &["true"]), None, None).unwrap());
        let lives = all(&history).await;
        close(history).await;
        lives.iter().map(|life| life.epoch.0).collect::<Vec<_>>()
    };
    let mut two = agent(2, &["true"]);
    two.started_at = Some(Timestamp::from_millis(now - day * 38 / 4));
    let going_on = vec![agent(41, &["true"]), two];
    let _ = epochs(Retention { days: 5, rows: 1000 }, going_on.clone()).await;
    let after = epochs(Retention { days: 5, rows: 1000 }, going_on.clone()).await;
    assert_eq!(after.iter().min(), Some(&2));
    assert!(after.len() >= 21 && after.len() <= 23, "{after:?}");
    let _ = epochs(Retention { days: 5, rows: 7 }, going_on.clone()).await;
    let after = epochs(Retention { days: 5, rows: 7 }, going_on).await;
    assert_eq!(after, [41, 40, 39, 38, 37, 36, 2]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_puts_nothing_out_of_order() {
    let place = Place::new();
    let history = place.open();
    let mut one = agent(1, &["true"]);
    one.started_at = Some(at(3_000_000));
    history.journal().note(Began::of(&one, None, None).unwrap());
    history.journal().note(end_of(&one, 5_000, ExitStatus::Code(0), Outcome::Success));
    live(&history, &agent(2, &["true"]), 0);
    let lives = all(&history).await;
    let seen: Vec<_> = lives.iter().map(|life| (life.epoch.0, life.duration_ms)).collect();
    assert_eq!(seen, [(2, Some(500)), (1, Some(0))]);
}

#[tokio::test]
async fn a_record_of_a_thousand_changes_does_not_grow_any_more() {
    let place = Place::new();
    let history = place.open();
    let one = agent(1, &["flap"]);
    let (agent_id, epoch) = (one.agent_id, one.epoch.unwrap());
    history.journal().note(Began::of(&one, None, None).unwrap());
    for number in 0..1_500 {
        let to = if number % 2 == 0 { AgentState::Healthy } else { AgentState::Unhealthy };
        let at = at(number);
        history.journal().note(Changed {
            agent_id,
            epoch,
            at,
            from: None,
            to,
            reason: None,
            by: None,
        });
    }
    let record = history.life(agent_id, epoch).await.unwrap().unwrap();
    assert_eq!(record.changes.len(), 1_000);
    assert_eq!(record.changes.last().unwrap().at, at(1_499));
}

#[tokio::test]
async fn a_life_that_nobody_saw_the_end_of_is_lost_and_one_that_goes_on_after_all_is_not() {
    let place = Place::new();
    let history = place.open();
    let (gone, ended, lives_on) = (agent(1, &["a"]), agent(2, &["b"]), agent(3, &["c"]));
    for agent in [&gone, &ended, &lives_on] {
        history.journal().note(Began::of(agent, None, None).unwrap());
    }
    assert_eq!(all(&history).await.len(), 3);
    close(history).await;
    // The next node finds one with an exit record, and one that it had not noted yet.
    let mut found = ended.clone();
    found.state = AgentState::Exited;
    (found.exit, found.ended_at) = (Some(ExitStatus::Code(4)), Some(at(2_500)));
    let unnoted = agent(4, &["d"]);
    let history = History::open(place.dir.path(), Retention::default(), place.events.clone());
    let agents = vec![found, unnoted];
    history.settle_with(move || plain(&agents));
    history.journal().note(Began::of(&agent(5, &["e"]), None, None).unwrap());
    let seen = async || {
        let lives = all(&history).await;
        lives.iter().map(|life| (life.epoch.0, life.outcome, life.exit)).collect::<Vec<_>>()
    };
    let lost = Some(Outcome::Lost);
    let code = Some(ExitStatus::Code(4));
    let (first, second) = ((1, lost, None), (2, Some(Outcome::Failure), code));
    let seen_first = seen().await;
    assert!(seen_first.ends_with(&[(3, lost, None), second, first]), "{seen_first:?}");
    assert!(seen_first.contains(&(4, None, None)), "{seen_first:?}");
    history.journal().note(Changed {
        agent_id: lives_on.agent_id,
        epoch: lives_on.epoch.unwrap(),
        at: at(9_000),
        from: None,
        to: AgentState::Running,
        reason: None,
        by: None,
    });
    assert!(seen().await.contains(&(3, None, None)), "its shim answered late");
    let record = history.life(gone.agent_id, gone.epoch.unwrap()).await.unwrap().unwrap();
    assert!(record.life.reason.unwrap().contains("neither its process nor a record"));
    assert!(record.life.ended_at.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nobody_can_break_the_search_by_what_they_look_for(text in "\\PC{0,40}|[\"*()^:{}+ a-cORNEAT\\-\u{0}-\u{1f}]{0,30}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let place = Place::new();
        runtime.block_on(async {
            let history = place.open();
            live(&history, &agent(1, &["a", "b"]), 0);
            if let Ok(words) = text.parse() {
                history.lives(Search { words: Some(words), ..Search::default() }, 5).await.unwrap();
            }
        });
    }
}
