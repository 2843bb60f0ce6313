//! Runs every target over its committed corpus: what fuzzing found once stays found.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

macro_rules! replays {
    ($($target:ident => $promise:ident,)*) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),*];

        $(
            #[test]
            fn $promise() {
                replay(stringify!($target), gantline_fuzz::$target);
            }
        )*
    };
}

replays! {
    frames => a_hostile_plaintext_is_frames_or_an_error,
    session_plaintext => a_hostile_peer_gets_no_more_than_the_rules_allow,
    session_bytes => altered_bytes_on_the_pipe_are_never_believed,
    handshake => a_stranger_never_gets_through_a_handshake,
    pairing_node => a_machine_is_paired_with_nobody_who_does_not_know_the_secret,
    pairing_device => a_device_is_paired_with_no_machine_but_the_one_that_was_asked_for,
    login => a_relay_logs_in_no_machine_that_is_not_there,
    link_messages => a_hostile_relay_or_node_cannot_confuse_a_link,
    pipe => a_hostile_beginning_of_a_pipe_is_refused,
    shim => a_stranger_at_the_socket_of_a_shim_is_understood_or_refused,
    terminal => terminal_bytes_are_neither_lost_nor_doubled,
    api_json => hostile_json_is_a_value_or_an_error,
    texts => a_name_or_code_has_one_meaning,
}

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = folder("corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        let input = fs::read(&file).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| body(&input)));
        let file = file.display();
        assert!(result.is_ok(), "failed on {file}; make fuzz TARGET={target} INPUT={file}");
    }
}

#[test]
fn no_target_goes_without_a_corpus_and_no_corpus_without_a_target() {
    let replayed: BTreeSet<String> = TARGETS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names_in("corpus"), replayed);
    let files = replayed.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names_in("targets"), files);
}

fn names_in(name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(name)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}
