//! Who may do what. Every change names its [`Actor`]; the check is here and nowhere else.

pub(crate) mod credentials;
pub(crate) mod password;
pub(crate) mod token;
pub(crate) mod user;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::error::{Result, SiteError};

/// What a user may do. Each role includes reading everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, users and distribution points included.
    FullAdministrator,
    /// Distribute, redistribute, remove from distribution points, validate, refresh.
    Operator,
    /// Create, change, delete and refresh packages.
    Author,
    /// Look only.
    Reader,
}

/// An authenticated user, and from where it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's name.
    pub name: String,
    /// The user's role.
    pub role: Role,
    /// The security scopes whose objects exist for the user.
    pub scopes: Scopes,
    /// What the call says of its program and machine, for audit messages.
    pub origin: Origin,
}

/// The security scopes of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// Every one.
    All,
    /// Those with these ids.
    Only(Vec<i64>),
}

/// The program and the machine that a call comes from, as the caller names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `ApplicationName` of the call.
    pub application: String,
    /// `MachineName` of the call.
    pub machine: String,
    /// `ObjectLockContext` of the call: beside user and machine, whose a lock is. Empty where the call names none.
    pub lock_context: String,
}

impl Default for Origin {
    /// What the original writes for a caller that does not say.
    fn default() -> Self {
        Self { application: "Unknown".to_owned(), machine: "Unknown".to_owned(), lock_context: String::new() }
    }
}

/// Something that needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ChangePackages,
    Refresh,
    Distribute,
    ManageDps,
    ManageUsers,
    MaintainContent,
    ChangeDrivers,
    RaiseStatus,
    DeleteStatus,
}

impl Action {
    fn phrase(self) -> &'static str {
        match self {
            Self::ChangePackages => "create, change or delete packages",
            Self::Refresh => "refresh packages",
            Self::Distribute => "change what is on distribution points",
            Self::ManageDps => "add or remove distribution points",
            Self::ManageUsers => "manage users and tokens",
            Self::MaintainContent => "maintain the content library",
            Self::ChangeDrivers => "import, change or delete drivers and their categories",
            Self::RaiseStatus => "write status messages",
            Self::DeleteStatus => "delete status messages",
        }
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::FullAdministrator, Self::Operator, Self::Author, Self::Reader];

    /// The name on the command line and in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FullAdministrator => "administrator",
            Self::Operator => "operator",
            Self::Author => "author",
            Self::Reader => "reader",
        }
    }

    fn allows(self, action: Action) -> bool {
        match self {
            Self::FullAdministrator => true,
            Self::Operator => {
                matches!(action, Action::Distribute | Action::Refresh | Action::RaiseStatus)
            }
            Self::Author => {
                matches!(
                    action,
                    Action::ChangePackages | Action::ChangeDrivers | Action::Refresh | Action::RaiseStatus
                )
            }
            Self::Reader => false,
        }
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            Self::FullAdministrator => 1,
            Self::Operator => 2,
            Self::Author => 3,
            Self::Reader => 4,
        }
    }

    pub(crate) fn from_number(number: i64) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|role| role.number() == number);
        found.ok_or_else(|| SiteError::corrupt("admin_user.role"))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self> {
        // The design's word is "full administrator"; both spellings are understood.
        let name = text.to_ascii_lowercase().replace([' ', '_'], "-");
        let name = if name == "full-administrator" { "administrator" } else { name.as_str() };
        let found = Self::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| SiteError::InvalidOption {
            option: "role",
            reason: "one of administrator, operator, author, reader is needed".to_owned(),
        })
    }
}

impl Actor {
    /// A user with every security scope, of a call that does not say from where it comes.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role, scopes: Scopes::All, origin: Origin::default() }
    }

    /// The site acting for whoever holds its data folder, as the command line does.
    #[must_use]
    pub fn local() -> Self {
        Self::new("local", Role::FullAdministrator)
    }

    pub(crate) fn may(&self, action: Action) -> Result<()> {
        if self.role.allows(action) {
            return Ok(());
        }
        let user = self.name.clone();
        Err(SiteError::AccessDenied { user, role: self.role.name(), action: action.phrase() })
    }
}

/// 256 random bits as hex.
pub(crate) fn random_secret() -> Result<String> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SiteError::Stopped)?;
    Ok(hex::encode(bytes))
}

/// How a random secret is stored. It has 256 bits, so one hash without salt is enough.
pub(crate) fn secret_hash(secret: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_exactly_its_actions() {
        use Action::{
            ChangeDrivers, ChangePackages, DeleteStatus, Distribute, MaintainContent, ManageDps, ManageUsers,
            RaiseStatus, Refresh,
        };
        let every = [
            ChangePackages,
            Refresh,
            Distribute,
            ManageDps,
            ManageUsers,
            MaintainContent,
            ChangeDrivers,
            RaiseStatus,
            DeleteStatus,
        ];
        let table: [(Role, &[Action]); 4] = [
            (Role::FullAdministrator, &every),
            (Role::Operator, &[Refresh, Distribute, RaiseStatus]),
            (Role::Author, &[ChangePackages, ChangeDrivers, Refresh, RaiseStatus]),
            (Role::Reader, &[]),
        ];
        for (role, allowed) in table {
            for action in every {
                let actor = Actor::new("someone", role);
                assert_eq!(actor.may(action).is_ok(), allowed.contains(&action), "{role} {action:?}");
            }
            assert_eq!(role.name().to_uppercase().parse::<Role>().unwrap(), role);
            assert_eq!(Role::from_number(role.number()).unwrap(), role);
        }
        assert_eq!("full administrator".parse::<Role>().unwrap(), Role::FullAdministrator);
        assert_eq!("owner".parse::<Role>().unwrap_err().code(), "invalid_option");
    }
}
