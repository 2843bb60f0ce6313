//! Pairing on the command line: by code and link, and what is said when it fails.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod cli_support;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
};

use cli_support::{Home, Terminal};

fn code(home: &Home) -> String {
    home.json(&["pair", "--json"])["code"].as_str().unwrap().to_owned()
}

/// A code of eight digits that is not this one.
fn wrong(code: &str) -> String {
    let other = if code.starts_with('0') { '1' } else { '0' };
    format!("{other}{}", &code[1..])
}

/// Another user's home, from which the node of `home` is reached on 127.0.0.1.
fn beside(home: &Home) -> Home {
    let other = Home::empty();
    let run = other.path().join("run");
    fs::DirBuilder::new().mode(0o700).recursive(true).create(&run).unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(home.path().join("run/loopback.json"), run.join("loopback.json")).unwrap();
    other
}

#[test]
fn a_user_pairs_with_a_node_and_uses_it_by_a_session() {
    let home = Home::with_node();
    let added = home.json(&["add", "--json", &code(&home)]);
    assert_eq!(added["name"], "ada");
    assert_eq!(added["safetyNumber"].as_str().unwrap().split(' ').count(), 6);
    assert_eq!(home.ok(&["exec", "--on", "ada", "--path", "loopback", "--", "echo", "hi"]), "hi\n");
    let verified = home.json(&["device", "verify", "--on", "ada", "--json"]);
    assert_eq!(verified[0]["words"], added["safetyNumber"]);
    let machines = home.json(&["--path", "loopback", "machines", "--check", "--json"]);
    assert_eq!(
        (&machines[0]["state"], &machines[0]["path"]),
        (&"connected".into(), &"loopback".into())
    );
    let devices = home.json(&["device", "list", "--json"]);
    assert_eq!(devices[0]["pending"], false, "its first session was opened");
    let stored = home.path().join("state/machines.json");
    assert_eq!(fs::metadata(stored).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn both_ends_of_a_pairing_show_the_same_words() {
    let home = Home::with_node();
    let mut terminal = Terminal::run(&home, &["pair"]);
    let shown = terminal.until("waiting for the device");
    let code = shown.split_once("code  ").unwrap().1[..9].to_owned();
    let added = home.json(&["add", "--json", &code]);
    let words = added["safetyNumber"].as_str().unwrap().to_owned();
    terminal.until(&format!("safety number  {words}"));
    assert_eq!(terminal.end(), 0);
    let devices = home.json(&["device", "list", "--json"]);
    assert_eq!(devices[0]["safetyNumber"], words.as_str());
    let name = devices[0]["name"].as_str().unwrap();
    assert_eq!(home.json(&["device", "verify", name, "--json"])["words"], words.as_str());
    // Paired anew it is another pairing, and another number on both ends.
    let again = home.json(&["add", "--json", &self::code(&home)]);
    assert_ne!(again["safetyNumber"], added["safetyNumber"]);
    let devices = home.json(&["device", "list", "--json"]);
    assert_eq!(devices[0]["safetyNumber"], again["safetyNumber"]);
}

#[test]
fn a_code_is_shown_with_the_places_where_it_is_to_be_typed() {
    let home = Home::with_relay("relay.example:8443");
    let machine = home.json(&["status", "--json"])["machine"]["machineId"].clone();
    let machine = machine.as_str().unwrap();
    let minted = home.json(&["pair", "--json"]);
    assert_eq!(minted["addresses"][0], format!("{machine}.relay.example:8443"));
    assert_eq!(minted["pages"][0], format!("https://{machine}.relay.example:8443/"));
    let mut terminal = Terminal::run(&home, &["pair"]);
    let shown = terminal.until("waiting for the device");
    for place in
        [format!("https://{machine}.relay.example:8443/"), format!("{machine}.relay.example:8443")]
    {
        assert!(shown.contains(&place), "{shown}");
    }
    let mut terminal = Terminal::run(&home, &["pair", "--qr", "--role", "observer"]);
    let shown = terminal.until("waiting for the device");
    assert!(shown.contains("/pair#1.") && shown.contains('▄'), "{shown}");
}

#[test]
fn several_machines_are_told_apart_line_by_line() {
    let mut home = Home::with_node();
    home.ok(&["add", &code(&home)]);
    let ran = home.run(&[
        "exec",
        "--all",
        "--path",
        "loopback",
        "--",
        "sh",
        "-c",
        "echo a; echo b >&2; printf c",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "ada\ta\nada\tc\n"), "{}", ran.err);
    assert!(ran.err.starts_with("ada\tb\n── 1 machine · "), "{}", ran.err);
    home.kill();
    let ran = home.run(&["exec", "--all", "--path", "loopback", "--", "true"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("1 unreachable"), "{}", ran.err);
}

#[test]
fn a_wrong_code_pairs_nothing_and_three_burn_it() {
    let home = Home::with_node();
    let right = code(&home);
    for _ in 0..3 {
        let ran = home.run(&["add", &wrong(&right)]);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.err.contains("the code is wrong"), "{}", ran.err);
        assert!(ran.err.contains("gantline pair"), "{}", ran.err);
    }
    let ran = home.run(&["add", &right]);
    assert!(ran.err.contains("takes no code now"), "{}", ran.err);
    assert_eq!(home.ok(&["machines", "--json"]), "[]\n");
}

#[test]
fn a_person_who_mistypes_is_asked_once_more_and_no_more() {
    let home = Home::with_node();
    let right = code(&home);
    let mut terminal = Terminal::run(&home, &["add", &wrong(&right)]);
    terminal.until("the code, once more: ");
    terminal.types(&format!("{right}\n"));
    terminal.until("safety number");
    assert_eq!(terminal.end(), 0);

    let right = code(&home);
    let mut terminal = Terminal::run(&home, &["add", &wrong(&right)]);
    terminal.until("the code, once more: ");
    terminal.types(&format!("{}\n", wrong(&right)));
    terminal.until("gantline pair");
    assert_eq!(terminal.end(), 1);
}

#[test]
fn a_link_is_not_made_where_nothing_would_lead() {
    let home = Home::with_node();
    let ran = home.run(&["pair", "--link", "--role", "observer", "--json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("joined no relay") && ran.err.contains("--join"), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn a_device_that_was_removed_is_told_so_and_keeps_its_entry() {
    let home = Home::with_node();
    let other = beside(&home);
    let machine = home.json(&["status", "--json"])["machine"]["machineId"].clone();
    let address = format!("{}.relay.example", machine.as_str().unwrap());
    other.ok(&["--path", "loopback", "add", &code(&home), &address]);
    let id = home.json(&["device", "list", "--json"])[0]["deviceId"].clone();
    home.ok(&["device", "revoke", id.as_str().unwrap()]);
    let ran = other.run(&["exec", "--on", "ada", "--path", "loopback", "--", "true"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("has removed this device"), "{}", ran.err);
    assert!(ran.err.contains("gantline pair"), "{}", ran.err);
    let kept = other.json(&["machines", "--json"]);
    assert!(kept[0]["revokedAt"].is_number(), "{kept}");
    // Pairing again mends it.
    other.ok(&["--path", "loopback", "add", &code(&home), &address]);
    assert_eq!(
        other.ok(&["exec", "--on", "ada", "--path", "loopback", "--", "echo", "hi"]),
        "hi\n"
    );
    assert!(other.json(&["machines", "--json"])[0].get("revokedAt").is_none());
}

#[test]
fn what_was_mistyped_is_told_before_anything_is_sent() {
    let home = Home::empty();
    for (what, says) in [
        (&["add", "1234"][..], "eight digits"),
        (&["add", "1234-5678", "relay.example"], "machine"),
        (&["add", "https://relay.example/#2.x"], "version"),
        (&["add", "1234-5678"], "which machine"),
    ] {
        let ran = home.run(what);
        assert_eq!(ran.code, Some(2), "{what:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{what:?}: {}", ran.err);
    }
}

#[test]
fn a_pairing_that_cannot_be_stored_is_not_called_one() {
    let home = Home::with_node();
    let code = code(&home);
    // As a full disk would: the file can't be replaced, for a directory is in its place.
    fs::DirBuilder::new().mode(0o700).create(home.path().join("state/machines.json")).unwrap();
    let ran = home.run(&["add", &code]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(!ran.out.contains("paired"), "{}", ran.out);
    assert!(ran.err.contains("machines.json"), "{}", ran.err);
}
