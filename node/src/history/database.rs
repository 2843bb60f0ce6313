//! The file: made, opened, checked, brought up to date, and set aside when it is of no use.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};

use super::HistoryError;

/// The name of the file in the directory of the node's state.
pub const FILE: &str = "node.db";
/// SQLite's own files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What brings the database from each version to the next. Entries are only ever added.
const MIGRATIONS: [&str; 2] =
    [include_str!("migrations/0001_lives.sql"), include_str!("migrations/0002_blocks.sql")];

/// How long a reader may take.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How long one waits for the other: the writer holds the database for moments only.
const BUSY: Duration = Duration::from_secs(2);

/// Opens the database for its one writer; makes it if there is none.
///
/// # Errors
/// [`HistoryError::Corrupt`] if it is of no use and is to be set aside.
pub(super) fn open(path: &Path) -> Result<Connection, HistoryError> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // Before the first table, or it has no effect.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(HistoryError::Away(format!("its file system allows no WAL, but {mode}")));
    }
    for (pragma, value) in [
        // What was committed survives the node; what a loss of power takes is a moment of history.
        ("synchronous", "NORMAL"),
        ("foreign_keys", "ON"),
        ("wal_autocheckpoint", "256"),
        ("journal_size_limit", "4194304"),
        // In KiB: the node is to stay small.
        ("cache_size", "-512"),
        ("temp_store", "MEMORY"),
        // A file that somebody else made can't make the node run what it should not.
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("mmap_size", "0"),
    ] {
        connection.execute_batch(&format!("PRAGMA {pragma} = {value}"))?;
    }
    check(&connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens it for a reader, whose queries end after two seconds.
pub(super) fn open_reader(path: &Path) -> Result<Reader, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(
        "PRAGMA cache_size = -512; PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;
         PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY",
    )?;
    Ok(Reader(connection))
}

/// A connection that only reads.
#[derive(Debug)]
pub(super) struct Reader(Connection);

impl Reader {
    /// The connection, for as long as one question may take.
    pub(super) fn begin(&self) -> Result<&Connection, HistoryError> {
        let begun = Instant::now();
        self.0.progress_handler(10_000, Some(move || begun.elapsed() > READ_WITHIN))?;
        Ok(&self.0)
    }
}

/// Moves a database that is of no use out of the way, with what SQLite keeps beside it, and gives
/// the name that it has now.
pub(super) fn set_aside(path: &Path, at: Duration) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let number = if number == 0 { String::new() } else { format!("-{number}") };
        path.with_file_name(format!("{FILE}.damaged-{}{number}", at.as_secs()))
    };
    let aside = (0..1000)
        .map(named)
        .find(|aside| fs::symlink_metadata(aside).is_err())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    // First what belongs to the damaged one: left behind, it would be taken for the new one's.
    for suffix in BESIDE {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The size of the database with its WAL, in bytes.
pub(super) fn size(path: &Path) -> u64 {
    let of = |path: &Path| fs::symlink_metadata(path).map_or(0, |file| file.len());
    of(path) + of(&with_suffix(path, "-wal"))
}

/// Makes the file, or asserts that it is the user's own and closed to others, before SQLite opens
/// it: WAL and shared memory get its mode.
fn make_private(path: &Path) -> Result<(), HistoryError> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    let refused = |why: &str| Err(HistoryError::Corrupt(why.to_owned()));
    for path in std::iter::once(path.to_owned()).chain(BESIDE.map(|end| with_suffix(path, end))) {
        let file = match fs::symlink_metadata(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if !file.is_file() {
            return refused("it is not a regular file");
        }
        if file.uid() != rustix::process::geteuid().as_raw() {
            return refused("it belongs to another user");
        }
        let mode = file.mode() & 0o777;
        if mode & 0o022 != 0 {
            return refused("others may write it");
        }
        if mode & 0o600 != 0o600 || mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format_args!("{mode:04o}"),
                "the history had another mode than 0600; it has that now"
            );
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn check(connection: &Connection) -> Result<(), HistoryError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        _ => Err(HistoryError::Corrupt(verdict)),
    }
}

fn migrate(connection: &mut Connection) -> Result<(), HistoryError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        let newest = MIGRATIONS.len();
        return Err(HistoryError::Corrupt(format!(
            "it is of version {version}, made by a newer node; this one knows {newest}"
        )));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", index + 1))?;
        transaction.commit()?;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
