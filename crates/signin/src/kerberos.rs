//! Kerberos by MIT's library: a ticket for this server, from a client that wraps it in SPNEGO or does not, and the sealing
//! of messages with what both sides then know. The server's keys are in the keytab that the environment of the process
//! names (`KRB5_KTNAME`), where keys that are added later are found too.
//!
//! Sources: RFC 4120 and 4121 (tickets, wrap tokens), RFC 4178 (SPNEGO), MS-WSMV 2.2.9.1 (what stands where in a body).

use std::fmt;
use std::sync::Arc;

use libgssapi::context::{CtxFlags, SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, OidSet};
use libgssapi::util::{GssIov, GssIovFake, GssIovType};
use negotiate::BindingRule;
use tokio::sync::Semaphore;

use crate::TicketError;

/// Tickets that are checked at once. Each check holds a thread, and reads the keytab and writes the replay cache on disk.
const CHECKS_MAX: usize = 8;
/// The longest message that is sealed, in bytes; lengths on the wire have 32 bits, and bodies their own limits before.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What begins a wrap token of RFC 4121 (4.2.6.2), and the bit in its third byte that says that it is encrypted.
const WRAP_TOKEN: [u8; 2] = [0x05, 0x04];
const SEALED: u8 = 0x02;
/// What a client must ask for: it knows then that it talks to this server.
const NEEDED: CtxFlags = CtxFlags::GSS_C_MUTUAL_FLAG;
/// What it must ask for to seal messages: encrypted, whole, and in their order.
const NEEDED_TO_SEAL: CtxFlags = CtxFlags::GSS_C_CONF_FLAG
    .union(CtxFlags::GSS_C_INTEG_FLAG)
    .union(CtxFlags::GSS_C_SEQUENCE_FLAG)
    .union(CtxFlags::GSS_C_REPLAY_FLAG);
/// The client bound its ticket to the TLS channel (`GSS_C_CHANNEL_BOUND_FLAG` of MIT 1.19).
const CHANNEL_BOUND: CtxFlags = CtxFlags::from_bits_retain(2048);

/// The server's own keys, and with them the right to take tickets. Cheap to clone.
#[derive(Clone)]
pub struct Kerberos {
    credential: Cred,
    checks: Arc<Semaphore>,
}

/// One authentication of one connection.
#[derive(Debug)]
pub(crate) struct Acceptor {
    context: ServerCtx,
    /// The TLS channel, as `tls-server-end-point` (RFC 5929).
    channel: Option<Vec<u8>>,
    binding_rule: BindingRule,
}

/// What to do after a token.
pub(crate) enum Step {
    /// Send this token; the client's next one belongs to this exchange.
    Continue(Vec<u8>, Box<Acceptor>),
    Accepted(Accepted),
}

/// A ticket that holds.
pub(crate) struct Accepted {
    /// The first half of `NAME@REALM`, where the realm is the server's own.
    pub(crate) name: String,
    /// What to send with the answer.
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) session: Session,
}

/// What a connection seals with.
#[derive(Debug)]
pub(crate) struct Session {
    context: ServerCtx,
    can_seal: bool,
}

impl Kerberos {
    /// The keys in the keytab that `KRB5_KTNAME` names. It must have been in the environment when the process began.
    ///
    /// Errors: [`TicketError::Library`] if there is no such file or no key in it.
    pub fn from_environment() -> Result<Self, TicketError> {
        let acquire = || {
            let mut mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
            mechanisms.add(GSS_MECH_SPNEGO)?;
            Cred::acquire(None, None, CredUsage::Accept, Some(&mechanisms))
        };
        let credential = acquire().map_err(library)?;
        Ok(Self { credential, checks: Arc::new(Semaphore::new(CHECKS_MAX)) })
    }

    pub(crate) fn acceptor(&self, channel: Option<Vec<u8>>, binding_rule: BindingRule) -> Box<Acceptor> {
        let context = ServerCtx::new(Some(self.credential.clone()));
        Box::new(Acceptor { context, channel, binding_rule })
    }

    /// Takes the client's next token, on a thread of its own.
    pub(crate) async fn step(&self, acceptor: Box<Acceptor>, token: &[u8]) -> Result<Step, TicketError> {
        let checks = Arc::clone(&self.checks);
        let permit = checks.acquire_owned().await.map_err(|_| TicketError::Interrupted)?;
        let token = token.to_vec();
        let checked = tokio::task::spawn_blocking(move || {
            // Given back when the check ends, even if nobody waits for it any more.
            let _permit = permit;
            acceptor.step(&token)
        });
        checked.await.map_err(|_| TicketError::Interrupted)?
    }
}

impl fmt::Debug for Kerberos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kerberos").finish_non_exhaustive()
    }
}

