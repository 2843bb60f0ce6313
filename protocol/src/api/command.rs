//! What to run: argument vector, directory and environment, each within its bounds.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::WireError;

/// The greatest length of one argument, and of one environment entry with its name, in bytes.
pub const MAX_ITEM: usize = 128 * 1024;
/// The greatest length of all arguments together, and of the whole environment, in bytes.
pub const MAX_TOTAL: usize = 2 * 1024 * 1024;

/// A command, as [`super::SpawnRequest`] and [`super::ExecRequest`] carry it. The operating system
/// may still refuse one that is within these bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// The program and its arguments.
    pub argv: Argv,
    /// Where it runs; the home directory of the node's user if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Cwd>,
    /// What is added to the node's environment.
    #[serde(default, skip_serializing_if = "Env::is_empty")]
    pub env: Env,
    /// Whether the first item of `argv` is a script for the user's shell instead of a program, and
    /// the others the script's `$1`, `$2` and so on. Nothing is ever joined or quoted.
    #[serde(default)]
    pub shell: bool,
}

/// An argument vector: 1 to 4,096 items, the first one not empty, each at most 128 KiB, together
/// at most 2 MiB, without NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Argv(Vec<String>);

impl Argv {
    /// The greatest number of items.
    pub const MAX_ITEMS: usize = 4096;

