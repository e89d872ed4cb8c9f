//! Who may do what. Every change names its [`Actor`]; the check is here and nowhere else.

mod attempts;
pub mod call;
pub(crate) mod closed;
mod connection;
pub(crate) mod credentials;
pub(crate) mod one_time;
pub(crate) mod password;
pub(crate) mod role;
pub(crate) mod scope;
pub(crate) mod token;
pub(crate) mod user;

use aws_lc_rs::digest;

pub(crate) use role::Action;
pub use role::Role;

use crate::error::{Result, SiteError};

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
    /// How the user signed in.
    pub sign_in: SignIn,
    /// The call that is being answered, by which its consequences are found again in logs and messages; see [`call`].
    pub call: Option<String>,
}

/// How an [`Actor`] came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// On this machine, without credentials.
    Local,
    /// With the password whose stored form has this hash.
    Password(String),
    /// By NTLM, with the password whose kept forms have this hash.
    Ntlm(String),
    /// By a Kerberos ticket, while what is kept of the user had this hash.
    Ticket(String),
    /// With the bearer token with this number.
    Token(i64),
}

impl SignIn {
    /// The number of the bearer token, if it was one.
    #[must_use]
    pub const fn token(&self) -> Option<i64> {
        match self {
            Self::Token(id) => Some(*id),
            Self::Local | Self::Password(_) | Self::Ntlm(_) | Self::Ticket(_) => None,
        }
    }
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
    /// `LocaleID` of the call: the language of localized texts, where an object has it.
    pub locale_id: Option<u32>,
}

impl Default for Origin {
    /// What the original writes for a caller that does not say.
    fn default() -> Self {
        let unknown = || "Unknown".to_owned();
        Self { application: unknown(), machine: unknown(), lock_context: String::new(), locale_id: None }
    }
}

impl Scopes {
    /// Whether a scope is one of them.
    #[must_use]
    pub fn has(&self, scope: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(scopes) => scopes.contains(&scope),
        }
    }

    /// The scopes that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, other) => other.clone(),
            (own, Self::All) => own.clone(),
            (Self::Only(own), Self::Only(other)) => {
                Self::Only(own.iter().copied().filter(|scope| other.contains(scope)).collect())
            }
        }
    }
}

impl Actor {
    /// A user with every security scope on this machine, of a call that does not say from where it comes.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        let (scopes, origin, sign_in) = (Scopes::All, Origin::default(), SignIn::Local);
        Self { name: name.into(), role, scopes, origin, sign_in, call: None }
    }

    /// The site acting for whoever holds its data folder, as the command line does.
    #[must_use]
    pub fn local() -> Self {
        Self::new("local", Role::FullAdministrator)
    }

    /// Errors: [`SiteError::AccessDenied`] if the role does not include the action,
    /// [`SiteError::AllScopesNeeded`] if it concerns the whole site and the actor does not work in all of it.
    pub(crate) fn may(&self, action: Action) -> Result<()> {
        let (user, phrase) = (|| self.name.clone(), action.phrase());
        if !self.role.allows(action) {
            return Err(SiteError::AccessDenied { user: user(), role: self.role.name(), action: phrase });
        }
        if action.is_of_the_whole_site() && self.scopes != Scopes::All {
            return Err(SiteError::AllScopesNeeded { user: user(), action: phrase });
        }
        Ok(())
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
    fn what_concerns_the_whole_site_needs_all_scopes() {
        for role in Role::ALL {
            for action in Action::ALL {
                let actor = Actor::new("someone", role);
                let within = Actor { scopes: Scopes::Only(vec![1]), ..actor.clone() };
                assert_eq!(actor.may(action).is_ok(), role.allows(action), "{role} {action:?}");
                let expect = role.allows(action) && !action.is_of_the_whole_site();
                assert_eq!(within.may(action).is_ok(), expect, "{role} {action:?} within a scope");
            }
        }
    }

    #[test]
    fn scopes_are_cut_to_what_both_have() {
        let only = |scopes: &[i64]| Scopes::Only(scopes.to_vec());
        for (left, right, expect) in [
            (Scopes::All, Scopes::All, Scopes::All),
            (Scopes::All, only(&[1]), only(&[1])),
            (only(&[1, 2]), only(&[2, 3]), only(&[2])),
            (only(&[1]), only(&[2]), only(&[])),
        ] {
            assert_eq!(left.and(&right), expect);
            assert_eq!(right.and(&left), expect);
        }
        assert!(Scopes::All.has(7) && only(&[7]).has(7) && !only(&[]).has(7));
    }
}
