//! Looks for secrets where none may be: in the memory of a process, in a directory, in what was
//! captured.

use std::{fs, io, os::unix::fs::FileExt, path::Path};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use memchr::memmem::Finder;

/// Memory that is read at a time.
const CHUNK: usize = 4 << 20;

/// A secret, and how it would look if somebody had kept or passed it on.
#[derive(Debug)]
pub struct Canary {
    name: String,
    forms: Vec<Finder<'static>>,
    longest: usize,
}

impl Canary {
    /// A secret that the scenario knows, of 12 bytes or more: shorter ones turn up by chance.
    ///
    /// # Panics
    /// If it is shorter.
    #[must_use]
    pub fn of(name: &str, secret: &[u8]) -> Self {
        assert!(secret.len() >= 12, "{name} is too short to look for");
        let mut forms = vec![
            secret.to_vec(),
            secret.to_ascii_lowercase(),
            secret.to_ascii_uppercase(),
            HEXLOWER.encode(secret).into_bytes(),
            HEXUPPER.encode(secret).into_bytes(),
        ];
        // Base64 of a text that has it in its middle: what its neighbours can't change of it.
        for before in 0..3 {
            let padded = [&[0; 3][..before], secret].concat();
            let end = padded.len() / 3 * 3;
            let skipped = if before == 0 { 0 } else { 4 };
            for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                forms.push(encoding.encode(&padded[..end]).as_bytes()[skipped..].to_vec());
            }
        }
        let longest = forms.iter().map(Vec::len).max().unwrap_or_default();
        let forms = forms.iter().map(|form| Finder::new(form).into_owned()).collect();
        Self { name: name.to_owned(), forms, longest }
    }

    /// A new secret of letters and digits, to be typed or printed.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn hatch(name: &str) -> (Self, String) {
        let mut bytes = [0; 18];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        let secret = BASE64URL_NOPAD.encode(&bytes).replace(['-', '_'], "x");
        (Self::of(name, secret.as_bytes()), secret)
    }

    /// What it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it is in `bytes`, in whatever form; some forms of a secret may be one and the same.
    #[must_use]
    pub fn hits(&self, bytes: &[u8]) -> usize {
        self.forms.iter().map(|form| form.find_iter(bytes).count()).sum()
    }

    /// How often it is in a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn hits_in_file(&self, path: &Path) -> io::Result<usize> {
        Ok(self.hits(&fs::read(path)?))
    }

    /// How often it is in the files of a directory and all below it.
    ///
    /// # Errors
    /// What the system says.
    pub fn hits_below(&self, directory: &Path) -> io::Result<usize> {
        let mut hits = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                hits += self.hits_below(&entry.path())?;
            } else if kind.is_file() {
                hits += self.hits_in_file(&entry.path())?;
            }
        }
        Ok(hits)
    }

    /// How often it is in the memory of a process: in everything that it could read itself.
    ///
    /// # Errors
    /// What the system says, above all to somebody who may not look there.
    pub fn hits_in_memory(&self, pid: u32) -> io::Result<usize> {
        let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let mut hits = 0;
        let mut is_any_readable = false;
        let mut buffer = vec![0; CHUNK + self.longest];
        for (start, end) in maps.lines().filter_map(readable) {
            for at in (start..end).step_by(CHUNK) {
                // Chunks overlap, so that nothing is missed between them.
                let wanted = buffer.len().min((end - at) as usize);
                // Some pages, such as those beyond the end of a mapped file, nobody can read.
                if let Ok(length) = memory.read_at(&mut buffer[..wanted], at) {
                    is_any_readable |= length > 0;
                    hits += self.hits(&buffer[..length]);
                }
            }
        }
        match is_any_readable {
            true => Ok(hits),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

/// The addresses of a line of `/proc/<pid>/maps`, if the process can read what is there.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, modes) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    modes.starts_with('r').then_some((address(start)?, address(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_and_place() {
        let (canary, secret) = Canary::hatch("secret");
        let hidden = |text: String| format!("before {text} after").into_bytes();
        let forms = [
            secret.clone(),
            secret.to_ascii_uppercase(),
            secret.to_ascii_lowercase(),
            HEXLOWER.encode(secret.as_bytes()),
            HEXUPPER.encode(secret.as_bytes()),
        ];
        for form in forms {
            assert!(canary.hits(&hidden(form.clone())) > 0, "{form}");
        }
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "z", "yz", "xyz"] {
                let text = format!("{before}{secret}{after}");
                for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                    assert!(canary.hits(encoding.encode(text.as_bytes()).as_bytes()) > 0);
                }
            }
        }
        assert_eq!(canary.hits(&hidden(Canary::hatch("other").1)), 0);
    }

    #[test]
    fn a_secret_in_memory_and_in_a_file_is_found() {
        let (canary, secret) = Canary::hatch("secret");
        assert!(canary.hits_in_memory(std::process::id()).expect("it is our own") > 0);
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let below = directory.path().join("below");
        fs::create_dir(&below).expect("it is ours");
        assert_eq!(canary.hits_below(directory.path()).expect("it is ours"), 0);
        fs::write(below.join("file"), secret).expect("it is ours");
        assert!(canary.hits_below(directory.path()).expect("it is ours") > 0);
    }
}
