//! The agent's side of the agent API: one method for each request.

use agent::{
    Announcement, CONTENT_ROOT, DesiredReply, Facts, PACKAGE_HEADER, ROOT, Route, Sources, WAIT_S_MAX,
};
use membership::Membership;
use net::ca::relay_host;
use net::{Client, Endpoint, NetError};

/// The site as this agent sees it.
#[derive(Debug, Clone)]
pub(crate) struct Site(Membership);

impl Site {
    pub(crate) fn new(membership: Membership) -> Self {
        Self(membership)
    }

    /// Who the agent is at its site, and whom it believes.
    pub(crate) fn membership(&self) -> &Membership {
        &self.0
    }

    /// What changed after `after`, 0 for everything; waits while there is nothing.
    pub(crate) async fn desired(&self, after: i64) -> Result<DesiredReply, NetError> {
        self.0.control().get_json(&format!("{ROOT}/desired?after={after}&wait={WAIT_S_MAX}")).await
    }

    pub(crate) async fn announce(&self, announcement: &Announcement) -> Result<(), NetError> {
        self.0.control().post(&format!("{ROOT}/announce"), announcement).await
    }

    pub(crate) async fn report(&self, facts: &Facts) -> Result<(), NetError> {
        self.0.control().post(&format!("{ROOT}/facts"), facts).await
    }

    /// Where a version's bytes are now.
    pub(crate) async fn route(&self, package: &str, version: u32) -> Result<Route, NetError> {
        self.0.control().get_json(&format!("{ROOT}/packages/{package}/versions/{version}/route")).await
    }

    /// Whom this agent fetches content from.
    pub(crate) async fn sources(&self) -> Result<Sources, NetError> {
        self.0.control().get_json(&format!("{ROOT}/sources")).await
    }

    /// Another distribution point of the site, as this agent.
    pub(crate) fn connect_to(
        &self,
        endpoint: Endpoint,
        name: &str,
        ticket: Option<String>,
    ) -> Result<Client, NetError> {
        self.0.connect_to(endpoint, &relay_host(name), ticket)
    }

    /// A connection of its own, for what is fetched for whomever.
    pub(crate) fn connect_for_others(&self) -> Result<Client, NetError> {
        self.0.connect()
    }

    /// A connection of its own, with a counter of its own, for the content of a package.
    pub(crate) fn connect(&self, package: &str) -> Result<Client, NetError> {
        self.0.connect()?.saying(PACKAGE_HEADER, package)
    }
}

/// Where a manifest's root object is.
pub(crate) fn manifest_path(id: &str) -> String {
    format!("{CONTENT_ROOT}/manifests/{id}")
}

/// Where a pack is.
pub(crate) fn pack_path(id: &str) -> String {
    format!("{CONTENT_ROOT}/packs/{id}")
}
