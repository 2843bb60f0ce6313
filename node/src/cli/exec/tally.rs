//! How a command went on several machines: the counts, and the exit code that sums them up.

use std::time::Duration;

use super::machine::Outcome;
use crate::cli::{agent, failure::Exit, text};

/// How it went on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// The command failed, or nothing is known of its end.
    Failed(String),
    /// It was stopped, since its time was over.
    TimedOut,
    /// The machine could not be reached.
    Unreachable(String),
    /// Nobody waited for its end.
    Left,
}

/// How it went on all of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    verdicts: Vec<(String, Verdict)>,
}

impl Verdict {
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ended(Some(status)) if status.is_success() => Self::Ok,
            Outcome::Ended(status) => Self::Failed(agent::ending(*status)),
            Outcome::TimedOut(_) => Self::TimedOut,
            Outcome::Failed(failure) => {
                let what = failure.to_string().replace("\n  ", "; ").replace('\n', "; ");
                match failure.exit {
                    Exit::Unreachable => Self::Unreachable(what),
                    Exit::TimedOut => Self::TimedOut,
                    Exit::Ok | Exit::Failed | Exit::Usage | Exit::Interrupted | Exit::Passed(_) => {
                        Self::Failed(what)
                    }
                }
            }
        }
    }

    /// One word, for the summary.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(_) => "failed",
            Self::TimedOut => "timed out",
            Self::Unreachable(_) => "unreachable",
            Self::Left => "still runs",
        }
    }

    fn why(&self) -> &str {
        match self {
            Self::Failed(why) | Self::Unreachable(why) => why,
            Self::Ok | Self::TimedOut | Self::Left => "",
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, machine: String, verdict: Verdict) {
        self.verdicts.push((machine, verdict));
    }

    /// How many machines it was.
    pub(super) const fn len(&self) -> usize {
        self.verdicts.len()
    }

    pub(super) fn count(&self, word: &str) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| verdict.word() == word).count()
    }

    /// The summary: one line, and one more for each machine where it did not go well.
    pub(super) fn summary(&self, took: Duration) -> String {
        let mut parts = vec![
            match self.verdicts.len() {
                1 => "1 machine".to_owned(),
                count => format!("{count} machines"),
            },
            format!("{:.1} s", took.as_secs_f64()),
        ];
        for word in WORDS {
            match self.count(word) {
                0 => {}
                count => parts.push(format!("{count} {word}")),
            }
        }
        let mut rows = Vec::new();
        for word in WORDS.iter().skip(1) {
            for (machine, verdict) in self.verdicts.iter().filter(|(_, v)| v.word() == *word) {
                let why = match verdict.why() {
                    "" => String::new(),
                    why => format!("({})", text::line(why)),
                };
                rows.push(vec![(*word).to_owned(), text::cut(machine, 20), why]);
            }
        }
        format!("── {}\n{}", parts.join(" · "), text::columns(&rows))
    }

    /// Interrupted before timed out before failed before unreachable.
    pub(super) fn exit(&self, interrupted: bool) -> Exit {
        match () {
            () if interrupted || self.count("still runs") > 0 => Exit::Interrupted,
            () if self.count("timed out") > 0 => Exit::TimedOut,
            () if self.count("failed") > 0 => Exit::Failed,
            () if self.count("unreachable") > 0 => Exit::Unreachable,
            () => Exit::Ok,
        }
    }
}

const WORDS: [&str; 5] = ["ok", "failed", "timed out", "unreachable", "still runs"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exit_code_says_the_worst_of_many() {
        let verdicts = [
            (Verdict::Ok, 0),
            (Verdict::Unreachable(String::new()), 3),
            (Verdict::Failed(String::new()), 1),
            (Verdict::TimedOut, 4),
            (Verdict::Left, 130),
        ];
        let mut tally = Tally::default();
        for (verdict, code) in verdicts {
            tally.add("m".to_owned(), verdict);
            assert_eq!(tally.exit(false).code(), code);
        }
        assert_eq!(Tally::default().exit(true).code(), 130);
    }

    #[test]
    fn the_summary_names_who_failed_and_why() {
        let mut tally = Tally::default();
        tally.add("ada".to_owned(), Verdict::Ok);
        tally.add("pi".to_owned(), Verdict::Unreachable("offline\u{1b}[2J".to_owned()));
        tally.add("lin".to_owned(), Verdict::Failed("exit 126".to_owned()));
        assert_eq!(
            tally.summary(Duration::from_millis(2140)),
            "── 3 machines · 2.1 s · 1 ok · 1 failed · 1 unreachable\n\
             failed       lin  (exit 126)\n\
             unreachable  pi   (offline\u{fffd}[2J)\n"
        );
    }
}
