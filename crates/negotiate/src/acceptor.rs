//! One authentication of one connection, as a state machine. It has three messages at most and no way back: what goes
//! wrong ends it.

use crate::channel::{BindingRule, ChannelBinding};
use crate::error::NegotiateError;
use crate::hash::NtHash;
use crate::ntlm::authenticate::Authenticate;
use crate::ntlm::challenge::{Challenge, Names};
use crate::ntlm::{SIGNATURE, offer, proof};
use crate::session::Session;
use crate::spnego::{Init, NTLM, Response, State};

/// The longest token that is read, in bytes. A real one has less than a thousand.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// From 1601, where Windows begins to count, to 1970, in microseconds.
const FILE_TIME_EPOCH_US: i64 = 11_644_473_600_000_000;

/// What an [`Acceptor`] needs to know of its server and its connection.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What the server calls itself.
    pub names: Names,
    /// The TLS channel of the connection, if there is one.
    pub channel: Option<ChannelBinding>,
    /// What holds for clients that bind their answer to no channel, where there is one.
    pub binding_rule: BindingRule,
}

/// What to do after a token.
#[derive(Debug)]
pub enum Step {
    /// Send this token; the client's next one belongs to this exchange.
    Continue(Vec<u8>),
    /// Look up the hash of who this claims to be, and call [`Acceptor::verify`].
    Identify(Claim),
}

/// Who the client claims to be. Nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user's name.
    pub user: String,
    /// The domain that the client puts the user in; may be empty.
    pub domain: String,
    /// What the client's machine calls itself; may be empty.
    pub workstation: String,
    /// The service principal name of the server that the client means, as `HTTP/site.example.test`.
    pub target: Option<String>,
}

/// A proved claim.
#[derive(Debug)]
pub struct Accepted {
    /// What to send with the answer; nothing where NTLM was not wrapped.
    pub token: Option<Vec<u8>>,
    /// What the connection seals with.
    pub session: Session,
}

/// One authentication.
#[derive(Debug)]
pub struct Acceptor {
    config: Config,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing came.
    Begun,
    /// SPNEGO has agreed on NTLM, whose first message is due.
    Agreed(Wrapping),
    Challenged(Wrapping, Exchange),
    Claimed(Wrapping, Exchange, Box<Authenticate>, Option<Vec<u8>>),
    Over,
}

/// What the integrity code covers, beside the last message.
#[derive(Debug)]
struct Exchange {
    offer: Vec<u8>,
    challenge: Challenge,
}

/// How the client wraps NTLM; answers are wrapped the same way.
#[derive(Debug)]
enum Wrapping {
    Raw,
    Spnego {
        /// The list of mechanisms as it was sent.
        list: Vec<u8>,
    },
}

