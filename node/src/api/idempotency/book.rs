//! Which keys were used, for what, and what was answered. Pure: the layer above brings the time.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

/// For how long an answer is kept.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(24);
/// The greatest number of keys of one subject. The oldest answer makes room.
pub(super) const MAX_KEYS: usize = 4096;
/// The greatest size of all answers of one subject, in bytes. The oldest make room.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// What an entry takes besides its answer's body, about.
const OVERHEAD: usize = 512;

/// An `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_key = (8..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_key.then(|| Self(text.to_owned()))
    }
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new: run it, then [`Book::finish`].
    Run,
    /// Its first one still runs.
    Runs,
    /// The key was used for something else.
    Mismatch,
    /// As many of the subject's run as may.
    Full,
    /// It was run; this was answered.
    Again(Answer),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// All of it.
    Whole(Whole),
    /// It was a stream or too long.
    NotKept { location: Option<HeaderValue> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) location: Option<HeaderValue>,
    pub(super) body: Bytes,
}

/// The keys of all subjects.
#[derive(Debug)]
pub(super) struct Book<S> {
    subjects: HashMap<S, Keys>,
}

impl<S> Default for Book<S> {
    fn default() -> Self {
        Self { subjects: HashMap::new() }
    }
}

#[derive(Debug, Default)]
struct Keys {
    entries: HashMap<Key, Entry>,
    /// The keys that are done, oldest first.
    done: VecDeque<(Instant, Key)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    fingerprint: [u8; 32],
    state: State,
}

#[derive(Debug)]
enum State {
    Runs,
    Done(Answer),
}

impl<S: Copy + Eq + Hash> Book<S> {
    pub(super) fn begin(
        &mut self,
        subject: S,
        key: &Key,
        fingerprint: [u8; 32],
        now: Instant,
    ) -> Verdict {
        self.subjects.retain(|_, keys| {
            keys.expire(now);
            !keys.entries.is_empty()
        });
        let keys = self.subjects.entry(subject).or_default();
        match keys.entries.get(key) {
            Some(entry) if entry.fingerprint != fingerprint => return Verdict::Mismatch,
            Some(Entry { state: State::Runs, .. }) => return Verdict::Runs,
            Some(Entry { state: State::Done(answer), .. }) => {
                return Verdict::Again(answer.clone());
            }
            None => {}
        }
        if keys.entries.len() >= MAX_KEYS && !keys.forget_oldest() {
            return Verdict::Full;
        }
        keys.entries.insert(key.clone(), Entry { fingerprint, state: State::Runs });
        Verdict::Run
    }

    /// Notes what was answered, or forgets the key if the request may be run again.
    pub(super) fn finish(&mut self, subject: S, key: &Key, answer: Option<Answer>, now: Instant) {
        let Some(keys) = self.subjects.get_mut(&subject) else {
            return;
        };
        match (answer, keys.entries.get_mut(key)) {
            (Some(answer), Some(entry)) => {
                keys.bytes += size(&answer);
                entry.state = State::Done(answer);
                keys.done.push_back((now, key.clone()));
            }
            (None, Some(_)) => {
                keys.entries.remove(key);
            }
            (Some(_) | None, None) => {}
        }
        while keys.bytes > MAX_BYTES && keys.forget_oldest() {}
    }
}

impl Keys {
    fn expire(&mut self, now: Instant) {
        while self
            .done
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= KEPT_FOR)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.done.pop_front() else {
            return false;
        };
        if let Some(Entry { state: State::Done(answer), .. }) = self.entries.remove(&key) {
            self.bytes = self.bytes.saturating_sub(size(&answer));
        }
        true
    }
}

fn size(answer: &Answer) -> usize {
    match answer {
        Answer::Whole(whole) => OVERHEAD + whole.body.len(),
        Answer::NotKept { .. } => OVERHEAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [u8; 32] = [1; 32];
    const OTHER: [u8; 32] = [2; 32];

    fn key(number: usize) -> Key {
        Key::new(&format!("key-{number:08}")).unwrap()
    }

    fn answer(body: Vec<u8>) -> Answer {
        let whole =
            Whole { status: StatusCode::OK, content_type: None, location: None, body: body.into() };
        Answer::Whole(whole)
    }

    #[test]
    fn a_request_runs_once_within_a_day_and_only_for_who_asked() {
        let (mut book, start) = (Book::default(), Instant::now());
        assert_eq!(book.begin('a', &key(1), FIRST, start), Verdict::Run);
        assert_eq!(book.begin('a', &key(1), FIRST, start), Verdict::Runs);
        assert_eq!(book.begin('a', &key(1), OTHER, start), Verdict::Mismatch);
        assert_eq!(book.begin('b', &key(1), FIRST, start), Verdict::Run, "another subject's key");
        let first = answer(b"1".to_vec());
        book.finish('a', &key(1), Some(first.clone()), start);
        assert_eq!(book.begin('a', &key(1), FIRST, start), Verdict::Again(first.clone()));
        assert_eq!(book.begin('a', &key(1), OTHER, start), Verdict::Mismatch);
        let late = start + KEPT_FOR - Duration::from_millis(1);
        assert_eq!(book.begin('a', &key(1), FIRST, late), Verdict::Again(first));
        assert_eq!(book.begin('a', &key(1), FIRST, start + KEPT_FOR), Verdict::Run);
    }

    #[test]
    fn a_request_that_did_nothing_may_run_again() {
        let (mut book, now) = (Book::default(), Instant::now());
        assert_eq!(book.begin('a', &key(1), FIRST, now), Verdict::Run);
        book.finish('a', &key(1), None, now);
        assert_eq!(book.begin('a', &key(1), OTHER, now), Verdict::Run);
    }

    #[test]
    fn a_client_with_endless_keys_fills_no_memory_and_pushes_out_its_own_only() {
        let (mut book, now) = (Book::default(), Instant::now());
        book.begin('b', &key(0), FIRST, now);
        book.finish('b', &key(0), Some(answer(vec![])), now);
        for number in 0..3 * MAX_KEYS {
            assert_eq!(book.begin('a', &key(number), FIRST, now), Verdict::Run);
            book.finish('a', &key(number), Some(answer(vec![0; 10_000])), now);
            let keys = &book.subjects[&'a'];
            assert!(keys.bytes <= MAX_BYTES && keys.entries.len() <= MAX_KEYS);
            assert_eq!(keys.entries.len(), keys.done.len());
        }
        assert!(matches!(book.begin('b', &key(0), FIRST, now), Verdict::Again(_)));
        let last = key(3 * MAX_KEYS - 1);
        assert!(matches!(book.begin('a', &last, FIRST, now), Verdict::Again(_)));
        for number in 0..MAX_KEYS {
            assert_eq!(book.begin('c', &key(number), FIRST, now), Verdict::Run);
        }
        assert_eq!(book.begin('c', &key(MAX_KEYS), FIRST, now), Verdict::Full);
    }

    #[test]
    fn a_key_that_could_be_guessed_or_break_a_line_is_refused() {
        for bad in ["", "1234567", "with space", "\u{e4}23456789", &"x".repeat(129)] {
            assert!(Key::new(bad).is_none(), "{bad:?} was accepted");
        }
        assert!(Key::new("12345678").is_some() && Key::new(&"x".repeat(128)).is_some());
    }
}
