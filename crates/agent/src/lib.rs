//! The agent API: what a distribution point and its site say to each other, as JSON under [`ROOT`].
//!
//! Wire types only: no HTTP, no clock, no state. `docs/agent-protocol.md` describes the exchange; the
//! golden samples in `tests/golden.rs` guard every name on the wire.

use serde::{Deserialize, Serialize};

pub mod join;
pub mod link;
pub mod token;
pub mod trust;

/// Where the agent API lives on a site's listener.
pub const ROOT: &str = "/agent/v1";
/// Where immutable content objects live on a site's listener.
pub const CONTENT_ROOT: &str = "/content/v1";
/// The longest that a site keeps a `desired` request open, in seconds.
pub const WAIT_S_MAX: u64 = 60;
/// The most facts in one report; an agent with more sends several.
pub const FACTS_MAX: usize = 256;
/// The most characters of [`Serial::run`].
pub const RUN_CHARS_MAX: usize = 32;
/// The header by which an agent says for which package it asks for content: its priority decides whether the window is open
/// for it. Without one it counts as low. A header, not part of the address, so that caches keep one copy of an object.
pub const PACKAGE_HEADER: &str = "haulier-package";
/// The code of the refusal of content while the route's window is closed, and of the [`Event::Paused`] that follows.
pub const WINDOW_CLOSED: &str = "window_closed";
/// The code of the refusal of content that the site which is asked waits for itself: it comes, and is worth asking for again.
pub const ON_ITS_WAY: &str = "on_its_way";
/// The most packages in one `desired` reply; the agent asks again from the returned revision.
pub const DESIRED_MAX: usize = 512;

/// `GET /agent/v1/ca`: the site's own CA. The reply is trusted only if its fingerprint is the token's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReply {
    /// PEM of the CA certificate; absent where the site serves plain HTTP on loopback.
    pub ca_pem: Option<String>,
}

/// `POST /agent/v1/enrol`: trades a one-time token for a lasting identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time token, as printed by `haulier dp token`.
    pub token: String,
    /// The distribution point's own name, as given when the token was made.
    pub name: String,
    /// Where the distribution point serves content, for example `http://dp1.example.test:8540`.
    pub content_url: String,
    /// PEM certificate request for the client certificate; absent over plain loopback HTTP.
    pub csr_pem: Option<String>,
    /// The agent's program version.
    pub agent_version: String,
}

/// The reply to a successful enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReply {
    /// The site that the distribution point now belongs to.
    pub site_code: String,
    /// The secret that authenticates the agent on plain loopback HTTP, as `Authorization: Bearer`.
    pub secret: String,
    /// The client certificate for TLS, signed by the site's CA; present when a request was sent.
    pub certificate_pem: Option<String>,
    /// The site's public signing key, hex; absent from sites that do not sign yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<String>,
}

/// `POST /agent/v1/renew`: a new certificate for the identity that asks, before the old one ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewRequest {
    /// PEM certificate request for a new key.
    pub csr_pem: String,
}

/// The reply to a renewal. The certificate that asked stays good beside the new one until it ends by its date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewReply {
    /// The new client certificate, signed by the site's CA.
    pub certificate_pem: String,
}

/// `POST /agent/v1/announce`: where a distribution point serves and what it runs, at each of its starts. Answered with 204.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// As in [`EnrolRequest::content_url`].
    pub content_url: String,
    /// As in [`EnrolRequest::agent_version`].
    pub agent_version: String,
}

/// `GET /agent/v1/desired?after=REVISION&wait=SECONDS`: what the distribution point should hold.
///
/// Rows that changed after `after`, oldest first; `after=0` lists everything. With nothing to tell the site
/// answers after `wait` seconds with no packages and the same revision, without `wait` at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredReply {
    /// Ask again with this number.
    pub revision: i64,
    /// Whether more rows wait beyond [`DESIRED_MAX`].
    pub more: bool,
    /// The rows that changed.
    pub packages: Vec<DesiredPackage>,
    /// Maintenance mode: transfer nothing and lend nothing; serve, verify and remove as always. Absent counts as false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub maintenance: bool,
    /// Who may fetch through this distribution point, all of them, if they or the maintenance mode changed after `after`.
    /// Absent: as told before, with `after=0` nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pullers: Option<Vec<Puller>>,
    /// With `after=0`: packages that it may hold and of which there is nothing to tell yet. What is neither here nor
    /// in any page of the list is wanted by nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
}

