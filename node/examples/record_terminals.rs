//! Records real programs on a real terminal, for `tests/screen_oracle.rs`: `make recordings`, or
//! `cargo run -p gantline-node --example record_terminals -- [NAME]…`. A program that is not
//! installed is left out, and its recording stays as it is.
//!
//! A recording is a line `COLS ROWS`, then what happened in its order: `o LENGTH` and so many bytes
//! of output, a line feed after them; or `r COLS ROWS`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::panic)]

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// After so long without output a program has said what it had to say.
const QUIET: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);
/// Output of one recording, at most.
const MAX: usize = 64 * 1024;

enum Step {
    /// Type this, then wait until nothing comes any more.
    Type(&'static str),
    Resize(u16, u16),
}
use Step::{Resize, Type};

struct Scene {
    name: &'static str,
    size: (u16, u16),
    argv: &'static [&'static str],
    steps: &'static [Step],
}

const BASH: &[&str] = &["bash", "--norc", "--noprofile", "-i"];

#[rustfmt::skip]
const SCENES: &[Scene] = &[
    Scene { name: "vim", size: (80, 24), argv: &["vim", "-Nu", "NONE", "-n", "+syntax on", "+set mouse=a title number", "poem.c"], steps: &[
        Type("ihello \u{1b}yy20p"), Type(":vsplit\r"), Type("\u{6}\u{2}"), Type("/line\r"), Type("ggVGd"), Type("u"), Type(":help\r"), Resize(100, 30), Type(":q\r"), Type(":wqa!\r"),
    ] },
    Scene { name: "less", size: (72, 20), argv: &["less", "-R", "long.txt"], steps: &[
        Type(" "), Type(" "), Type("b"), Type("/17\r"), Type("n"), Type("G"), Type("kkkkkk"), Type("g"), Type("-S\r"), Type("q"),
    ] },
    Scene { name: "htop", size: (90, 26), argv: &["htop", "-d", "20"], steps: &[
        Type("\u{1b}[B"), Type("t"), Type("\u{1b}[15~"), Type("h"), Type(" "), Type("q"),
    ] },
    Scene { name: "tmux", size: (80, 24), argv: &["tmux", "-f", "/dev/null", "-L", "recording", "new-session", "-s", "x", "bash --norc --noprofile -i", ";", "set", "status-right", "", ";", "set", "mouse", "on"], steps: &[
        Type("seq 1 60\r"), Type("\u{2}%"), Type("ls -la --color /usr | head -20\r"), Type("\u{2}\""), Type("echo below\r"), Type("\u{2}o"), Resize(70, 20), Type("\u{2}["), Type("\u{1b}[5~"), Type("q"), Type("\u{2}&"), Type("y"),
    ] },
    Scene { name: "nano", size: (80, 24), argv: &["nano", "-l", "long.txt"], steps: &[
        Type("typed here\r"), Type("\u{16}\u{16}"), Type("\u{17}line 33\r"), Type("\u{b}"), Type("\u{18}"), Type("n"),
    ] },
    Scene { name: "mc", size: (80, 24), argv: &["mc", "-u", "-X"], steps: &[
        Type("\u{1b}[B\u{1b}[B"), Type("\u{1b}OR"), Type("\u{1b}[6~"), Type("\u{1b}[21~"), Type("\u{1b}[20~"), Type("\u{1b}\u{1b}"), Type("\u{f}"), Type("echo hi\r"), Type("\u{f}"), Type("exit\r"),
    ] },
    Scene { name: "micro", size: (80, 24), argv: &["micro", "-colorscheme", "default", "poem.c"], steps: &[
        Type("let it be \u{e9}\u{4e2d}\r"), Type("\u{1b}[6~"), Type("\u{6}line\r"), Type("\u{e}"), Resize(60, 20), Type("\u{1b}[1;5H"), Type("\u{11}"), Type("n"),
    ] },
    Scene { name: "fzf", size: (80, 24), argv: &["bash", "--norc", "--noprofile", "-c", "echo before; seq 1 500 | fzf --height 12 --border --ansi; echo after"], steps: &[
        Type("4"), Type("2"), Type("\u{1b}[A"), Type("\r"),
    ] },
    Scene { name: "bash", size: (60, 15), argv: BASH, steps: &[
        Type("echo plain; ls -la --color --hyperlink /usr/share | head -40\r"), Type("echo a very long command line that wraps around the right edge of the terminal twice or so, to be edited"), Type("\u{1}"), Type("\u{1b}[C\u{1b}[C\u{1b}[C\u{1b}[3~"), Type("\u{5}\u{17}\u{17}\r"), Resize(40, 12), Type("seq 100\r"), Resize(100, 20), Type("\u{12}seq\r"), Type("clear\r"), Type("exit\r"),
    ] },
    Scene { name: "wide", size: (40, 10), argv: BASH, steps: &[
        Type("for i in 1 2 3 4 5; do echo '日本語 한국어 中文 ｆｕｌｌ'$i; done\r"), Type("printf 'e\\u0301 a\\u0308o\\u0302 n\\u0303 \\U1f600 \\U1f680 \\u2764\\n'\r"),
        Type("printf '%39s日x\\n' ''\r"), Type("printf '\\e[5;10H日本\\e[5;11Hx\\e[6;3H한\\e[6;3Hy\\e[1P\\e[2@\\n'\r"), Type("echo 日本語日本語日本語日本語日本語日本語日本語日本語"), Type("\u{2}\u{2}\u{2}\u{8}\u{8}"), Type("\r"), Type("printf '\\e[1;1H\\e[2Kdone日\\e[1K'\r"),
    ] },
    Scene { name: "progress", size: (60, 12), argv: &["sh", "-c", "echo start; i=0; while [ $i -le 100 ]; do printf '\\r\\033[32m%3d%%\\033[0m [%-40s]' $i \"$(printf \"%$((i*2/5))s\" | tr ' ' '#')\"; i=$((i+4)); done; echo; printf 'one\\ntwo\\nthree\\n'; for i in 1 2 3 4 5 6 7 8; do printf '\\033[3A\\033[2Kone %d\\n\\033[2Ktwo %d\\n\\033[2Kthree %d\\n' $i $((i*2)) $((i*3)); done; seq 1 20; for i in 1 2 3 4 5; do printf '\\033[2A\\033[K%d\\n\\033[K%d\\n' $i $i; done"], steps: &[] },
    Scene { name: "regions", size: (50, 14), argv: &["sh", "-c", "p() { printf \"$@\"; sleep 0.01; }; seq 1 30; p '\\033[3;8r\\033[8;1H'; seq 101 120; p '\\033[3;1H\\033M\\033Mup'; p '\\033[5;1H\\033[2Lins\\033[7;1H\\033[1Mdel'; p '\\033[?6h\\033[1;1Horigin\\033[10;5Hlow\\033[?6l'; p '\\033[2S\\033[1T'; p '\\033[44m\\033[3;1H\\033[2M\\033[0m'; p '\\0337\\033[r\\0338back'; p '\\033[14;1H\\nbelow\\n'; p '\\033[2;5r\\033[5;1H\\n\\n\\033[4;6HX\\033[6D\\033[3X\\033[2@yy\\033[4P'; p '\\033[r\\033[14;1Hend'"], steps: &[] },
    Scene { name: "screens", size: (50, 10), argv: &["sh", "-c", "p() { printf \"$@\"; sleep 0.01; }; seq 1 15; p 'main\\033[3;3H\\033[31m'; p '\\033[?1049h\\033[2;2Hother\\033[45m\\033[K'; seq 1 12; p '\\033[?25l\\033[5;5Hstill'; p '\\033[?1049l'; p 'after'; p '\\033[?47h\\033[1;1Hold style\\033[?47l'; p '\\033[?1047h\\033[HX\\033[?1047l\\033[?25h'; p '\\033[0m\\n\\0337\\033[1;40Hsaved\\0338restored\\n'; p '\\033[?1049hagain'; p '\\033[!p\\033[2J\\033[Hsoft'; p '\\033[?1049l'; p '\\033c'; p 'fresh\\n'; seq 1 12"], steps: &[] },
    Scene { name: "modes", size: (40, 8), argv: &["sh", "-c", "p() { printf \"$@\"; sleep 0.01; }; p '\\033[?1000h\\033[?1006hclick'; p '\\033[?1003h'; p '\\033[?1002h\\033[?1015h'; p '\\033[?1003l'; p '\\033[?1000h\\033[?1016h'; p '\\033[?2004h\\033[?1004h\\033[?1h\\033='; p '\\033[?7lno wrap at the end of this line, it stays on one\\033[?7h'; p '\\r\\n\\033[4hins\\033[3Dert\\033[4l'; p '\\033[?12h\\033[5 q'; p '\\033[?2026h\\033[1;1Hin a frame'; p '\\033[?2026l'; p '\\033]0;a title; with more\\007\\033]2;another\\033\\\\'; p '\\033]4;1;rgb:ff/00/00\\033\\\\\\033]10;#ffffff\\007\\033]11;#101010\\007'; p '\\033[?45h\\033[?1007l'; p '\\033(0lqqk\\033(B \\016x\\017 \\033)0\\016mqj'; p '\\017\\r\\n\\033[3g\\033[5G\\033H\\ta\\tb'; p '\\033[?1002l\\033[?1016l\\033[?2004l\\033>'; p '\\033[6 q\\033[?25l'; p '\\r\\nx\\033[5b'; p '\\033[31;1;4:3;58;5;4mcurly\\033[24;59m \\033[38:2::10:20:30mtrue\\033[48;2;1;2;3mcolour\\033[53;9mover\\033[0m'"], steps: &[] },
    Scene { name: "links", size: (60, 10), argv: &["sh", "-c", "p() { printf \"$@\"; sleep 0.01; }; l() { p '\\033]8;id=%s;https://example.org/%s\\033\\\\%s and a long text which wraps around the edge' $1 $1 $1; p ' of the terminal\\033]8;;\\033\\\\ plain\\n'; }; l one; l two; p '\\033]8;;https://example.org/?a=b;c=d\\007\\033[1mbold link'; p '\\033[0m in it\\n still\\033]8;;\\007 no more\\n'; ls --hyperlink=always -d /usr /etc /var; l three; l four"], steps: &[] },
    Scene { name: "frames", size: (60, 16), argv: &["sh", "-c", "printf '\\033[?1049h\\033[?25l\\033[?1000;1006h\\033[?2004h'; n=0; while [ $n -lt 12 ]; do printf '\\033[?2026h\\033[H\\033[48;2;%d;40;90m\\033[2J' $((n*10)); r=2; while [ $r -lt 15 ]; do printf '\\033[%d;4H\\033[38;2;200;%d;90m╭─ %02d ─────╮ \\033[1m▁▂▃▄▅▆▇█\\033[22m ⠋⠙⠹ \\033[7m sel \\033[27m' $r $((r*15)) $n; r=$((r+2)); done; printf '\\033[?2026l'; sleep 0.01; n=$((n+1)); done; printf '\\033[?2004l\\033[?1000;1006l\\033[?25h\\033[?1049l'; echo over"], steps: &[] },
    Scene { name: "scrollback", size: (60, 10), argv: &["sh", "-c", "seq 1 900; i=0; while [ $i -lt 300 ]; do printf '\\033[3%dm%04d\\033[0m %s\\n' $((i%8)) $i 'a line of a log that is a little longer than the screen is wide'; i=$((i+1)); done; sleep 0.3; printf '\\033[3J'; seq 1 50; printf '\\033[42m\\n\\n\\033[0m'; seq 1 30"], steps: &[Resize(80, 20)] },
    Scene { name: "resize", size: (40, 10), argv: BASH, steps: &[
        Type("seq -s ' ' 1 200\r"), Resize(60, 10), Type("echo wider\r"), Resize(25, 10), Type("echo narrower\r"), Resize(25, 20), Type("echo higher\r"), Resize(40, 6), Type("echo lower\r"), Type("printf '\\e[?1049hother'\r"), Resize(50, 12), Type("printf '\\e[?1049l'\r"), Type("exit\r"),
    ] },
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal_oracle/recordings");
    std::fs::create_dir_all(&fixtures).unwrap();
    for scene in SCENES
        .iter()
        .filter(|scene| wanted.is_empty() || wanted.iter().any(|name| name == scene.name))
    {
        match record(scene) {
            Some(recording) => {
                println!("{}: {} bytes", scene.name, recording.len());
                std::fs::write(fixtures.join(scene.name), recording).unwrap();
            }
            None => println!("{}: left out, it is not installed", scene.name),
        }
    }
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { cols, rows, pixel_width: 0, pixel_height: 0 }
}

