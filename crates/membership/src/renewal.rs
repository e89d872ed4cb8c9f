//! When a certificate is renewed, and how: before it ends, over the connection that it still opens.

use std::time::Duration;

use agent::{ROOT, RenewReply, RenewRequest};
use clock::SharedClock;
use jiff::Timestamp;
use net::ca::AgentKey;
use tokio_util::sync::CancellationToken;

use crate::backoff::jittered;
use crate::error::MembershipError;
use crate::file::Identity;
use crate::member::Membership;

/// The longest wait after a renewal that failed; a certificate of 90 days leaves a month of such tries.
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(3600);
/// How often the date is looked at: the machine's clock may be set meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_secs(3600);

/// Two thirds of the certificate's life from now: a third is left to try again in.
pub(crate) fn renew_at(certificate_pem: &str, clock: &SharedClock) -> Result<Timestamp, MembershipError> {
    let now = clock.now();
    let left = net::ca::ends_at(certificate_pem)?.duration_since(now);
    Ok(now + left / 3 * 2)
}

impl Membership {
    /// Renews the certificate whenever its time has come, until `stop`. Without a certificate there is nothing to do.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let identity = self.identity();
            if identity.certificate_pem.is_none() {
                return stop.cancelled().await;
            }
            // One that an earlier program saved has a life that nobody chose: it is renewed at once.
            let until = identity.renew_at.map_or(Duration::ZERO, |at| {
                Duration::try_from(at.duration_since(self.clock().now())).unwrap_or_default()
            });
            let wait = match until.is_zero() {
                false => until.min(LOOK_INTERVAL),
                true => match self.renew(identity).await {
                    Ok(()) => {
                        failures = 0;
                        continue;
                    }
                    Err(error) => {
                        failures += 1;
                        self.tell(&error);
                        jittered(failures, FAILURE_WAIT_MAX)
                    }
                },
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock().sleep(wait) => {}
            }
        }
    }

    async fn renew(&self, identity: Identity) -> Result<(), MembershipError> {
        let key = AgentKey::generate()?;
        let request = RenewRequest { csr_pem: key.csr_pem };
        let reply: RenewReply = self.control().post_json(&format!("{ROOT}/renew"), &request).await?;
        let renewed = Identity {
            renew_at: Some(renew_at(&reply.certificate_pem, self.clock())?),
            certificate_pem: Some(reply.certificate_pem),
            key_pem: Some(key.key_pem),
            ..identity
        };
        let next = renewed.renew_at;
        self.replace(renewed).await?;
        tracing::info!(next = next.map(|at| at.to_string()), "Renewed the certificate");
        Ok(())
    }

    fn tell(&self, error: &MembershipError) {
        match self.ended_at() {
            Some(end) => tracing::error!(
                %error, %end,
                "The certificate has ended and the site lets nobody in with it: make a new token and start with it"
            ),
            None => tracing::warn!(%error, "Cannot renew the certificate yet; trying again"),
        }
    }
}
