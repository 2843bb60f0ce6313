//! Disks and files that are not as they should be: nothing is lost in silence, nothing crashes.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::Path,
};

use gantline_node::history::MAX_NOTES;

use super::*;

/// A history with so much in it that it has pages in the middle.
async fn filled(place: &Place) {
    let history = place.open();
    for number in 1..=400 {
        live(&history, &agent(number, &["true", &"x".repeat(400)]), 0);
    }
    assert_eq!(all(&history).await.len(), 400);
    close(history).await;
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// After the damage a fresh history is there, the damaged one is kept, and everybody is told.
async fn is_begun_anew(place: &Place, what: &str) {
    let mut listener = place.events.listen(None);
    let history = History::open(place.dir.path(), Retention::default(), place.events.clone());
    let running = agent(7, &["still", "running"]);
    history.settle_with(move || vec![running.clone()]);
    let (problem, set_aside) = next_change(&mut listener).await;
    assert_eq!(problem, None, "{what}");
    let set_aside = set_aside.unwrap();
    assert_eq!(place.aside().first(), Some(&set_aside), "{what}");
    assert_eq!(history.status().set_aside, Some(set_aside));
    live(&history, &agent(1000, &["fresh"]), 0);
    let lives = all(&history).await;
    let epochs: Vec<_> = lives.iter().map(|life| life.epoch.0).collect();
    assert!(
        epochs.contains(&1000) && epochs.contains(&7) && epochs.len() == 2,
        "{what}: {epochs:?}"
    );
    let mode = fs::metadata(place.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    close(history).await;
}

#[tokio::test]
async fn a_damaged_history_is_set_aside_and_agents_that_run_are_in_the_fresh_one() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("truncated", |path| {
            let half = fs::metadata(path).unwrap().len() / 2;
            OpenOptions::new().write(true).open(path).unwrap().set_len(half + 100).unwrap();
        }),
        ("garbage in its header", |path| overwrite(path, 0, b"no database, surely not")),
        ("a page flipped in the middle", |path| {
            let pages = fs::metadata(path).unwrap().len() / 4096;
            for page in pages / 2..pages / 2 + 3 {
                let mut bytes = vec![0; 4096];
                let file = OpenOptions::new().read(true).open(path).unwrap();
                file.read_exact_at(&mut bytes, page * 4096).unwrap();
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                overwrite(path, page * 4096, &bytes);
            }
        }),
        ("another file", |path| fs::write(path, "shopping list: eggs\n".repeat(400)).unwrap()),
        ("of a later version", |path| {
            let database = rusqlite::Connection::open(path).unwrap();
            database.execute_batch("PRAGMA user_version = 4000").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let place = Place::new();
        filled(&place).await;
        damage(&place.file());
        is_begun_anew(&place, what).await;
    }
}

#[tokio::test]
async fn damage_while_the_node_runs_is_noticed_by_whoever_reads_or_writes() {
    let place = Place::new();
    filled(&place).await;
    let mut listener = place.events.listen(None);
    let history = place.open();
    assert_eq!(all(&history).await.len(), 400);
    // Every page but the first: whatever is read next is damaged.
    let length = fs::metadata(place.file()).unwrap().len();
    overwrite(&place.file(), 4096, &vec![0xa5; usize::try_from(length).unwrap() - 4096]);
    let noticed = async {
        // A page may still be in the memory of the one who asks.
        for number in 2000.. {
            live(&history, &agent(number, &["more", &"y".repeat(4_000)]), 0);
            let _ = history.lives(Search::default(), 500).await;
            if history.status().set_aside.is_some() {
                break;
            }
        }
    };
    timeout(PATIENCE, noticed).await.expect("nobody noticed");
    assert!(next_change(&mut listener).await.1.is_some());
    live(&history, &agent(9_999, &["after"]), 0);
    let lives = all(&history).await;
    assert!(lives.iter().any(|life| life.epoch.0 == 9_999));
    assert!(!place.aside().is_empty());
}

#[tokio::test]
async fn a_lost_wal_costs_what_was_in_it_and_nothing_more() {
    let place = Place::new();
    filled(&place).await;
    let history = place.open();
    live(&history, &agent(500, &["late"]), 0);
    assert_eq!(all(&history).await.len(), 401);
    // As after kill -9, with the WAL gone.
    let copy = Place::new();
    fs::copy(place.file(), copy.file()).unwrap();
    close(history).await;
    let history = copy.open();
    assert_eq!(all(&history).await.len(), 400);
    assert_eq!(history.status().set_aside, None);
    live(&history, &agent(501, &["later"]), 0);
    assert_eq!(all(&history).await.len(), 401);
}

#[tokio::test]
async fn a_file_that_others_may_read_is_closed_and_one_that_they_may_write_is_not_believed() {
    let place = Place::new();
    filled(&place).await;
    fs::set_permissions(place.file(), Permissions::from_mode(0o644)).unwrap();
    let history = place.open();
    assert_eq!(all(&history).await.len(), 400);
    for file in fs::read_dir(place.dir.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    close(history).await;
    fs::set_permissions(place.file(), Permissions::from_mode(0o622)).unwrap();
    is_begun_anew(&place, "writable by others").await;
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("precious");
    fs::write(&target, "precious").unwrap();
    symlink(&target, place.file()).unwrap();
    is_begun_anew(&place, "a symbolic link").await;
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    let (place, missing) = (Place::new(), elsewhere.path().join("missing"));
    symlink(&missing, place.file()).unwrap();
    is_begun_anew(&place, "a symbolic link to nothing").await;
    assert!(!missing.exists());
    let place = Place::new();
    fs::create_dir(place.file()).unwrap();
    is_begun_anew(&place, "a directory").await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_holds_nobody_up_and_what_it_missed_is_said() {
    let place = Place::new();
    let mut listener = place.events.listen(None);
    let history = place.open();
    live(&history, &agent(1, &["before"]), 0);
    assert_eq!(all(&history).await.len(), 1);
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let extra = 300;
    let begun = std::time::Instant::now();
    // The writer may have taken one batch out already.
    for number in 0..(MAX_NOTES + 256) as u64 + extra {
        history.journal().note(Began::of(&agent(2 + number, &["x"]), None, None).unwrap());
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "noting waited for the disk");
    let (problem, _) = next_change(&mut listener).await;
    assert!(problem.unwrap().contains("locked"));
    assert!(history.status().problem.is_some());
    assert_eq!(all(&history).await.len(), 1, "what is there can be read all the while");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(next_change(&mut listener).await, (None, None));
    let written = async {
        loop {
            let gaps = history.gaps().await.unwrap();
            if let [(from, to, dropped)] = gaps[..] {
                assert!(from <= to);
                return dropped;
            }
            tokio::task::yield_now().await;
        }
    };
    let dropped = timeout(PATIENCE, written).await.expect("the gap was not noted");
    assert!(dropped >= extra, "{dropped}");
    assert_eq!(history.status().dropped, dropped);
    let count = history.lives(Search::default(), 10_000).await.unwrap().len() as u64;
    assert_eq!(count + dropped, 1 + (MAX_NOTES + 256) as u64 + extra);
}

/// A tmpfs of 1 MiB in a mount namespace of its own; this test runs itself again inside it.
#[tokio::test]
async fn a_full_disk_is_said_and_survived_and_the_history_goes_on_when_there_is_space() {
    const INSIDE: &str = "GANTLINE_TEST_FULL_DISK";
    let Some(dir) = std::env::var_os(INSIDE) else {
        return full_disk::outside(INSIDE);
    };
    let dir = Path::new(&dir);
    let ballast = dir.join("ballast");
    let events = Events::new();
    let mut listener = events.listen(None);
    let history = History::open(dir, Retention::default(), events.clone());
    history.settle_with(Vec::new);
    live(&history, &agent(1, &["before"]), 0);
    assert_eq!(all(&history).await.len(), 1);
    full_disk::fill(&ballast);
    let mut number = 2;
    let problem = loop {
        // Until SQLite needs a page that is not there.
        live(&history, &agent(number, &["during", &"z".repeat(3_000)]), 0);
        number += 1;
        match timeout(Duration::from_millis(30), next_change(&mut listener)).await {
            Ok((problem, _)) => break problem.unwrap(),
            Err(_) => full_disk::fill(&ballast),
        }
    };
    assert!(problem.contains("the disk is full"), "{problem}");
    assert!(all(&history).await.iter().any(|life| life.epoch.0 == 1), "it can't be read");
    fs::remove_file(&ballast).unwrap();
    assert_eq!(next_change(&mut listener).await, (None, None));
    live(&history, &agent(number, &["after"]), 0);
    let epochs: Vec<_> = all(&history).await.iter().map(|life| life.epoch.0).collect();
    assert_eq!(epochs, (1..=number).rev().collect::<Vec<_>>(), "what waited was written");
    assert_eq!(history.status().set_aside, None);
    close(history).await;
}

mod full_disk {
    use std::{fs::File, io::Write, path::Path, process::Command};

    /// Fills the disk to the last byte.
    pub(super) fn fill(ballast: &Path) {
        let mut file = File::options().create(true).append(true).open(ballast).unwrap();
        for size in [4096, 1] {
            while file.write_all(&vec![b'b'; size]).is_ok() {}
        }
    }

    pub(super) fn outside(inside: &str) {
        let unshared = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-ec", script]);
            command
        };
        let dir = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=1m,mode=700 none \"$DIR\"";
        let can = unshared(mount).env("DIR", dir.path()).output();
        if !can.is_ok_and(|output| output.status.success()) {
            let why = "it needs root, `unshare` and `mount` of util-linux";
            assert!(std::env::var_os("GANTLINE_NO_SKIPS").is_none(), "{why}");
            #[allow(clippy::print_stderr)]
            {
                eprintln!("SKIPPED: {why}");
            }
            return;
        }
        let name =
            "damage::a_full_disk_is_said_and_survived_and_the_history_goes_on_when_there_is_space";
        let mut run = unshared(&format!("{mount}; exec \"$TEST\" --exact {name} --nocapture"));
        run.env("DIR", dir.path()).env("TEST", std::env::current_exe().unwrap());
        let output = run.env(inside, dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
    }
}
