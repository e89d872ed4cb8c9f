//! What happens at a site, as it happens: its Server-Sent Events. A connection that ends is made anew, and goes on where the
//! last one was.

use std::time::Duration;

use clock::{Clock, SystemClock};
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde_json::Value;

use super::{QUERY_ESCAPE, Remote, RemoteError, Result, WORK_TIMEOUT, parse, refusal};

/// Tries in a row to connect again.
const TRIES_MAX: u32 = 15;
/// The wait before another try.
const TRY_INTERVAL: Duration = Duration::from_secs(2);
/// The longest event; a status message has at most ten strings of a thousand characters.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// `status` or `state`.
    pub(crate) kind: String,
    /// The instance.
    pub(crate) instance: Value,
}

/// Events, one after the other.
#[derive(Debug)]
pub(crate) struct Events<'r> {
    remote: &'r Remote,
    path: String,
    reply: Option<reqwest::Response>,
    /// Text that makes no whole event yet.
    text: Vec<u8>,
    known: Option<String>,
}

/// One event of the wire.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    id: Option<String>,
    kind: String,
    data: String,
}

impl Remote {
    /// What happens from now on, of one package or of all.
    pub(crate) async fn events(&self, package_id: Option<&str>) -> Result<Events<'_>> {
        let package = package_id.map(|id| format!("?package={}", utf8_percent_encode(id, QUERY_ESCAPE)));
        let path = format!("events{}", package.unwrap_or_default());
        let mut events = Events { remote: self, path, reply: None, text: Vec::new(), known: None };
        events.connect().await?;
        Ok(events)
    }
}

impl Events<'_> {
    async fn connect(&mut self) -> Result<()> {
        let mut request = self.remote.signed(Method::GET, &self.path).timeout(WORK_TIMEOUT);
        if let Some(known) = &self.known {
            request = request.header("last-event-id", known);
        }
        let reply = request.send().await.map_err(|error| self.remote.unreachable(&error))?;
        let status = reply.status();
        if !status.is_success() {
            let text = reply.text().await.map_err(|error| self.remote.unreachable(&error))?;
            return Err(refusal(status, &text));
        }
        self.reply = Some(reply);
        self.text.clear();
        Ok(())
    }

    /// The next event. May be dropped at any time without loss.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(block) = take_block(&mut self.text) {
                self.known = block.id.or(self.known.take());
                match block.kind.as_str() {
                    "" => {}
                    // The site says good-bye; whoever comes back goes on from here.
                    "end" => self.reply = None,
                    _ => return Ok(Event { instance: parse(&block.data)?, kind: block.kind }),
                }
                continue;
            }
            match &mut self.reply {
                Some(reply) => match reply.chunk().await {
                    Ok(Some(piece)) if self.text.len() + piece.len() <= EVENT_BYTES_MAX => {
                        self.text.extend_from_slice(&piece);
                    }
                    Ok(Some(_)) => {
                        return Err(RemoteError::Garbled {
                            what: "an event of more than a megabyte".to_owned(),
                        });
                    }
                    Ok(None) | Err(_) => self.reply = None,
                },
                None => self.connect_again().await?,
            }
        }
    }

    async fn connect_again(&mut self) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.connect().await {
                Err(RemoteError::Unreachable { .. } | RemoteError::Unanswered { .. })
                    if tries < TRIES_MAX =>
                {
                    SystemClock.sleep(TRY_INTERVAL).await;
                }
                done => return done,
            }
        }
    }
}

/// Takes the first whole event off the text.
fn take_block(text: &mut Vec<u8>) -> Option<Block> {
    let end = text.windows(2).position(|pair| pair == b"\n\n")?;
    let taken: Vec<u8> = text.drain(..end + 2).collect();
    let mut block = Block::default();
    for line in String::from_utf8_lossy(&taken).lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => block.id = Some(value.to_owned()),
            "event" => block.kind = value.to_owned(),
            "data" => block.data.push_str(value),
            // A comment, or what a later version says.
            _ => {}
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_events_wherever_it_is_cut() {
        let sent = "retry: 2000\n\nid: 7-1\nevent: status\ndata: {\"a\":\"x: y\"}\n\n: nothing happened\n\nevent: end\ndata: bye\n\nid: 8";
        let block = |id: Option<&str>, kind: &str, data: &str| Block {
            id: id.map(str::to_owned),
            kind: kind.to_owned(),
            data: data.to_owned(),
        };
        let expect = [
            Block::default(),
            block(Some("7-1"), "status", "{\"a\":\"x: y\"}"),
            Block::default(),
            block(None, "end", "bye"),
        ];
        for size in 1..sent.len() {
            let (mut text, mut found) = (Vec::new(), Vec::new());
            for piece in sent.as_bytes().chunks(size) {
                text.extend_from_slice(piece);
                while let Some(block) = take_block(&mut text) {
                    found.push(block);
                }
            }
            assert_eq!(found, expect, "pieces of {size}");
            assert_eq!(text, b"id: 8", "what is not whole waits");
        }
    }
}
