//! Sign-ins that prove a connection and not a request: NTLM, whose answers are checked against a kept hash, and Kerberos,
//! whose tickets are. Later requests of the connection ask whether it still holds.

use std::net::IpAddr;

use negotiate::NtHash;

use super::attempts::Subject;
use super::credentials::{NAME_BYTES_MAX, refuse_closed};
use super::{Actor, SignIn, user};
use crate::error::{Result, SiteError};
use crate::server::Site;

impl Site {
    /// Signs a user in who answered a challenge of NTLM. `verify` says whether the answer is of who has this hash; it is
    /// asked about a made-up one for a name that nobody has, for disabled users and for users without NTLM. Failures
    /// count as those of passwords do, and the same names and addresses are closed. Behind the name may stand `@` and a
    /// domain, as there; not so in a ticket, whose names are those of its realm exactly.
    ///
    /// Errors: [`SiteError::InvalidCredentials`], [`SiteError::TooManyFailures`].
    pub async fn authenticate_ntlm(
        &self,
        name: &str,
        from: Option<IpAddr>,
        verify: impl FnOnce(&NtHash) -> bool + Send,
    ) -> Result<Actor> {
        // No name has a null character, and not every database takes one in a question.
        if name.len() > NAME_BYTES_MAX || name.contains('\0') {
            return Err(self.refuse_name(from).await);
        }
        let (key, found) = user::find_signing_in(self.db(), name).await?;
        let subjects = Subject::of_password(&key, from);
        let is_known = found.is_some();
        let found = found.filter(|user| !user.user.disabled);
        self.refuse_closed_password(&subjects).await?;
        // Counted before the check, as with passwords: answers at once are no more guesses than one by one.
        let counted = self.credentials().count_password(&subjects, self.clock().monotonic())?;
        let kept = found.as_ref().and_then(|user| user.nt_hash.clone());
        let is_right = verify(kept.as_ref().unwrap_or(&NtHash::of_password("")));
        match found.filter(|_| is_right && kept.is_some()) {
            Some(user) => {
                self.credentials().take_back(&subjects, &counted, self.clock().monotonic());
                user.actor_by(self.db(), SignIn::Ntlm(user.stamp())).await
            }
            None => {
                self.note_closed(counted, is_known).await;
                Err(SiteError::InvalidCredentials)
            }
        }
    }

    /// The user that a verified Kerberos ticket names. Names are not guessed with tickets, so nothing is counted; but a
    /// name that is closed to the address is.
    ///
    /// Errors: [`SiteError::InvalidCredentials`] if nobody has the name or may not sign in,
    /// [`SiteError::TooManyFailures`].
    pub async fn authenticate_ticket(&self, name: &str, from: Option<IpAddr>) -> Result<Actor> {
        if name.len() > NAME_BYTES_MAX || name.contains('\0') {
            return Err(SiteError::InvalidCredentials);
        }
        self.refuse_closed_password(&Subject::of_password(&user::key(name), from)).await?;
        match user::find(self.db(), name).await?.filter(|user| !user.user.disabled) {
            Some(user) => user.actor_by(self.db(), SignIn::Ticket(user.stamp())).await,
            None => Err(SiteError::InvalidCredentials),
        }
    }

    /// Who signed in earlier on a connection, as the site knows the user now.
    ///
    /// Errors: [`SiteError::InvalidCredentials`] if the user was deleted or disabled, or has another password or role
    /// since, or is no longer allowed that way to sign in.
    pub async fn still_signed_in(&self, actor: &Actor) -> Result<Actor> {
        match user::find(self.db(), &actor.name).await?.filter(|user| user.is_still(actor)) {
            Some(user) => user.actor_by(self.db(), actor.sign_in.clone()).await,
            None => Err(SiteError::InvalidCredentials),
        }
    }

    /// Errors: [`SiteError::TooManyFailures`] if the name or the address is closed, here and not opened elsewhere.
    pub(super) async fn refuse_closed_password(&self, subjects: &[Subject]) -> Result<()> {
        let closed_for = || self.credentials().password_closed_for(subjects, self.clock().monotonic());
        if closed_for().is_none() {
            return Ok(());
        }
        self.hear_of_unlocks(subjects).await?;
        refuse_closed(closed_for())
    }
}