impl Acceptor {
    /// The beginning of an authentication.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config, stage: Stage::Begun }
    }

    /// Takes the client's next token. `now_us` is the time in microseconds since 1970, which a challenge tells.
    ///
    /// Errors: [`NegotiateError`]; the authentication is then over.
    pub fn step(&mut self, token: &[u8], now_us: i64) -> Result<Step, NegotiateError> {
        if token.len() > TOKEN_BYTES_MAX {
            self.stage = Stage::Over;
            return Err(NegotiateError::TooLong);
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun if token.starts_with(SIGNATURE) => {
                self.challenge(Wrapping::Raw, token, now_us, true)
            }
            Stage::Begun if Init::is_one(token) => self.agree(&Init::read(token)?, now_us),
            Stage::Begun if Response::is_one(token) => Err(NegotiateError::OutOfTurn),
            Stage::Begun => Err(NegotiateError::Malformed("it is neither NTLM nor SPNEGO")),
            Stage::Agreed(wrapping) => {
                let offer = response(token)?.token.ok_or(NegotiateError::OutOfTurn)?;
                self.challenge(wrapping, offer, now_us, false)
            }
            Stage::Challenged(wrapping, exchange) => self.identify(wrapping, exchange, token),
            Stage::Claimed(..) | Stage::Over => Err(NegotiateError::OutOfTurn),
        }
    }

    /// Whether the client that [`Step::Identify`] named has this hash. For a user that does not exist call it with any
    /// hash and refuse what it accepts: the time is then the same.
    ///
    /// Errors: [`NegotiateError::WrongProof`], [`NegotiateError::WrongMic`], [`NegotiateError::NoMechListMic`],
    /// [`NegotiateError::OutOfTurn`] before [`Step::Identify`].
    pub fn verify(&mut self, hash: &NtHash) -> Result<Accepted, NegotiateError> {
        let Stage::Claimed(wrapping, exchange, claim, mic) = std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return Err(NegotiateError::OutOfTurn);
        };
        let key = proof::verify(&exchange.offer, &exchange.challenge, &claim, hash)?;
        let mut session = Session::new(&key, claim.flags);
        let token = match wrapping {
            Wrapping::Raw => None,
            Wrapping::Spnego { list } => Some(complete(&mut session, &list, mic.as_deref())?),
        };
        Ok(Accepted { token, session })
    }

    fn agree(&mut self, init: &Init<'_>, now_us: i64) -> Result<Step, NegotiateError> {
        let place = init.mechanisms.iter().position(|mechanism| *mechanism == NTLM);
        let place = place.ok_or(NegotiateError::NoCommonMechanism)?;
        let is_preferred = place == 0;
        let wrapping = Wrapping::Spnego { list: init.list.to_vec() };
        // The token is of the preferred mechanism; that of another one is nothing to NTLM.
        match init.token.filter(|_| is_preferred) {
            Some(token) => self.challenge(wrapping, token, now_us, true),
            None => {
                self.stage = Stage::Agreed(wrapping);
                let state = Some(if is_preferred { State::Incomplete } else { State::RequestMic });
                Ok(Step::Continue(Response { state, mechanism: Some(NTLM), ..Response::default() }.write()))
            }
        }
    }

    /// The first token of SPNEGO that the client sees also says what was agreed on.
    fn challenge(
        &mut self,
        wrapping: Wrapping,
        offer: &[u8],
        now_us: i64,
        is_first: bool,
    ) -> Result<Step, NegotiateError> {
        let flags = offer::read(offer)?;
        let mut nonce = [0; 8];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| NegotiateError::NoRandom)?;
        let file_time =
            u64::try_from(now_us.saturating_add(FILE_TIME_EPOCH_US)).unwrap_or(0).saturating_mul(10);
        let challenge = Challenge::new(flags, nonce, &self.config.names, file_time);
        let token = match &wrapping {
            Wrapping::Raw => challenge.bytes.clone(),
            Wrapping::Spnego { .. } => {
                let token = Some(challenge.bytes.as_slice());
                let mechanism = is_first.then_some(NTLM);
                Response { state: Some(State::Incomplete), mechanism, token, mic: None }.write()
            }
        };
        self.stage = Stage::Challenged(wrapping, Exchange { offer: offer.to_vec(), challenge });
        Ok(Step::Continue(token))
    }

    fn identify(
        &mut self,
        wrapping: Wrapping,
        exchange: Exchange,
        token: &[u8],
    ) -> Result<Step, NegotiateError> {
        let (message, mic) = match &wrapping {
            Wrapping::Raw => (token, None),
            Wrapping::Spnego { .. } => {
                let response = response(token)?;
                (response.token.ok_or(NegotiateError::OutOfTurn)?, response.mic.map(<[u8]>::to_vec))
            }
        };
        let claim = Authenticate::read(message, exchange.challenge.flags)?;
        if let Some(channel) = &self.config.channel {
            channel.check(claim.added.channel_bindings.as_ref(), self.config.binding_rule)?;
        }
        let told = Claim {
            user: claim.user.clone(),
            domain: claim.domain.clone(),
            workstation: claim.workstation.clone(),
            target: claim.added.target.clone(),
        };
        self.stage = Stage::Claimed(wrapping, exchange, Box::new(claim), mic);
        Ok(Step::Identify(told))
    }
}

/// Whether a token begins an authentication, and so ends one that is under way.
#[must_use]
pub fn begins(token: &[u8]) -> bool {
    Init::is_one(token) || token.strip_prefix(SIGNATURE).is_some_and(|rest| rest.starts_with(&[1, 0, 0, 0]))
}

/// A later token of the client, which gives up or goes on.
fn response(token: &[u8]) -> Result<Response<'_>, NegotiateError> {
    let response = Response::read(token)?;
    match (response.state, response.mechanism) {
        (Some(State::Rejected), _) => Err(NegotiateError::OutOfTurn),
        (_, Some(mechanism)) if mechanism != NTLM => Err(NegotiateError::NoCommonMechanism),
        _ => Ok(response),
    }
}

/// The last token of SPNEGO. The list of mechanisms must be protected, or somebody in between may have taken away what the
/// client prefers: who protects its last message, as everybody must here, protects the list too (MS-SPNG 3.1.5.1).
fn complete(session: &mut Session, list: &[u8], mic: Option<&[u8]>) -> Result<Vec<u8>, NegotiateError> {
    let mic = mic.ok_or(NegotiateError::NoMechListMic)?;
    let own = session.exchange_mics(list, mic).map_err(|_| NegotiateError::WrongMic)?;
    Ok(Response { state: Some(State::Completed), mic: Some(&own), ..Response::default() }.write())
}
