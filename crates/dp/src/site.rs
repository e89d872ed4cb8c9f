//! The agent's side of the agent API: one method for each request.

use agent::{CONTENT_ROOT, DesiredReply, Facts, ROOT, Route, WAIT_S_MAX};
use net::{Client, ClientOptions, NetError};

use crate::identity::Identity;

/// The site as this agent sees it.
pub(crate) struct Site {
    options: ClientOptions,
    control: Client,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options carry the agent's secret.
        f.debug_struct("Site").field("endpoint", &self.options.endpoint).finish_non_exhaustive()
    }
}

impl Site {
    pub(crate) fn new(identity: &Identity) -> Result<Self, NetError> {
        let options = identity.client_options()?;
        Ok(Self { control: Client::new(options.clone())?, options })
    }

    /// What changed after `after`, 0 for everything; waits while there is nothing.
    pub(crate) async fn desired(&self, after: i64) -> Result<DesiredReply, NetError> {
        self.control.get_json(&format!("{ROOT}/desired?after={after}&wait={WAIT_S_MAX}")).await
    }

    pub(crate) async fn report(&self, facts: &Facts) -> Result<(), NetError> {
        self.control.post(&format!("{ROOT}/facts"), facts).await
    }

    /// Where a version's bytes are now.
    pub(crate) async fn route(&self, package: &str, version: u32) -> Result<Route, NetError> {
        self.control.get_json(&format!("{ROOT}/packages/{package}/versions/{version}/route")).await
    }

    /// A connection of its own, with a counter of its own.
    pub(crate) fn connect(&self) -> Result<Client, NetError> {
        Client::new(self.options.clone())
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
