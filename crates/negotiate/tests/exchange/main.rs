//! Whole authentications: by a client that can do wrong, by changed bytes, and by another implementation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(clippy::print_stderr, reason = "a test that could not run says so")]

mod changed;
mod client;
mod exercise;
mod forged;
mod oracle;

use negotiate::{Accepted, Acceptor, Claim, Config, Names, NegotiateError, NtHash, Step};

/// 2026-11-23.
const NOW_US: i64 = 1_795_392_000_000_000;

fn config() -> Config {
    let names = Names {
        netbios_domain: "PS1".to_owned(),
        netbios_computer: "SITE".to_owned(),
        dns_domain: "example.test".to_owned(),
        dns_computer: "site.example.test".to_owned(),
    };
    Config { names, ..Config::default() }
}

fn go_on(acceptor: &mut Acceptor, token: &[u8]) -> Result<Vec<u8>, NegotiateError> {
    match acceptor.step(token, NOW_US)? {
        Step::Continue(answer) => Ok(answer),
        Step::Identify(claim) => panic!("nobody claimed anything yet: {claim:?}"),
    }
}

fn identify(acceptor: &mut Acceptor, token: &[u8]) -> Result<Claim, NegotiateError> {
    match acceptor.step(token, NOW_US)? {
        Step::Identify(claim) => Ok(claim),
        Step::Continue(_) => panic!("the client has said everything"),
    }
}

/// Raw NTLM from end to end; the server has the hash of `password`.
fn raw(
    client: &mut client::Client,
    config: Config,
    password: &str,
) -> Result<(Claim, Accepted, client::Sealer), NegotiateError> {
    let mut acceptor = Acceptor::new(config);
    let challenge = go_on(&mut acceptor, &client.negotiate())?;
    let (message, sealer) = client.authenticate(&challenge);
    let claim = identify(&mut acceptor, &message)?;
    let accepted = acceptor.verify(&NtHash::of_password(password))?;
    Ok((claim, accepted, sealer))
}