impl Acceptor {
    fn step(mut self: Box<Self>, token: &[u8]) -> Result<Step, TicketError> {
        let answer = self.context.step(token, self.channel.as_deref()).map_err(library)?;
        let answer = answer.map(|token| token.to_vec());
        // What a client hands over to be used in its name is not wanted.
        drop(self.context.take_delegated_cred());
        if !self.context.is_complete() {
            let answer = answer.ok_or(TicketError::Interrupted)?;
            return Ok(Step::Continue(answer, self));
        }
        let info = self.context.info().map_err(library)?;
        if info.mechanism != GSS_MECH_KRB5 {
            return Err(TicketError::OtherMechanism);
        }
        if !info.flags.contains(NEEDED) {
            return Err(TicketError::NotMutual);
        }
        let is_bound = info.flags.contains(CHANNEL_BOUND);
        if self.channel.is_some() && self.binding_rule == BindingRule::Require && !is_bound {
            return Err(TicketError::NoChannelBinding);
        }
        let name = user_name(&info.source_name.to_string(), &info.target_name.to_string())?;
        let can_seal = info.flags.contains(NEEDED_TO_SEAL);
        let session = Session { context: self.context, can_seal };
        Ok(Step::Accepted(Accepted { name, token: answer, session }))
    }
}

impl Session {
    /// Whether the ticket has run out.
    pub(crate) fn has_ended(&self) -> bool {
        self.context.lifetime().is_ok_and(|left| left.is_zero())
    }

    /// Opens the client's next message in place. `header` is what the wrap token has before it, and after it too: clients
    /// turn the token so that both stand in front. None if the message is not the client's next one, and for all after it.
    pub(crate) fn unseal(&mut self, header: &[u8], message: &mut [u8]) -> Option<()> {
        // The library would also take a message that is signed and not encrypted.
        let is_sealed =
            header.starts_with(&WRAP_TOKEN) && header.get(2).is_some_and(|bits| bits & SEALED != 0);
        let mut header = header.to_vec();
        let mut parts = [
            GssIov::new(GssIovType::Header, &mut header),
            GssIov::new(GssIovType::Data, message),
            GssIov::new(GssIovType::Padding, &mut []),
        ];
        // Repeated and late messages are errors too.
        self.can_seal = self.can_seal && is_sealed && self.context.unwrap_iov(&mut parts).is_ok();
        self.can_seal.then_some(())
    }

    /// Seals the server's next message in place; what stands before it is returned. The ciphers of RFC 4121 need no padding.
    pub(crate) fn seal(&mut self, message: &mut [u8]) -> Option<Vec<u8>> {
        if !self.can_seal || message.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        let mut lengths = [
            GssIovFake::new(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut *message).as_fake(),
            GssIovFake::new(GssIovType::Padding),
        ];
        self.context.wrap_iov_length(true, &mut lengths).ok()?;
        if lengths[2].len() != 0 {
            return None;
        }
        let mut header = vec![0; lengths[0].len()];
        let mut parts = [
            GssIov::new(GssIovType::Header, &mut header),
            GssIov::new(GssIovType::Data, message),
            GssIov::new(GssIovType::Padding, &mut []),
        ];
        self.context.wrap_iov(true, &mut parts).ok()?;
        drop(parts);
        Some(header)
    }
}

/// The site's name for a principal: `NAME` of `NAME@REALM`. Realms may trust each other, and then each has its own `NAME`:
/// only that of the server's own realm is meant. Names of several components, and such as need escapes, are nobody's here.
fn user_name(client: &str, server: &str) -> Result<String, TicketError> {
    let realm = server.rsplit_once('@').map_or("", |(_, realm)| realm);
    match client.split_once('@') {
        Some((_, other)) if other != realm || realm.is_empty() => Err(TicketError::OtherRealm),
        Some((name, _)) if !name.is_empty() && !name.contains(['/', '\\']) => Ok(name.to_owned()),
        _ => Err(TicketError::NoUserName),
    }
}

/// In words at once: what the second code means only the thread knows that got it.
fn library(error: Error) -> TicketError {
    TicketError::Library(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_of_the_own_realm_are_users() {
        let check = |client: &str, expect: Option<&str>| {
            let name = user_name(client, "HTTP/ps1.example.test@EXAMPLE.TEST");
            assert_eq!(name.ok().as_deref(), expect, "{client}");
        };
        check("operator1@EXAMPLE.TEST", Some("operator1"));
        check("first last@EXAMPLE.TEST", Some("first last"));
        check("operator1@OTHER.TEST", None);
        check("operator1@example.test", None);
        check("operator1", None);
        check("@EXAMPLE.TEST", None);
        check("operator1/admin@EXAMPLE.TEST", None);
        check("host/pc1.example.test@EXAMPLE.TEST", None);
        check("operator1\\@OTHER.TEST@EXAMPLE.TEST", None);
        check("operator1@OTHER.TEST@EXAMPLE.TEST", None);
        assert!(user_name("operator1@", "HTTP/ps1@").is_err());
        assert!(user_name("operator1@EXAMPLE.TEST", "HTTP/ps1").is_err());
    }
}