impl DesiredReply {
    /// Whether it says anything that was not known.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.packages.is_empty() || self.pullers.is_some()
    }
}

/// A distribution point that may fetch content through another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Puller {
    /// Its name, for logs.
    pub name: String,
    /// SHA-256 of its client certificate's DER, lower-case hex: who it is on TLS.
    pub certificate: Option<String>,
    /// SHA-256 of its ticket, lower-case hex: who it is on plain loopback. See [`PullSource::ticket`].
    pub ticket_hash: Option<String>,
}

/// One package as one distribution point should hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPackage {
    /// For example `PS100001`.
    pub package_id: String,
    /// Rises with each demand on the row; facts carry it back, so that a late one is recognised.
    pub generation: i64,
    /// 1 high, 2 normal, 3 low: the order in which an agent pulls.
    pub priority: u8,
    /// An administrator cancelled the distribution: transfer nothing, and do not try again. What is served stays
    /// served, what was fetched stays useful, and the next row for the package ends it. Absent counts as false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
    /// The call behind the demand, for logs: whoever asked finds by it what became of it, here and at the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What to do.
    pub goal: Goal,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a distribution point should make true of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "goal", rename_all = "snake_case")]
pub enum Goal {
    /// Hold and serve this version.
    Hold {
        /// The package version, from 1.
        version: u32,
        /// The manifest's id, hex.
        manifest: String,
        /// Hash every file again and repair what is damaged, even if the version is installed.
        verify: bool,
        /// Who answers for the version; holders refuse one without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<trust::VersionSignature>,
    },
    /// Hold nothing of the package.
    Absent,
}

/// `GET /agent/v1/packages/{id}/versions/{version}/route`: where the version's bytes are now.
///
/// The manifest names the content for ever; packs may be rewritten, so a route is asked for each pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// For example `PS100001`.
    pub package_id: String,
    /// The package version.
    pub version: u32,
    /// The manifest's id, hex; its root object is at `/content/v1/manifests/{id}`.
    pub manifest: String,
    /// The packs that together hold every chunk, and the patches towards this version.
    pub packs: Vec<PackRef>,
    /// For a pull distribution point, whom to fetch the objects from. Absent counts as none: from the site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PullSource>,
    /// Content may come from the sources only, never from the site. Absent counts as false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sources_only: bool,
}

/// `GET /agent/v1/sources`: whom a distribution point fetches content from; as in each [`Route`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// None: from the site.
    pub sources: Vec<PullSource>,
    /// Never from the site. Absent counts as false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sources_only: bool,
}

/// A distribution point that lends another what it fetched: `/content/v1` on its own listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullSource {
    /// Its name. On TLS its certificate is good for a name that is made of this one (`docs/agent-protocol.md`).
    pub name: String,
    /// Where it listens, for example `https://dp2.example.test:8540`.
    pub url: String,
    /// The lowest is asked first, equals at random.
    pub rank: u32,
    /// What to show it as `Authorization: Bearer`; on plain loopback only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// One pack at `/content/v1/packs/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRef {
    /// The pack's id, hex: BLAKE3 of its index.
    pub id: String,
    /// Where the index starts.
    pub index_offset: u64,
    /// How long the index is.
    pub index_bytes: u64,
}

/// `POST /agent/v1/facts`: what happened at the distribution point, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// At most [`FACTS_MAX`].
    pub facts: Vec<Fact>,
}

