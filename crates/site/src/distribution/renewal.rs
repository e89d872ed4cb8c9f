//! What becomes of an identity: its certificate is renewed while it is good, and it ends when somebody says so.

use agent::{RenewReply, RenewRequest};
use sea_query::{Expr, ExprTrait, Query};

use super::enrol::{AgentCredential, CsrSigner, check_csr, fingerprint};
use super::maintenance::touch;
use super::nal::NalPath;
use super::{DpId, point, pull};
use crate::access::{Action, Actor};
use crate::db::counter;
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// A new certificate for the distribution point or child site that asks. The one that it asked with stays good until it ends, since
    /// the reply may be lost; earlier ones end.
    ///
    /// Errors: [`SiteError::AgentUnknown`], also for a secret, which does not end; [`SiteError::CertificateRefused`].
    pub async fn renew(
        &self,
        credential: AgentCredential<'_>,
        request: &RenewRequest,
        signer: CsrSigner<'_>,
    ) -> Result<RenewReply> {
        check_csr(&request.csr_pem)?;
        let AgentCredential::CertificateFingerprint(current) = credential else {
            return Err(SiteError::AgentUnknown);
        };
        let mut tx = self.db().write().await?;
        let select =
            Query::select().columns(["id", "name"]).from("dp").cond_where(credential.matches()).to_owned();
        let Some(row) = tx.optional(&select).await? else {
            drop(tx);
            return self.renew_site(current, request, signer).await;
        };
        let name: String = row.get("name")?;
        let certificate_pem =
            signer(&request.csr_pem, &name).map_err(|reason| SiteError::CertificateRefused { reason })?;
        let update = Query::update()
            .table("dp")
            .value("certificate_fingerprint", fingerprint(&certificate_pem)?)
            .value("previous_fingerprint", current.to_ascii_lowercase())
            .and_where(Expr::col("id").eq(row.get::<i64>("id")?))
            .to_owned();
        tx.execute(&update).await?;
        let told = pull::retell_sources(&mut tx, DpId(row.get("id")?)).await?;
        tx.commit().await?;
        self.changes().notify(&told);
        Ok(RenewReply { certificate_pem })
    }

    /// As [`Site::revoke_dp`], by its NAL path. Errors: also [`SiteError::Conflict`] for one of another site.
    pub async fn revoke_dp_of(&self, actor: &Actor, nal: &NalPath) -> Result<()> {
        actor.may(Action::ManageDps)?;
        self.require_own_dp(nal)?;
        self.revoke_dp(actor, nal.server()).await
    }

    /// As [`Site::remove_dp`], by its NAL path. Errors: also [`SiteError::Conflict`] for one of another site.
    pub async fn remove_dp_of(&self, actor: &Actor, nal: &NalPath) -> Result<()> {
        actor.may(Action::ManageDps)?;
        self.require_own_dp(nal)?;
        self.remove_dp(actor, nal.server()).await
    }

    /// Names are unique within a site only.
    fn require_own_dp(&self, nal: &NalPath) -> Result<()> {
        if nal.site_code().eq_ignore_ascii_case(&self.identity().site_code) {
            return Ok(());
        }
        let (dp, code) = (nal.server(), nal.site_code());
        let reason = format!("distribution point {dp} belongs to site {code}; ask there");
        Err(SiteError::Conflict { reason })
    }

    /// Ends a distribution point's identity at once: its next request is refused, and nobody is sent to it any more,
    /// since somebody else may answer there. Its assignments stay, and go on when it enrols again with a new token.
    ///
    /// Errors: [`SiteError::DpNotFound`], [`SiteError::Conflict`] for one of another site.
    pub async fn revoke_dp(&self, actor: &Actor, name: &str) -> Result<()> {
        actor.may(Action::ManageDps)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let (dp, name) = point::own(self, &mut tx, name, |code| format!("revoke it at site {code}")).await?;
        let nothing = Option::<String>::None;
        let update = Query::update()
            .table("dp")
            .value("revision", counter::next(&mut tx, "revision").await?)
            .value("content_url", "")
            .value("secret_hash", nothing.clone())
            .value("certificate_fingerprint", nothing.clone())
            .value("previous_fingerprint", nothing)
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        tx.execute(&update).await?;
        // A token that nobody used yet would let it in again.
        let unused = Expr::col("used_at").is_null().and(super::demand::at(dp));
        tx.execute(Query::delete().from_table("enrol_token").and_where(unused)).await?;
        let mut told = pull::retell_sources(&mut tx, dp).await?;
        touch(&mut tx, &[dp]).await?;
        told.push(dp);
        status::add(&mut tx, now, Message::dp_server_changed(actor, &name, "revoked")).await?;
        tx.commit().await?;
        self.changes().notify(&told);
        Ok(())
    }
}
