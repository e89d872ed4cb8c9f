//! Negotiate on connections: whose they are, when they end, and what nobody gets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(clippy::print_stderr, reason = "a test that could not run says so")]

#[path = "../../../negotiate/tests/exchange/client.rs"]
mod client;
mod connections;
mod listener;
mod sealed;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderValue, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Client, SEALED};
use net::{Connection, Peer};
use signin::{BindingRule, SignIn, SignInError, SignedIn};
use site::{Actor, NewUser, Role};
use stage::Stage;

/// Somebody on another machine.
const ELSEWHERE: &str = "192.0.2.7:50000";
const HERE: &str = "127.0.0.1:50000";
const PASSWORD: &str = "correct horse bättery";

/// A site with the operator `winrm`, who may sign in with NTLM.
async fn stage() -> Stage {
    let stage = Stage::new(Stage::fixed_clock()).await;
    add(&stage, "winrm").await;
    stage
}

async fn add(stage: &Stage, name: &str) {
    let new = NewUser { name, password: PASSWORD, role: Role::Operator, scopes: &[], allow_ntlm: true };
    stage.site.add_user(&Actor::local(), new).await.unwrap();
}

/// One connection, as `net` would tell of it.
struct Wire {
    sign_in: SignIn,
    peer: Peer,
    connection: Option<Connection>,
}

impl Wire {
    fn new(sign_in: &SignIn, from: &str, certificate: Option<&[u8]>) -> Self {
        let addr: SocketAddr = from.parse().unwrap();
        let server_certificate = certificate.map(Arc::from);
        let peer = Peer { addr, secure: certificate.is_some(), certificate: None, server_certificate };
        Self { sign_in: sign_in.clone(), peer, connection: Some(Connection::new()) }
    }

    /// Over TLS, whatever the client binds.
    fn tls(sign_in: &SignIn) -> Self {
        let sign_in = sign_in.clone().with_binding_rule(BindingRule::WhenSent);
        Self::new(&sign_in, HERE, Some(b"certificate"))
    }

    fn parts(&self, headers: &[(&'static str, &str)]) -> Parts {
        let (mut parts, ()) = Request::post("/wsman").body(()).unwrap().into_parts();
        for (name, value) in headers {
            parts.headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        parts.extensions.insert(self.peer.clone());
        if let Some(connection) = &self.connection {
            parts.extensions.insert(connection.clone());
        }
        parts
    }

    async fn ask(&self, headers: &[(&'static str, &str)]) -> Result<SignedIn, SignInError> {
        self.sign_in.authenticate(&self.parts(headers)).await
    }

    async fn token(&self, token: &[u8], more: &[(&'static str, &str)]) -> Result<SignedIn, SignInError> {
        let authorization = format!("Negotiate {}", STANDARD.encode(token));
        let headers = [&[("authorization", authorization.as_str())], more].concat();
        self.ask(&headers).await
    }

    /// The first leg: the challenge that comes back.
    async fn challenge(&self, token: &[u8]) -> Result<Vec<u8>, SignInError> {
        let refused = self.token(token, &[]).await.map(drop).unwrap_err();
        match (&refused, refused.challenges().as_slice()) {
            (SignInError::Continues(_), [one]) => {
                let token = one.to_str().unwrap().strip_prefix("Negotiate ").unwrap();
                Ok(STANDARD.decode(token).unwrap())
            }
            _ => Err(refused),
        }
    }

    /// Raw NTLM, all of it.
    async fn sign_in(&self, client: &mut Client) -> Result<(SignedIn, client::Sealer), SignInError> {
        let challenge = self.challenge(&client.negotiate()).await?;
        let (message, sealer) = client.authenticate(&challenge);
        Ok((self.token(&message, &[("content-length", "0")]).await?, sealer))
    }
}

/// The name of what came out of it.
fn outcome<T>(result: Result<T, SignInError>) -> &'static str {
    match result {
        Ok(_) => "signed in",
        Err(SignInError::Unauthenticated) => "unauthenticated",
        Err(SignInError::SharedConnection) => "shared",
        Err(SignInError::OpenConnection) => "open",
        Err(SignInError::Continues(_)) => "continues",
        Err(SignInError::NegotiationFailed(_)) => "failed",
        Err(SignInError::TicketRefused(_)) => "ticket refused",
        Err(SignInError::OrByTicket(_)) => "also by ticket",
        Err(SignInError::BySealingAlone(error)) => outcome::<T>(Err(*error)),
        Err(SignInError::ConnectionEnded) => "ended",
        Err(SignInError::Refused(error)) => error.code(),
    }
}
