//! The node's static key, which is what names the machine, and the one of this user's command line.
//! Each is made when it is first needed, never again by
//! itself: a key that can't be read is an error, since a new one would be another machine.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use gantline_login::StaticKey;
use gantline_protocol::{MachineId, Timestamp};
use zeroize::Zeroizing;

use super::{StateError, StateFiles, error::failed};

const NAME: &str = "node.key";
const DEVICE: &str = "device.key";
/// What belongs to the node's key and is of no use with another.
pub(crate) const DEVICES: &str = "devices.json";
pub(crate) const INVITATIONS: &str = "invitations.json";

/// The key of this machine's node: from `node.key`, 64 hexadecimal digits; a new one is written
/// there if the file is missing.
///
/// # Errors
/// [`StateError::Corrupt`] if the file holds no key; others if it can't be used.
pub fn load_or_create(files: &StateFiles) -> Result<StaticKey, StateError> {
    load(files, NAME)?.map_or_else(|| create(files, NAME), Ok)
}

/// The key by which this user's command line is a device: from `device.key`, like the node's.
///
/// # Errors
/// As [`load_or_create`].
pub fn load_or_create_device(files: &StateFiles) -> Result<StaticKey, StateError> {
    load(files, DEVICE)?.map_or_else(|| create(files, DEVICE), Ok)
}

/// The name of this machine for ever; `None` before its node was first started.
///
/// # Errors
/// As [`load_or_create`].
pub fn machine_id(files: &StateFiles) -> Result<Option<MachineId>, StateError> {
    Ok(load(files, NAME)?.map(|key| key.public().machine_id()))
}

/// Makes the machine another one: a new key in `node.key`, and no devices and invitations, which
/// belong to the old key. What was there stays beside it under `<name>.<time>`; gives those paths.
/// No node may run on these files.
///
/// # Errors
/// [`StateError`] if a file can't be set aside or written. The key goes last, so that nothing is
/// left half-way that a second call would not mend.
pub fn reset(files: &StateFiles, now: Timestamp) -> Result<Vec<PathBuf>, StateError> {
    let mut aside = Vec::new();
    for name in [DEVICES, INVITATIONS, NAME] {
        let old = format!("{name}.{}", now.as_millis());
        if let Some(bytes) = files.read(name)?.map(Zeroizing::new) {
            files.write(&old, &bytes)?;
            aside.push(files.path(&old));
        }
        if name != NAME {
            // The version before would be taken for the present one.
            files.remove(name)?;
            files.remove(&format!("{name}.bak"))?;
        }
    }
    create(files, NAME)?;
    Ok(aside)
}

fn load(files: &StateFiles, name: &str) -> Result<Option<StaticKey>, StateError> {
    let Some(text) = files.read(name)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let corrupt = || StateError::Corrupt {
        path: files.path(name),
        why: "it does not hold a key, 64 hexadecimal digits".to_owned(),
    };
    parse(&text).ok_or_else(corrupt).map(Some)
}

fn create(files: &StateFiles, name: &str) -> Result<StaticKey, StateError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut())
        .map_err(|error| failed("draw a key for", &files.path(name))(error.into()))?;
    let mut text = Zeroizing::new(HEXLOWER.encode(secret.as_ref()));
    text.push('\n');
    files.write(name, text.as_bytes())?;
    Ok(StaticKey::from_secret(&secret))
}

fn parse(text: &[u8]) -> Option<StaticKey> {
    let mut secret = Zeroizing::new([0; 32]);
    let digits = text.trim_ascii();
    if digits.len() != 64 {
        return None;
    }
    HEXLOWER.decode_mut(digits, secret.as_mut()).ok()?;
    Some(StaticKey::from_secret(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Home;

    #[test]
    fn a_machine_is_the_same_after_each_start_and_never_silently_another() {
        let dir = tempfile::tempdir().unwrap();
        let files = Home::below(&dir.path().join("home")).unwrap().state_files();
        let first = load_or_create(&files).unwrap();
        assert_eq!(load_or_create(&files).unwrap().public(), first.public());
        for damage in ["", "abc\n", &"g".repeat(64), &"0".repeat(66)] {
            files.write(NAME, damage.as_bytes()).unwrap();
            let error = load_or_create(&files).unwrap_err();
            assert!(matches!(error, StateError::Corrupt { .. }), "{damage:?}: {error}");
            assert_eq!(files.read(NAME).unwrap().unwrap(), damage.as_bytes());
        }
    }

    #[test]
    fn a_copied_machine_becomes_another_one_and_nothing_of_the_first_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let files = Home::below(&dir.path().join("home")).unwrap().state_files();
        let first = load_or_create(&files).unwrap();
        files.write_json(DEVICES, &["a"]).unwrap();
        files.write_json(DEVICES, &["a", "b"]).unwrap();
        let aside = reset(&files, Timestamp::from_millis(7)).unwrap();
        assert_ne!(load_or_create(&files).unwrap().public(), first.public());
        assert_eq!(files.read_json::<Vec<String>>(DEVICES).unwrap(), None, "the old key's devices");
        assert_eq!(aside, [files.path("devices.json.7"), files.path("node.key.7")]);
        let old = parse(&files.read("node.key.7").unwrap().unwrap()).unwrap();
        assert_eq!(old.public(), first.public());
    }
}
