//! What late viewers see, and who answers what programs ask: real processes on real PTYs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::time::{Duration, Instant};

use gantline_node::{
    pty::{
        hub::Hub,
        screen::{checkpoint::Checkpoint, parser::Parser},
    },
    supervisor::Settings,
};
use gantline_protocol::{
    Offset,
    terminal::{Position, TerminalSize, ViewerMessage},
};
use pty_support::{As, Machine, Told, Viewer, size};

/// The screen that a late viewer is given.
struct Late {
    viewer: Viewer,
    shown: Checkpoint,
}

impl Late {
    async fn attach(hub: &Hub) -> Self {
        let mut viewer = Viewer::attach(hub, As::default()).await;
        let mut screen = Vec::new();
        let mut shown = None;
        viewer
            .until(|viewer, told| {
                let Told::Snapshot { position, size, last, bytes } = told else {
                    panic!("no snapshot")
                };
                assert_eq!(position.offset.0, viewer.begins);
                screen.extend_from_slice(bytes);
                let (position, size) = (position.offset, *size);
                shown = Some(Checkpoint { position, size, screen: screen.clone().into() });
                *last
            })
            .await;
        Self { viewer, shown: shown.unwrap() }
    }

    /// What its terminal shows now.
    fn screen(&self) -> Vec<u8> {
        let mut parser = Parser::restore(&self.shown).unwrap();
        parser.feed(&self.viewer.seen).unwrap();
        finished(parser)
    }
}

/// What a terminal shows after a character that ends all that waits.
fn finished(mut parser: Parser) -> Vec<u8> {
    parser.feed(b"\x1b[m").unwrap();
    parser.checkpoint().unwrap().screen.to_vec()
}

/// What a terminal shows that was there from the start.
fn whole(size: TerminalSize, output: &[u8]) -> Vec<u8> {
    let mut parser = Parser::new(size, Offset(0)).unwrap();
    parser.feed(output).unwrap();
    finished(parser)
}

