//! Reads the dashboard's files and compresses them, once, when the program is built.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

/// The greatest size of all files together, in bytes: a build that leaves more has gone wrong.
const MAX: u64 = 32 * 1024 * 1024;
/// Compression has to gain so much of a file to be worth it: one part in this many.
const WORTH: usize = 16;

/// A file, as it will be embedded.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Its path in a URL, with `/` in front.
    pub(crate) path: String,
    /// Tells one content from another.
    pub(crate) hash: String,
    pub(crate) plain: Vec<u8>,
    pub(crate) gzip: Option<Vec<u8>>,
    pub(crate) brotli: Option<Vec<u8>>,
}

/// The files below `dist`, sorted by path; none if there is no page among them. Maps for debuggers
/// are left out.
pub(crate) fn pack(dist: &Path) -> io::Result<Vec<Packed>> {
    if !dist.join("index.html").is_file() {
        return Ok(Vec::new());
    }
    let (mut files, mut total) = (Vec::new(), 0);
    collect(dist, "", &mut total, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(dir: &Path, above: &str, total: &mut u64, files: &mut Vec<Packed>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let wrong = |why: &str| {
            let path = entry.path();
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
        };
        let name = entry.file_name().into_string().map_err(|_| wrong("its name is not UTF-8"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(is_plain) {
            return Err(wrong("its name has more than letters, digits, hyphens and dots"));
        }
        if name.starts_with('.') || name.ends_with(".map") {
            continue;
        }
        let path = format!("{above}/{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &path, total, files)?;
            continue;
        }
        if !kind.is_file() {
            return Err(wrong("it is neither a file nor a directory"));
        }
        *total += entry.metadata()?.len();
        if *total > MAX {
            return Err(wrong("all files together have more than 32 MiB"));
        }
        files.push(Packed::new(path, fs::read(entry.path())?)?);
    }
    Ok(())
}

impl Packed {
    fn new(path: String, plain: Vec<u8>) -> io::Result<Self> {
        let hash: String = Sha256::digest(&plain)
            .iter()
            .take(12)
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let worth =
            |packed: Vec<u8>| (packed.len() + plain.len() / WORTH < plain.len()).then_some(packed);
        let (gzip, brotli) = (worth(gzip(&plain)?), worth(brotli(&plain)?));
        Ok(Self { path, hash, gzip, brotli, plain })
    }
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*plain, &mut packed, &parameters)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_is_what_was_built() {
        let dist = tempfile::tempdir().unwrap();
        assert!(pack(dist.path()).unwrap().is_empty(), "nothing was built");
        let script = "export const answer = 42;\n".repeat(500);
        fs::create_dir(dist.path().join("assets")).unwrap();
        fs::write(dist.path().join("index.html"), "q7").unwrap();
        fs::write(dist.path().join("assets/a-1b2c.js"), &script).unwrap();
        fs::write(dist.path().join("assets/a-1b2c.js.map"), "{}").unwrap();
        fs::write(dist.path().join(".DS_Store"), "x").unwrap();
        let files = pack(dist.path()).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/assets/a-1b2c.js", "/index.html"]);
        let [packed, page] = files.as_slice() else { panic!("two files") };
        let mut unpacked = String::new();
        let gzip = packed.gzip.as_ref().unwrap();
        flate2::read::GzDecoder::new(&**gzip).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, script);
        let (mut unpacked, brotli) = (Vec::new(), packed.brotli.as_ref().unwrap());
        brotli::BrotliDecompress(&mut &**brotli, &mut unpacked).unwrap();
        assert_eq!(unpacked, script.as_bytes());
        assert!(page.gzip.is_none() && page.brotli.is_none(), "it is too small to gain anything");
        assert_eq!((page.plain.as_slice(), page.hash.len()), (&b"q7"[..], 24));
        assert_ne!(packed.hash, page.hash);
    }

    #[test]
    fn a_name_that_a_url_would_have_to_escape_is_refused_when_it_is_built() {
        let dist = tempfile::tempdir().unwrap();
        fs::write(dist.path().join("index.html"), "x").unwrap();
        fs::write(dist.path().join("a b.js"), "x").unwrap();
        assert!(pack(dist.path()).unwrap_err().to_string().contains("a b.js"));
    }
}
