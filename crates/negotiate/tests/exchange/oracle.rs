//! The same exchanges with pyspnego as the client, which shares no line and no author with this crate.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use negotiate::{Acceptor, ChannelBinding, Config, NegotiateError, NtHash, Session, Step};

use crate::{NOW_US, config};

struct Initiator {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Initiator {
    /// None, and said so, without a Python that has pyspnego.
    fn new(arguments: &[&str]) -> Option<Self> {
        let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
            eprintln!("NOT RUN: pyspnego: HAULIER_TEST_PYTHON names no Python; `cargo xtask test` makes one");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/initiator.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, input, output })
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut errors = String::new();
            std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut errors).unwrap();
            panic!("the client ended: {errors}");
        }
        line.trim_end_matches('\n').to_owned()
    }

    fn token(&mut self) -> Vec<u8> {
        hex::decode(self.line()).unwrap()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The exchange up to the session, with a server that has the hash of `password`.
    fn authenticate(&mut self, config: Config, password: &str) -> Result<(String, Session), NegotiateError> {
        let mut acceptor = Acceptor::new(config);
        loop {
            let token = self.token();
            let claim = match acceptor.step(&token, NOW_US)? {
                Step::Continue(answer) => {
                    self.say(&hex::encode(answer));
                    continue;
                }
                Step::Identify(claim) => claim,
            };
            assert_eq!(claim.target.as_deref(), Some("HTTP/site.example.test"));
            let accepted = acceptor.verify(&NtHash::of_password(password))?;
            self.say(&format!("done {}", hex::encode(accepted.token.unwrap_or_default())));
            return Ok((format!("{}\\{}", claim.domain, claim.user), accepted.session));
        }
    }

    fn seal(&mut self, session: &mut Session) {
        for _ in 0..3 {
            let line = self.line();
            let (signature, sealed) = line.split_once(' ').unwrap();
            let mut message = hex::decode(sealed).unwrap();
            session.unseal(&hex::decode(signature).unwrap(), &mut message).unwrap();
            let mut answer = [b"answer to ", &message[..]].concat();
            let signature = session.seal(&mut answer).unwrap();
            self.say(&format!("{} {}", hex::encode(signature), hex::encode(answer)));
        }
        assert_eq!(self.line(), "ok");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Initiator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_implementation_signs_in_and_seals() {
    const PASSWORD: &str = "correct horse bättery 電池 🐎";
    for protocol in ["ntlm", "negotiate"] {
        for (user, expect) in [
            ("admin", "\\admin"),
            ("ps1\\Admin", "ps1\\Admin"),
            ("Ps1\\jörg", "Ps1\\jörg"),
            ("admin@example.test", "\\admin@example.test"),
        ] {
            let Some(mut client) = Initiator::new(&[protocol, user, PASSWORD]) else { return };
            let (who, mut session) = client.authenticate(config(), PASSWORD).unwrap();
            assert_eq!(who, expect, "{protocol}");
            client.seal(&mut session);
        }
    }
}

#[test]
fn another_implementation_with_the_wrong_password_is_refused() {
    for protocol in ["ntlm", "negotiate"] {
        for password in ["", "Correct horse", "correct horse "] {
            let Some(mut client) = Initiator::new(&[protocol, "admin", password]) else { return };
            let refused = client.authenticate(config(), "correct horse").map(drop);
            assert_eq!(refused, Err(NegotiateError::WrongProof), "{protocol} {password}");
        }
    }
}

#[test]
fn another_implementation_binds_the_channel() {
    let certificate = b"certificate";
    let config = Config { channel: Some(ChannelBinding::tls_server_end_point(certificate)), ..config() };
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let own = hex::encode([b"tls-server-end-point:", hash.as_ref()].concat());
    let other = hex::encode(b"tls-server-end-point:another");
    for (channel, expect) in [
        (Some(own), Ok(())),
        (Some(other), Err(NegotiateError::WrongChannelBinding)),
        (None, Err(NegotiateError::NoChannelBinding)),
    ] {
        let mut arguments = vec!["negotiate", "admin", "correct horse"];
        arguments.extend(channel.as_deref());
        let Some(mut client) = Initiator::new(&arguments) else { return };
        let result = client.authenticate(config.clone(), "correct horse");
        assert_eq!(result.map(drop), expect, "{channel:?}");
    }
}