fn record(scene: &Scene) -> Option<Vec<u8>> {
    let home = home();
    let pair = native_pty_system().openpty(pty_size(scene.size)).unwrap();
    // Of this machine neither name nor processes are seen.
    let mut command = CommandBuilder::new("unshare");
    command.args(["--map-root-user", "--uts", "--pid", "--fork", "--mount-proc"]);
    command.args([
        "sh",
        "-c",
        "command -v \"$0\" >/dev/null && hostname ada && exec \"$0\" \"$@\"",
    ]);
    command.args(scene.argv);
    command.env_clear();
    for (name, value) in [
        ("PATH", "/usr/bin:/bin"),
        ("TERM", "xterm-256color"),
        ("COLORTERM", "truecolor"),
        ("LANG", "C.UTF-8"),
        ("USER", "ada"),
        ("SHELL", "/bin/sh"),
        ("PS1", "\\[\\e[1;34m\\]ada\\[\\e[0m\\]$ "),
        ("HISTFILE", ""),
    ] {
        command.env(name, value);
    }
    command.env("HOME", home.path());
    command.env("TMUX_TMPDIR", home.path());
    command.cwd(home.path());
    let mut child = pair.slave.spawn_command(command).ok()?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let (tell, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = reader.read(&mut buffer)
            && length > 0
        {
            if tell.send(buffer.get(..length).unwrap().to_vec()).is_err() {
                return;
            }
        }
    });
    let (cols, rows) = scene.size;
    let mut recording = format!("{cols} {rows}\n").into_bytes();
    let mut length = 0;
    let mut hear = |recording: &mut Vec<u8>, writer: &mut dyn std::io::Write| {
        let began = Instant::now();
        while let Ok(bytes) = output.recv_timeout(QUIET) {
            // Fzf waits for these.
            if bytes.windows(4).any(|part| part == b"\x1b[6n") {
                writer.write_all(b"\x1b[2;1R").unwrap();
            }
            if length < MAX {
                recording.extend_from_slice(format!("o {}\n", bytes.len()).as_bytes());
                recording.extend_from_slice(&bytes);
                recording.push(b'\n');
                length += bytes.len();
            }
            if began.elapsed() > PATIENCE {
                panic!("{} does not come to rest", scene.name);
            }
        }
    };
    hear(&mut recording, &mut writer);
    for step in scene.steps {
        match step {
            Type(text) => {
                // Who has ended takes nothing.
                let _ = writer.write_all(text.as_bytes());
            }
            Resize(cols, rows) => {
                pair.master.resize(pty_size((*cols, *rows))).unwrap();
                recording.extend_from_slice(format!("r {cols} {rows}\n").as_bytes());
            }
        }
        hear(&mut recording, &mut writer);
    }
    drop((writer, pair.master));
    let _ = child.kill();
    let _ = child.wait();
    (length > 0).then_some(recording)
}

/// A home with files to look at, and nothing of this machine in it.
fn home() -> Home {
    let home = Home(PathBuf::from("/tmp/ada"));
    let _ = std::fs::remove_dir_all(&home.0);
    std::fs::create_dir_all(&home.0).unwrap();
    let lines: String = (1..=120)
        .map(|number| {
            format!("\x1b[3{}mline {number}\x1b[0m of a text with tabs\tand words\n", number % 8)
        })
        .collect();
    std::fs::write(home.0.join("long.txt"), lines).unwrap();
    let code = "#include <stdio.h>\n\nint main(void) {\n\tputs(\"hello, line\");\n\treturn 0; /* 42 */\n}\n";
    std::fs::write(home.0.join("poem.c"), code.repeat(6)).unwrap();
    home
}

struct Home(PathBuf);

impl Home {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
