//! The service over the stage's site, and requests to it exactly as written.

use std::ops::Deref;
use std::sync::Arc;

use adminservice::router;
use clock::{ManualClock, SharedClock};
use serde_json::Value as Json;
pub(crate) use stage::{HOST, PACKAGE, PASSWORD, nal_path};
use stage::{Listening, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running service.
pub(crate) struct Service {
    pub(crate) stage: Stage,
    pub(crate) at: Listening,
}

impl Deref for Service {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn first(&self) -> Json {
        self.json()["value"][0].clone()
    }

    pub(crate) fn rows(&self) -> Vec<Json> {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["value"].as_array().unwrap().clone()
    }

    /// A member of the provider's error object.
    pub(crate) fn fault(&self, member: &str) -> Json {
        self.json()["error"]["innererror"]["SMS_ExtendedStatus"][member].clone()
    }
}

impl Service {
    /// The service at a fixed time.
    pub(crate) async fn start() -> Self {
        Self::start_with(Self::fixed_clock()).await
    }

    /// A clock that stands still.
    pub(crate) fn fixed_clock() -> Arc<ManualClock> {
        Stage::fixed_clock()
    }

    pub(crate) async fn start_with(clock: SharedClock) -> Self {
        let stage = Stage::new(clock).await;
        let service = router(stage.provider.clone(), stage.sign_in.clone(), stage.clock.clone());
        let at = stage.listen(service).await;
        Self { stage, at }
    }

    /// Sends a request exactly as written, as a script's request line is, with Basic credentials of `user`.
    pub(crate) async fn send_as(&self, user: &str, method: &str, target: &str, body: &str) -> Answer {
        self.send_with(&Self::credentials(user), method, target, body).await
    }

    /// The header of a user's requests.
    pub(crate) fn credentials(user: &str) -> String {
        format!("Authorization: {}\r\n", Stage::basic(user))
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        self.send_as("admin", method, target, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "").await
    }

    pub(crate) async fn send_with(&self, headers: &str, method: &str, target: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at.addr).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Posts and expects 201.
    pub(crate) async fn post(&self, target: &str, body: &Json) -> Json {
        let answer = self.send("POST", target, &body.to_string()).await;
        assert_eq!(answer.status, 201, "{target}: {}", answer.body);
        answer.json()
    }
}
