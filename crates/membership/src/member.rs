//! A member at work: its connections, which follow its certificate, and the keys that it believes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent::ROOT;
use agent::trust::{KeysReply, VersionSignature};
use clock::SharedClock;
use jiff::Timestamp;
use net::{Client, ClientOptions, Endpoint, NetError, ServerTls};
use trust::{KeyRing, Learned, TrustError};

use crate::error::MembershipError;
use crate::file::Identity;

/// A member of a site. Cheap to clone.
#[derive(Clone)]
pub struct Membership(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    clock: SharedClock,
    current: Mutex<Current>,
    /// Changes of the file take turns.
    writing: tokio::sync::Mutex<()>,
}

struct Current {
    identity: Identity,
    options: ClientOptions,
    control: Client,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options carry the member's secret.
        f.debug_struct("Membership").field("identity", &self.lock().identity).finish_non_exhaustive()
    }
}

impl Membership {
    /// A member with its saved identity in `folder`; connects when it is first used.
    pub fn new(folder: PathBuf, identity: Identity, clock: SharedClock) -> Result<Self, NetError> {
        let current = Mutex::new(Current::of(identity)?);
        Ok(Self(Arc::new(Inner { folder, clock, current, writing: tokio::sync::Mutex::default() })))
    }

    /// The connection for calls; clones share it.
    #[must_use]
    pub fn control(&self) -> Client {
        self.lock().control.clone()
    }

    /// A connection of its own, with a counter of its own.
    pub fn connect(&self) -> Result<Client, NetError> {
        let options = self.lock().options.clone();
        Client::new(options)
    }

    /// A connection to another member of the site, whose certificate must be good for `certified_name`. `bearer` is shown
    /// where the endpoint speaks plain HTTP, never the member's own secret.
    pub fn connect_to(
        &self,
        endpoint: Endpoint,
        certified_name: &str,
        bearer: Option<String>,
    ) -> Result<Client, NetError> {
        let mut options = self.lock().options.clone();
        options.certified_name = Some(certified_name.to_owned());
        options.bearer = bearer.filter(|_| !endpoint.is_secure());
        options.endpoint = endpoint;
        Client::new(options)
    }

    /// TLS for a listener of the member's own, which shows its certificate of the day; none without a certificate.
    pub fn server_tls(&self) -> Result<Option<ServerTls>, NetError> {
        let Some(authority) = self.lock().options.authority_pem.clone() else { return Ok(None) };
        let shown = |member: &Self| member.lock().options.identity.clone();
        if shown(self).is_none() {
            return Ok(None);
        }
        let member = self.clone();
        ServerTls::of_agent(&authority, move || shown(&member), SharedClock::clone(&self.0.clock)).map(Some)
    }

    /// PEM of the certificate of the day; a connection that was made with another is to be made anew.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<String> {
        self.lock().identity.certificate_pem.clone()
    }

    /// Who this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.lock().identity.clone()
    }

    /// When the certificate ended, if it has.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.lock().identity.ended_at(&self.0.clock)
    }

    /// Whether a version is what its source site published. A key that is not known is asked for once.
    ///
    /// Errors: [`TrustError`] of the version, inside; [`MembershipError`] where the keys could not be asked for.
    pub async fn check_version(
        &self,
        package_id: &str,
        version: u32,
        manifest: &str,
        signature: Option<&VersionSignature>,
    ) -> Result<Result<(), TrustError>, MembershipError> {
        let check = |keys: &KeyRing| keys.check(package_id, version, manifest, signature);
        match check(&self.lock().identity.keys) {
            Err(TrustError::UnknownKey { .. }) => {}
            decided => return Ok(decided),
        }
        self.learn_keys().await?;
        Ok(check(&self.lock().identity.keys))
    }

    /// Asks the site for the keys of all sites and believes those that may be believed.
    pub async fn learn_keys(&self) -> Result<Learned, MembershipError> {
        let reply: KeysReply = self.control().get_json(&format!("{ROOT}/keys")).await?;
        let _turn = self.0.writing.lock().await;
        let mut identity = self.identity();
        if identity.keys.is_empty() {
            // From before sites signed. The connection proves that it is the site that speaks.
            let own = reply.keys.iter().find(|key| key.site_code == identity.site_code);
            let own =
                own.ok_or_else(|| MembershipError::BadAnswer("it names no key of its own".to_owned()))?;
            let anchored = identity.keys.anchor(&own.site_code, &own.key);
            anchored.map_err(|error| MembershipError::BadAnswer(error.to_string()))?;
        }
        let learned = identity.keys.learn(&reply.keys);
        for site in &learned.contested {
            tracing::error!(
                site,
                "A site comes with another key than the one believed; keeping the believed one"
            );
        }
        if identity.keys != self.lock().identity.keys {
            self.keep(identity).await?;
        }
        Ok(learned)
    }

    /// Goes on with another identity, which is durable first.
    pub(crate) async fn replace(&self, identity: Identity) -> Result<(), MembershipError> {
        let _turn = self.0.writing.lock().await;
        // What was learned meanwhile stays.
        let keys = self.lock().identity.keys.clone();
        self.keep(Identity { keys, ..identity }).await
    }

    async fn keep(&self, identity: Identity) -> Result<(), MembershipError> {
        let next = Current::of(identity.clone())?;
        let folder = self.0.folder.clone();
        let saved = tokio::task::spawn_blocking(move || identity.save(&folder)).await;
        saved.map_err(|error| MembershipError::Interrupted(error.to_string()))??;
        let mut current = self.lock();
        match current.identity.certificate_pem == next.identity.certificate_pem {
            // The connections are as good as before.
            true => current.identity = next.identity,
            false => *current = next,
        }
        Ok(())
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn of(identity: Identity) -> Result<Self, NetError> {
        let options = identity.client_options()?;
        Ok(Self { control: Client::new(options.clone())?, options, identity })
    }
}
