//! Roles: the one table of who may do what. `admin_role` shows it to queries, `docs/operations.md` to people.

use std::fmt;
use std::str::FromStr;

use sea_query::Query;

use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::query::stored_list;

/// What a user may do. Each role includes reading everything in the user's security scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, users and distribution points included.
    FullAdministrator,
    /// Distribute, redistribute, remove from distribution points, validate, refresh.
    Operator,
    /// Create, change, delete and refresh packages and drivers.
    Author,
    /// Look only.
    Reader,
}

/// Something that needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ChangePackages,
    Refresh,
    Distribute,
    ManageDps,
    ManageSites,
    ManageGroups,
    ManageUsers,
    MaintainContent,
    ChangeDrivers,
    ChangeDriverCatalog,
    RaiseStatus,
    DeleteStatus,
}

impl Action {
    /// Every action, in the order in which a role shows them.
    pub(crate) const ALL: [Self; 12] = [
        Self::ChangePackages,
        Self::ChangeDrivers,
        Self::ChangeDriverCatalog,
        Self::Refresh,
        Self::Distribute,
        Self::RaiseStatus,
        Self::DeleteStatus,
        Self::ManageGroups,
        Self::ManageDps,
        Self::ManageSites,
        Self::MaintainContent,
        Self::ManageUsers,
    ];

    /// As a verb phrase.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::ChangePackages => "create, change or delete packages",
            Self::Refresh => "refresh packages",
            Self::Distribute => "change what is on distribution points",
            Self::ManageDps => "add or remove distribution points",
            Self::ManageSites => "add, revoke or remove child sites, and put the site below a parent",
            Self::ManageGroups => "make, change or delete groups of distribution points",
            Self::ManageUsers => "manage users, tokens and security scopes",
            Self::MaintainContent => "maintain the content library",
            Self::ChangeDrivers => "import, change or delete drivers, and make categories for them",
            Self::ChangeDriverCatalog => {
                "change or delete categories of drivers, and say which platforms are supported"
            }
            Self::RaiseStatus => "write status messages",
            Self::DeleteStatus => "delete status messages",
        }
    }

    /// Whether it touches what belongs to every scope at once, so that only who has all scopes may do it.
    pub(crate) fn is_of_the_whole_site(self) -> bool {
        matches!(
            self,
            Self::ManageDps
                | Self::ManageSites
                | Self::ManageUsers
                | Self::MaintainContent
                | Self::DeleteStatus
                | Self::ChangeDriverCatalog
        )
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

    fn description(self) -> &'static str {
        match self {
            Self::FullAdministrator => {
                "Everything; users, distribution points and security scopes with all scopes"
            }
            Self::Operator => "Brings packages to distribution points and keeps them there",
            Self::Author => "Makes and changes packages and drivers",
            Self::Reader => "Looks only",
        }
    }

    pub(crate) fn allows(self, action: Action) -> bool {
        match self {
            Self::FullAdministrator => true,
            Self::Operator => {
                matches!(action, Action::Distribute | Action::Refresh | Action::RaiseStatus)
            }
            Self::Author => matches!(
                action,
                Action::ChangePackages
                    | Action::ChangeDrivers
                    | Action::ChangeDriverCatalog
                    | Action::Refresh
                    | Action::RaiseStatus
            ),
            Self::Reader => false,
        }
    }

    /// Whether it allows everything that the other allows.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        Action::ALL.into_iter().all(|action| self.allows(action) || !other.allows(action))
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

/// Writes the table of roles as this program has it.
pub(crate) async fn seed(tx: &mut Tx) -> Result<()> {
    tx.execute(Query::delete().from_table("admin_role")).await?;
    let mut insert = Query::insert();
    insert.into_table("admin_role").columns(["number", "name", "description", "actions"]);
    for role in Role::ALL {
        let actions = Action::ALL.into_iter().filter(|action| role.allows(*action)).map(Action::phrase);
        insert.values_panic([
            role.number().into(),
            role.name().into(),
            role.description().into(),
            stored_list(std::iter::once("read everything in the user's security scopes").chain(actions))
                .into(),
        ]);
    }
    tx.execute(&insert).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_exactly_its_actions() {
        use Action::{ChangeDriverCatalog, ChangeDrivers, ChangePackages, Distribute, RaiseStatus, Refresh};
        let table: [(Role, &[Action]); 4] = [
            (Role::FullAdministrator, &Action::ALL),
            (Role::Operator, &[Refresh, Distribute, RaiseStatus]),
            (Role::Author, &[ChangePackages, ChangeDrivers, ChangeDriverCatalog, Refresh, RaiseStatus]),
            (Role::Reader, &[]),
        ];
        for (role, allowed) in table {
            for action in Action::ALL {
                assert_eq!(role.allows(action), allowed.contains(&action), "{role} {action:?}");
            }
            assert_eq!(role.name().to_uppercase().parse::<Role>().unwrap(), role);
            assert_eq!(Role::from_number(role.number()).unwrap(), role);
        }
        assert_eq!("full administrator".parse::<Role>().unwrap(), Role::FullAdministrator);
        assert_eq!("owner".parse::<Role>().unwrap_err().code(), "invalid_option");
    }

    #[test]
    fn a_role_covers_what_allows_no_more() {
        use Role::{Author, FullAdministrator, Operator, Reader};
        for (role, covered) in [
            (FullAdministrator, vec![FullAdministrator, Operator, Author, Reader]),
            (Operator, vec![Operator, Reader]),
            (Author, vec![Author, Reader]),
            (Reader, vec![Reader]),
        ] {
            for other in Role::ALL {
                assert_eq!(role.covers(other), covered.contains(&other), "{role} {other}");
            }
        }
    }
}
