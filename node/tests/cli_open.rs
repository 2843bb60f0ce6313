//! The dashboard in a browser: how it gets there, and who else could have got in.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod cli_support;

use std::{fs, os::unix::fs::PermissionsExt};

use cli_support::Home;

/// A program in the place of a browser, which keeps its arguments and does what `then` says.
fn browser(home: &Home, then: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (program, opened) = (home.path().join("browser"), home.path().join("opened"));
    let script = format!("#!/bin/sh\necho \"$@\" > '{}'\n{then}\n", opened.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    (program, opened)
}

#[test]
fn the_browser_is_let_in_by_a_file_that_only_its_user_can_read() {
    let home = Home::with_node();
    let (program, opened) = browser(&home, "");
    let mut earlier = String::new();
    for _ in 0..2 {
        let ran = home.command(&["open"]).env("BROWSER", &program).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b""[..]), "{said}");
        let arguments = fs::read_to_string(&opened).unwrap();
        assert!(!arguments.contains("once") && !said.contains("once"), "{arguments} {said}");
        let file = std::path::Path::new(arguments.trim());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let page = fs::read_to_string(file).unwrap();
        let address = page.split("url=").nth(1).unwrap().split('"').next().unwrap();
        assert!(address.starts_with("http://127.0.0.1:") && address.contains("/#once="), "{page}");
        assert_ne!(address, earlier, "an address works once");
        earlier = address.to_owned();
        let kept = fs::read_dir(file.parent().unwrap()).unwrap();
        let kept = kept.filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().contains("open.html")
        });
        assert_eq!(kept.count(), 1, "an address stays behind");
    }
    let printed = home.ok(&["open", "--print"]);
    assert!(printed.starts_with("http://127.0.0.1:") && printed.trim().contains("/#once="));
}

#[test]
fn where_no_browser_can_be_started_it_is_said_what_to_do() {
    let mut home = Home::with_node();
    let (program, _) = browser(&home, "exit 3");
    let open = |browser: &str| {
        let mut command = home.command(&["open"]);
        command.env("BROWSER", browser).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        let ran = command.output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    for (browser, why) in [
        (program.to_str().unwrap(), "exit status: 3"),
        ("/nowhere/browser", "No such file"),
        ("", "no display"),
    ] {
        let (code, said) = open(browser);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && said.contains("gantline open --print"), "{said}");
    }
    home.down();
    let ran = home.run(&["open"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("gantline up"), "{}", ran.err);
}