    /// The items, one at least.
    #[must_use]
    pub fn items(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Argv {
    type Error = WireError;

    fn try_from(items: Vec<String>) -> Result<Self, WireError> {
        if items.first().is_none_or(String::is_empty) {
            return Err(WireError::invalid("argv", "it names no program"));
        }
        at_most(Self::MAX_ITEMS, items.len(), "argv (items)")?;
        for item in &items {
            at_most(MAX_ITEM, item.len(), "an item of argv (bytes)")?;
            without_nul(item, "an item of argv")?;
        }
        at_most(MAX_TOTAL, items.iter().map(String::len).sum(), "argv (bytes)")?;
        Ok(Self(items))
    }
}

/// A directory: a path of 1 to 4,096 bytes without NUL. A relative one begins at the home directory
/// of the node's user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Cwd(String);

impl Cwd {
    /// The greatest length, in bytes.
    pub const MAX: usize = 4096;

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Cwd {
    type Error = WireError;

    fn try_from(path: String) -> Result<Self, WireError> {
        at_most(Self::MAX, path.len(), "cwd (bytes)")?;
        without_nul(&path, "cwd")?;
        if path.is_empty() {
            return Err(WireError::invalid("cwd", "it is empty"));
        }
        Ok(Self(path))
    }
}

/// Environment variables: at most 1,024, each at most 128 KiB with its name, together at most
/// 2 MiB, without NUL; names not empty and without `=`. A value may refer to a secret,
/// `@secret:NAME`. Since people put secrets themselves here too, the `Debug` form has names only.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The greatest number of variables.
    pub const MAX_ENTRIES: usize = 1024;

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no variable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Env {
    type Error = WireError;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, WireError> {
        at_most(Self::MAX_ENTRIES, entries.len(), "env (entries)")?;
        let mut total = 0;
        for (name, value) in &entries {
            if name.is_empty() || name.contains('=') {
                return Err(WireError::invalid("a name in env", "it is empty or contains ="));
            }
            without_nul(name, "a name in env")?;
            without_nul(value, "a value in env")?;
            let length = name.len() + 1 + value.len();
            at_most(MAX_ITEM, length, "an entry of env (bytes)")?;
            total += length;
        }
        at_most(MAX_TOTAL, total, "env (bytes)")?;
        Ok(Self(entries))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const fn at_most(limit: usize, length: usize, what: &'static str) -> Result<(), WireError> {
    if length > limit {
        return Err(WireError::TooLong { what, length, limit });
    }
    Ok(())
}

pub(super) fn without_nul(text: &str, what: &'static str) -> Result<(), WireError> {
    if text.contains('\0') {
        return Err(WireError::invalid(what, "it contains NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };

    use super::*;
    use crate::api::tests::is_written_as;

    fn argv(items: &[&str]) -> Result<Argv, WireError> {
        items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>().try_into()
    }

    fn env(entries: &[(&str, &str)]) -> Result<Env, WireError> {
        let owned = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        owned.collect::<BTreeMap<_, _>>().try_into()
    }

    #[test]
    fn a_command_has_the_documented_json() {
        let short =
            Command { argv: argv(&["ls"]).unwrap(), cwd: None, env: Env::default(), shell: false };
        is_written_as(&short, r#"{"argv":["ls"],"shell":false}"#);
        assert_eq!(serde_json::from_str::<Command>(r#"{"argv":["ls"]}"#).unwrap(), short);
        let long = Command {
            argv: argv(&["echo $1", "a b"]).unwrap(),
            cwd: Some("/srv".to_owned().try_into().unwrap()),
            env: env(&[("LANG", "C"), ("KEY", "@secret:NAME")]).unwrap(),
            shell: true,
        };
        is_written_as(
            &long,
            r#"{"argv":["echo $1","a b"],"cwd":"/srv","env":{"KEY":"@secret:NAME","LANG":"C"},"shell":true}"#,
        );
    }

    #[test]
    fn a_command_that_no_system_could_start_says_which_bound_it_breaks() {
        let item = "x".repeat(MAX_ITEM);
        assert!(argv(&[&item]).is_ok());
        let refused = [
            (argv(&[]), "argv is not valid: it names no program"),
            (argv(&["", "a"]), "argv is not valid: it names no program"),
            (argv(&["a\0b"]), "an item of argv is not valid: it contains NUL"),
            (argv(&["a"; 4097]), "argv (items) has a length of 4097, at most 4096 is allowed"),
            (
                argv(&[&"x".repeat(MAX_ITEM + 1)]),
                "an item of argv (bytes) has a length of 131073, at most 131072 is allowed",
            ),
            (
                argv(&[&*item; 17]),
                "argv (bytes) has a length of 2228224, at most 2097152 is allowed",
            ),
        ];
        for (result, complaint) in refused {
            assert_eq!(result.unwrap_err().to_string(), complaint);
        }
        assert!(argv(&[&*item; 16]).is_ok());
        let json = r#"{"argv":[]}"#;
        let error = serde_json::from_str::<Command>(json).unwrap_err().to_string();
        assert!(error.starts_with("argv is not valid: it names no program"), "{error}");
    }

    #[test]
    fn an_environment_that_would_name_another_variable_is_refused() {
        for bad in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
            assert!(env(&[bad]).is_err(), "{bad:?} was accepted");
        }
        let many = |count: usize, value: &str| -> Result<Env, WireError> {
            let entries = (0..count).map(|number| (format!("V{number:04}"), value.to_owned()));
            entries.collect::<BTreeMap<_, _>>().try_into()
        };
        assert!(many(1024, "x").is_ok());
        assert!(many(1025, "x").is_err());
        assert!(many(1, &"x".repeat(MAX_ITEM - 6)).is_ok());
        assert!(many(1, &"x".repeat(MAX_ITEM - 5)).is_err());
        assert!(many(17, &"x".repeat(MAX_ITEM - 6)).is_err());
        for bad in ["", "a\0", &"x".repeat(4097)] {
            assert!(Cwd::try_from(bad.to_owned()).is_err());
        }
    }

    #[test]
    fn a_password_typed_into_an_environment_never_reaches_a_log() {
        let shown = format!("{:?}", env(&[("TOKEN", "hunter2")]).unwrap());
        assert_eq!(shown, r#"{"TOKEN"}"#);
    }

    proptest! {
        #[test]
        fn a_command_starts_as_it_was_asked_for(
            items in vec("[^\0]{1,20}", 1..6),
            entries in btree_map("[A-Z_]{1,8}", "[^\0]{0,20}", 0..6),
            cwd in prop::option::of("/[^\0]{0,20}"),
            shell: bool,
        ) {
            let command = Command {
                argv: items.try_into().unwrap(),
                cwd: cwd.map(|path| path.try_into().unwrap()),
                env: entries.try_into().unwrap(),
                shell,
            };
            let json = serde_json::to_vec(&command).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Command>(&json).unwrap(), command);
        }
    }
}