#[track_caller]
fn same(one: &[u8], other: &[u8]) {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    let at = differs.unwrap_or(one.len().min(other.len())).saturating_sub(20);
    let around = |bytes: &[u8]| bytes[at..bytes.len().min(at + 60)].escape_ascii().to_string();
    assert!(one == other, "at {at}: {} and not {}", around(one), around(other));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_sees_the_screen_and_then_exactly_the_rest() {
    let machine = Machine::new();
    let draw = "printf '\\033[?1049h\\033[5;10H\\033[31mdrawn\\033[?25l'";
    let script = format!(
        "stty -echo; seq 1 100000; echo -; read x; seq 100001 200000; {draw}; read x; echo end"
    );
    let hub = machine.hub(machine.sh(&script).await);
    let position = Position { epoch: hub.host().log().epoch(), offset: Offset(0) };
    let (position, size) = (Some(position), TerminalSize::STANDARD);
    let mut first = Viewer::attach(&hub, As { position, size, ..As::default() }).await;
    first.until(|first, _| first.seen.ends_with(b"-\r\n")).await;
    let mut lines = Late::attach(&hub).await;
    assert!(lines.shown.screen.len() < 20_000, "more than a screen and a thousand lines");
    same(&lines.screen(), &whole(TerminalSize::STANDARD, &first.seen));
    first.types("\r").await;
    first.until(|first, _| first.seen.ends_with(b"\x1b[?25l")).await;
    let mut drawn = Late::attach(&hub).await;
    same(&drawn.screen(), &whole(TerminalSize::STANDARD, &first.seen));
    first.types("\r").await;
    for viewer in [&mut first, &mut lines.viewer, &mut drawn.viewer] {
        viewer.exit().await;
    }
    let all = whole(TerminalSize::STANDARD, &first.seen);
    same(&lines.screen(), &all);
    same(&drawn.screen(), &all);
    // Also of one that has ended there is a screen.
    same(&Late::attach(&hub).await.screen(), &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_has_the_size_that_it_was_drawn_for() {
    let machine = Machine::new();
    let script =
        "trap 'echo; stty size' WINCH; stty -echo; echo ready; while :; do sleep 0.02; done";
    let hub = machine.hub(machine.sh(script).await);
    let mut driver = Viewer::from_start(&hub).await;
    driver.sees("ready").await;
    driver.say(ViewerMessage::Take).await;
    driver.sees("30 100").await;
    for (cols, rows) in [(132, 50), (20, 5), (90, 40)] {
        driver.say(ViewerMessage::Resize(size(cols, rows))).await;
        driver.sees(&format!("{rows} {cols}")).await;
        let late = Late::attach(&hub).await;
        assert_eq!(late.shown.size, size(cols, rows));
        late.viewer.breaks_off().await;
    }
}

/// Asks everything, and tells what is typed in answer until nothing comes any more.
const ASKS: &str = "stty raw -echo min 0 time 5; read x; \
    printf '\\033[?2004h\\033[7;5H\\033[6n\\033[c\\033[>c\\033[5n\\033[?2004$p\\033]11;?\\007\\033[>q'; \
    cat | od -An -c | tr -d ' \\n'; echo; echo over";

const ANSWERS: &str = "033[7;5R033[?62;22c033[>0;277;0c033[0n033[?2004;1$y033]11;rgb:0000/0000/0000\
    033\\033P>|gantline";

/// What the program was answered, in the words of `od`.
fn answered(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).replace(['\r', '\n'], "");
    let at = text.find(">q").map_or(0, |at| at + 2);
    text[at..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_asks_its_terminal_is_answered_once_by_nobody_but_the_node() {
    for viewers in [0, 1, 8] {
        let machine = Machine::new();
        // Without a driver, it goes on by itself.
        let asks = ASKS.replace("read x", if viewers == 0 { "sleep 0.1" } else { "head -c1" });
        let id = machine
            .sh(&asks.replace("min 0 time 5; head -c1", "; head -c1; stty min 0 time 5"))
            .await;
        let hub = machine.hub(id);
        let mut watching = Vec::new();
        for _ in 0..viewers {
            watching.push(Viewer::from_start(&hub).await);
        }
        if let Some(driver) = watching.first_mut() {
            driver.types("x").await;
        }
        let (output, _) = machine.written(id).await;
        let answered = answered(&output).replace("\\", "");
        let expected = ANSWERS.replace("\\", "");
        assert!(answered.contains(&expected), "{viewers} viewers: {answered}");
        assert_eq!(answered.matches("62;22c").count(), 1, "{viewers} viewers: {answered}");
        assert_eq!(answered.matches("[7;5R").count(), 1, "{viewers} viewers: {answered}");
    }
}

/// The most memory that this process has had so far, in MB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screens_of_many_agents_that_write_at_once_do_not_fill_the_memory() {
    const AGENTS: usize = 24;
    let machine = Machine::new();
    let line = "7".repeat(79);
    let script = format!("yes {line} | head -n 3000; echo the last; exec sleep 600");
    let before = most_memory();
    let mut hubs = Vec::new();
    for _ in 0..AGENTS {
        hubs.push(machine.hub(machine.sh(&script).await));
    }
    for hub in &hubs {
        Viewer::from_start(hub).await.sees("the last").await;
    }
    let late = hubs.iter().map(|hub| async move {
        let late = Late::attach(hub).await;
        String::from_utf8_lossy(&late.shown.screen).matches(&"7".repeat(79)).count()
    });
    let lines = futures_util::future::join_all(late).await;
    assert!(lines.iter().all(|lines| *lines >= 1000), "the lines above the screen: {lines:?}");
    let more = most_memory() - before;
    assert!(more < 120, "{AGENTS} screens took {more} MB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_asks_where_the_cursor_is_waits_for_no_other_that_has_asked() {
    let machine = Machine::new();
    // Whoever has asked is likely to ask again, so that what answers it is kept for some seconds.
    let script = r"stty raw -echo; printf '\033[6n'; head -c 6 >/dev/null; echo answered; cat";
    let begun = Instant::now();
    for _ in 0..8 {
        let hub = machine.hub(machine.sh(script).await);
        Viewer::from_start(&hub).await.sees("answered").await;
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_lines_look_like_costs_their_shim_nothing_more_than_sending_them_once() {
    const BURSTS: u64 = 6;
    // Nothing of it goes to the disk.
    let machine = Machine::with(Settings::default());
    // No faster than a busy machine looks at it.
    let script = format!(
        "stty -opost -echo; for i in $(seq {BURSTS}); do yes {} | head -c 600000; sleep 0.1; done; \
         echo the last; exec sleep 600",
        "7".repeat(79)
    );
    let id = machine.sh(&script).await;
    let hub = machine.hub(id);
    Viewer::from_start(&hub).await.sees("the last").await;
    Late::attach(&hub).await;
    let shim = machine.shim(id);
    let io = std::fs::read_to_string(format!("/proc/{shim}/io")).unwrap();
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    let written: u64 = written.parse().unwrap();
    let log = BURSTS * 600_000;
    assert!(written < log + log / 20, "{written} bytes for a log of {log}");
}
