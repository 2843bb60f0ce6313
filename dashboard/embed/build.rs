//! Packs what the dashboard's own build left in `dashboard/dist` (or where
//! `GANTLINE_DASHBOARD_DIST` says). Without it the crate builds all the same, and says so.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

#[path = "src/pack.rs"]
mod pack;

const DIST: &str = "GANTLINE_DASHBOARD_DIST";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={DIST}");
    let manifest = env::var("CARGO_MANIFEST_DIR")?;
    let dist = match env::var_os(DIST) {
        Some(dist) => dist.into(),
        None => Path::new(&manifest).join("../dist"),
    };
    // What is not there can't be watched for changes: without this every build would pack anew.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed={}", dist.display());
    let out = env::var("OUT_DIR")?;
    let mut code = String::from("&[\n");
    for (number, file) in pack::pack(&dist)?.into_iter().enumerate() {
        let keep = |kind: &str, bytes: &[u8]| {
            let path = Path::new(&out).join(format!("{number}.{kind}"));
            fs::write(&path, bytes).map(|()| format!("include_bytes!({:?})", path))
        };
        let plain = keep("plain", &file.plain)?;
        let packed = |kind: &str, bytes: Option<&Vec<u8>>| match bytes {
            Some(bytes) => keep(kind, bytes).map(|code| format!("Some({code})")),
            None => Ok("None".to_owned()),
        };
        let (gzip, brotli) =
            (packed("gz", file.gzip.as_ref())?, packed("br", file.brotli.as_ref())?);
        writeln!(
            code,
            "File {{ path: {:?}, hash: {:?}, plain: {plain}, gzip: {gzip}, brotli: {brotli} }},",
            file.path, file.hash
        )?;
    }
    code.push(']');
    fs::write(Path::new(&out).join("files.rs"), code)?;
    Ok(())
}
