//! Another build of the dashboard than the embedded one, for whoever works on it: read once, so that
//! there is no file system behind a path here either. Programs for use have none of this.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    sync::OnceLock,
};

use crate::{File, PAGE};

const DIRECTORY: &str = "GANTLINE_DASHBOARD_DIR";

/// The files of the directory that the environment names, if it names one.
pub(crate) fn files() -> Option<&'static [File]> {
    static FILES: OnceLock<Option<Vec<File>>> = OnceLock::new();
    let read = || {
        let directory = env::var_os(DIRECTORY).filter(|name| !name.is_empty())?;
        Some(read(Path::new(&directory)).unwrap_or_default())
    };
    FILES.get_or_init(read).as_deref()
}

/// Every file below `directory`; none if there is no page among them.
fn read(directory: &Path) -> io::Result<Vec<File>> {
    let (mut files, mut ahead) = (Vec::new(), vec![(directory.to_owned(), String::new())]);
    while let Some((directory, above)) = ahead.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = format!("{above}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                ahead.push((entry.path(), path));
                continue;
            }
            let plain = fs::read(entry.path())?.leak();
            let mut hash = DefaultHasher::new();
            plain.hash(&mut hash);
            let hash = format!("{:016x}", hash.finish()).leak();
            files.push(File { path: path.leak(), hash, plain, gzip: None, brotli: None });
        }
    }
    match files.iter().any(|file| file.path == PAGE) {
        true => Ok(files),
        false => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_served_as_it_is_and_without_a_page_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("assets")).unwrap();
        fs::write(directory.path().join("assets/a-1.js"), "a").unwrap();
        assert!(read(directory.path()).unwrap().is_empty());
        fs::write(directory.path().join("index.html"), "page").unwrap();
        let mut files = read(directory.path()).unwrap();
        files.sort_by_key(|file| file.path);
        let [script, page] = files.as_slice() else { panic!("two files") };
        assert_eq!((script.path, script.plain), ("/assets/a-1.js", &b"a"[..]));
        assert_eq!((page.path, page.plain), (PAGE, &b"page"[..]));
        assert_ne!(script.hash, page.hash);
    }
}
