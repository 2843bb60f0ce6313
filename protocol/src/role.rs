//! What a device may do on one machine.

use serde::{Deserialize, Serialize};

use crate::WireError;

/// What a device may do on one machine. Ordered: each role may do all that the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees agents and their output.
    Observer,
    /// Also starts, stops and types into agents.
    Operator,
    /// Also manages devices, secrets, policy and the node itself.
    Owner,
}

impl Role {
    /// The byte that stands for this role in a pairing grant.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Observer => 1,
            Self::Operator => 2,
            Self::Owner => 3,
        }
    }

    /// The role that `byte` stands for.
    ///
    /// # Errors
    /// [`WireError::Invalid`] for any other byte.
    pub const fn from_byte(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Observer),
            2 => Ok(Self::Operator),
            3 => Ok(Self::Owner),
            _ => Err(WireError::invalid("role", "it is none of 1, 2 and 3")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_means_two_roles_and_unknown_bytes_grant_nothing() {
        for role in [Role::Observer, Role::Operator, Role::Owner] {
            assert_eq!(Role::from_byte(role.to_byte()), Ok(role));
        }
        assert_eq!((0..=255u8).filter(|byte| Role::from_byte(*byte).is_ok()).count(), 3);
        assert!(Role::Observer < Role::Operator && Role::Operator < Role::Owner);
    }
}