/// One thing that happened to one package at one distribution point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// For example `PS100001`.
    pub package_id: String,
    /// The generation of the demand that the agent was working on.
    pub generation: i64,
    /// When it happened, RFC 3339 in UTC.
    pub at: String,
    /// Which of the agent's facts it is, so that one that comes again is known. Absent in [`Event::Progress`], and from
    /// agents that do not number their facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// What happened.
    pub event: Event,
}

/// The number of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serial {
    /// The run of the agent that the fact is of: random, lower-case hex, at most [`RUN_CHARS_MAX`] characters. An agent whose
    /// memory was restored from a backup numbers anew under another.
    pub run: String,
    /// Rises with each fact of the run.
    pub number: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A pull began.
    Started {
        /// The version that is pulled.
        version: u32,
        /// The attempt's number for this generation, from 1.
        attempt: u32,
    },
    /// A pull goes on.
    Progress {
        /// The version that is pulled.
        version: u32,
        /// Content bytes that are in place, of `bytes_total`.
        bytes_done: u64,
        /// Content bytes of the version.
        bytes_total: u64,
        /// Body bytes received so far, in all attempts for this generation.
        bytes_received: u64,
        /// Files that are in place, of `files_total`. Absent counts as unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files_done: Option<u64>,
        /// Files of the version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files_total: Option<u64>,
    },
    /// The version is complete, verified, durable and served.
    Installed {
        /// The version.
        version: u32,
        /// Files in the version.
        files: u64,
        /// Content bytes of the version.
        bytes_total: u64,
        /// Body bytes received in all attempts for this generation, all requests together.
        bytes_received: u64,
        /// Files whose hash was checked in this pull.
        files_verified: u64,
    },
    /// A verification begins: every file is hashed.
    Verifying {
        /// The version.
        version: u32,
    },
    /// A verification found damage, which is repaired next: [`Event::Verified`] follows, or [`Event::Failed`].
    Damaged {
        /// The version.
        version: u32,
        /// Files whose hash was checked.
        files_verified: u64,
        /// Files with other bytes than they should have; the first of them by name.
        damaged: Vec<String>,
        /// Files that were gone; the first of them by name.
        missing: Vec<String>,
    },
    /// Every file was hashed again; nothing is wrong, or what was wrong is repaired.
    Verified {
        /// The version.
        version: u32,
        /// Files whose hash was checked.
        files_verified: u64,
        /// Files that were damaged or missing and are whole again.
        files_repaired: Vec<String>,
    },
    /// An attempt failed; the agent tries again.
    Failed {
        /// What failed.
        fault: Fault,
        /// The attempt's number for this generation, from 1.
        attempt: u32,
        /// When the agent tries again, RFC 3339 in UTC.
        next_attempt_at: String,
    },
    /// The site sends nothing now; the agent goes on where it is, and no attempt is counted.
    Paused {
        /// A stable code, for example [`WINDOW_CLOSED`].
        code: String,
        /// One sentence for an administrator.
        reason: String,
        /// When the agent asks again because the site then sends, RFC 3339 in UTC; absent where nothing is known to open.
        until: Option<String>,
    },
    /// Nothing of the package is left.
    Removed,
    /// The package was held though nobody wanted it here, and is gone now. Its generation is 0.
    Collected {
        /// Versions that were held whole.
        versions: Vec<u32>,
        /// Bytes of their files, each version counted.
        bytes: u64,
    },
    /// An object came with the wrong bytes and was refused; the agent fetches it again.
    Refused {
        /// The pack or manifest id, hex.
        object: String,
        /// What was wrong.
        reason: String,
        /// The distribution point that it came from. Absent: from the site.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A stable code, for example `disk_full`.
    pub code: String,
    /// One sentence for an administrator.
    pub message: String,
    /// The file concerned, relative to the package.
    pub file: Option<String>,
}

/// Any refusal by the agent API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// A stable code, for example `token_used`.
    pub code: String,
    /// One sentence for an administrator.
    pub message: String,
    /// Until when the site refuses, RFC 3339 in UTC, where it knows: for [`WINDOW_CLOSED`] when the window opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}
