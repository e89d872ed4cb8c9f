//! How a distribution point joins the site, and how its agent is known afterwards.

use std::time::Duration;

use agent::link::DpName;
use agent::token::{EnrolToken, OfDp};
use agent::{Announcement, EnrolReply, EnrolRequest};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, JoinType, Query};

use super::nal::NalPath;
use super::point::name_key;
use super::{DpId, demand, pull};
use crate::access::{Action, Actor, one_time, random_secret, secret_hash};
use crate::db::{Tx, counter};
use crate::error::{Result, SiteError};
use crate::hierarchy::tombstone;
use crate::server::Site;
use crate::status::{self, Message};

/// How long an enrolment token may wait for its use.
pub(crate) const ENROL_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const CONTENT_URL_CHARS_MAX: usize = 512;
const AGENT_VERSION_CHARS_MAX: usize = 64;
const CSR_BYTES_MAX: usize = 16 * 1024;

/// Signs a certificate request (PEM) for a common name; returns the certificate (PEM), or why not.
pub type CsrSigner<'s> = &'s (dyn Fn(&str, &str) -> std::result::Result<String, String> + Send + Sync);

/// How an agent proves who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AgentCredential<'c> {
    /// The secret of its enrolment; for plain HTTP on loopback.
    Secret(&'c str),
    /// SHA-256 of its client certificate's DER, lower-case hex.
    CertificateFingerprint(&'c str),
}

impl AgentCredential<'_> {
    /// Whose it is, in a table of those that enrolled.
    pub(crate) fn matches(self) -> Cond {
        match self {
            Self::Secret(secret) => Cond::all().add(Expr::col("secret_hash").eq(secret_hash(secret))),
            Self::CertificateFingerprint(hex) => {
                let hex = hex.to_ascii_lowercase();
                Cond::any()
                    .add(Expr::col("certificate_fingerprint").eq(hex.as_str()))
                    .add(Expr::col("previous_fingerprint").eq(hex))
            }
        }
    }
}

impl Site {
    /// Adds a distribution point, or lets a known one enrol again, and makes its one-time token.
    ///
    /// `ca_fingerprint` is that of the site's CA where its listener speaks TLS. An earlier unused token of
    /// the same name ends. Errors: [`SiteError::InvalidOption`] if the name is not a host name.
    pub async fn create_dp_token(
        &self,
        actor: &Actor,
        name: &str,
        ca_fingerprint: Option<&str>,
    ) -> Result<EnrolToken> {
        actor.may(Action::ManageDps)?;
        let invalid = |reason: &str| SiteError::InvalidOption { option: "name", reason: reason.to_owned() };
        let nal = NalPath::new(name, &self.identity().site_code)
            .map_err(|_| invalid("a host name is needed, for example dp1.example.test"))?;
        let secret = random_secret()?;
        let token = EnrolToken::new(&secret, ca_fingerprint)
            .map_err(|_| invalid("the site's CA fingerprint is not 64 hex digits"))?;
        let now = self.now();
        let expires_at = now.saturating_add(ENROL_TOKEN_LIFE).expect("a day from now is in range");
        let mut tx = self.db().write().await?;
        let dp = find_or_insert(&mut tx, &nal, now).await?;
        let unused = Expr::col("used_at").is_null().and(demand::at(dp));
        tx.execute(Query::delete().from_table("enrol_token").and_where(unused)).await?;
        let insert = Query::insert()
            .into_table("enrol_token")
            .columns(["secret_hash", "dp_id", "created_at", "expires_at"])
            .values_panic([
                secret_hash(&secret).into(),
                dp.0.into(),
                now.as_microsecond().into(),
                expires_at.as_microsecond().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        status::add(&mut tx, now, Message::dp_server_changed(actor, name, "given an enrolment token"))
            .await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Trades a one-time token for a lasting identity.
    ///
    /// A distribution point that enrols again gets every package demanded anew, since its disk may be empty.
    /// Errors: [`SiteError::EnrolTokenUnknown`], [`SiteError::EnrolTokenUsed`],
    /// [`SiteError::EnrolTokenExpired`], [`SiteError::CertificateRefused`], [`SiteError::InvalidField`].
    pub async fn enrol(&self, request: &EnrolRequest, signer: CsrSigner<'_>) -> Result<EnrolReply> {
        let token: EnrolToken = request.token.parse().map_err(|_| one_time::unknown::<OfDp>())?;
        check_place(&request.content_url, &request.agent_version)?;
        request.csr_pem.as_deref().map_or(Ok(()), check_csr)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let (dp, name) = spend_token(&mut tx, &token, &request.name, now).await?;
        let certificate_pem = request.csr_pem.as_deref().map(|csr| signer(csr, &name)).transpose();
        let certificate_pem = certificate_pem.map_err(|reason| SiteError::CertificateRefused { reason })?;
        let fingerprint = certificate_pem.as_deref().map(fingerprint).transpose()?;
        let secret = random_secret()?;
        let update = Query::update()
            .table("dp")
            .value("revision", counter::next(&mut tx, "revision").await?)
            .value("content_url", request.content_url.as_str())
            .value("agent_version", request.agent_version.as_str())
            .value("secret_hash", secret_hash(&secret))
            .value("certificate_fingerprint", fingerprint)
            .value("previous_fingerprint", Option::<String>::None)
            .value("enrolled_at", now.as_microsecond())
            .value("last_seen_at", now.as_microsecond())
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        tx.execute(&update).await?;
        demand::demand_again_after_enrolment(&mut tx, dp, now).await?;
        let mut told = pull::retell_sources(&mut tx, dp).await?;
        told.push(dp);
        status::add(&mut tx, now, Message::dp_enrolled(&name, &request.content_url)).await?;
        tx.commit().await?;
        self.changes().notify(&told);
        let signing_key = Some(self.signing_key().public().to_string());
        Ok(EnrolReply { site_code: self.identity().site_code.clone(), secret, certificate_pem, signing_key })
    }

    /// A distribution point says at its start where it serves and what it runs.
    ///
    /// Errors: [`SiteError::AgentUnknown`], [`SiteError::InvalidField`].
    pub async fn announce(&self, dp: DpId, announcement: &Announcement) -> Result<()> {
        let Announcement { content_url, agent_version } = announcement;
        check_place(content_url, agent_version)?;
        let known = Query::select()
            .columns(["content_url", "agent_version"])
            .from("dp")
            .and_where(Expr::col("id").eq(dp.0))
            .and_where(Expr::col("secret_hash").is_not_null())
            .to_owned();
        let row = self.db().optional(&known).await?.ok_or(SiteError::AgentUnknown)?;
        let (url, version): (String, String) = (row.get("content_url")?, row.get("agent_version")?);
        if (&url, &version) == (content_url, agent_version) {
            return Ok(());
        }
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("dp")
            .value("revision", counter::next(&mut tx, "revision").await?)
            .value("content_url", content_url.as_str())
            .value("agent_version", agent_version.as_str())
            .and_where(Expr::col("id").eq(dp.0))
            // It may have been revoked since.
            .and_where(Expr::col("secret_hash").is_not_null())
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await?;
        tracing::info!(
            dp = dp.0,
            content_url,
            agent_version,
            "a distribution point serves elsewhere, or runs another program"
        );
        Ok(())
    }

    /// Knows an agent by its secret or certificate, and notes that it was heard of.
    ///
    /// Errors: [`SiteError::AgentUnknown`] also for one that was removed.
    pub async fn authenticate_agent(&self, credential: AgentCredential<'_>) -> Result<DpId> {
        let select = Query::select().column("id").from("dp").cond_where(credential.matches()).to_owned();
        let _turn = self.turns().read().await;
        let row = self.db().optional(&select).await?.ok_or(SiteError::AgentUnknown)?;
        let dp = DpId(row.get("id")?);
        self.seen().note(dp, self.now());
        Ok(dp)
    }
}

fn check_place(url: &str, agent_version: &str) -> Result<()> {
    let scheme = url.starts_with("http://") || url.starts_with("https://");
    let plain = url.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\".contains(c));
    if !scheme || !plain || url.len() > CONTENT_URL_CHARS_MAX {
        return Err(SiteError::invalid("content_url", "an http or https URL is needed"));
    }
    if agent_version.chars().count() > AGENT_VERSION_CHARS_MAX {
        return Err(SiteError::invalid("agent_version", "at most 64 characters are allowed"));
    }
    Ok(())
}

pub(crate) fn check_csr(csr_pem: &str) -> Result<()> {
    match csr_pem.len() > CSR_BYTES_MAX {
        true => Err(SiteError::CertificateRefused { reason: "the request is too long".to_owned() }),
        false => Ok(()),
    }
}

async fn find_or_insert(tx: &mut Tx, nal: &NalPath, now: Timestamp) -> Result<DpId> {
    let key = name_key(nal.server());
    let select =
        Query::select().column("id").from("dp").and_where(Expr::col("name_key").eq(key.as_str())).to_owned();
    if let Some(row) = tx.optional(&select).await? {
        return Ok(DpId(row.get("id")?));
    }
    let dp = DpName { site_code: nal.site_code().to_owned(), name: nal.server().to_owned() };
    tombstone::forget_dp(tx, &dp).await?;
    let revision = counter::next(tx, "revision").await?;
    let insert = Query::insert()
        .into_table("dp")
        .columns(["name", "name_key", "nal_path", "identity_guid", "created_at", "site_code", "revision"])
        .values_panic([
            nal.server().into(),
            key.into(),
            nal.to_string().into(),
            uuid::Uuid::new_v4().to_string().to_uppercase().into(),
            now.as_microsecond().into(),
            nal.site_code().into(),
            revision.into(),
        ])
        .returning_col("id")
        .to_owned();
    let row = tx.optional(&insert).await?.ok_or_else(|| SiteError::corrupt("dp"))?;
    Ok(DpId(row.get("id")?))
}

/// Marks the token as used, if it may be used. Whose it is, is told only to who names it.
async fn spend_token(tx: &mut Tx, token: &EnrolToken, name: &str, now: Timestamp) -> Result<(DpId, String)> {
    let hash = secret_hash(token.secret());
    let select = Query::select()
        .columns([("t", "dp_id"), ("t", "expires_at"), ("t", "used_at"), ("d", "name"), ("d", "name_key")])
        .from_as("enrol_token", "t")
        .join_as(JoinType::InnerJoin, "dp", "d", Expr::col(("d", "id")).equals(("t", "dp_id")))
        .and_where(Expr::col(("t", "secret_hash")).eq(hash.as_str()))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(one_time::unknown::<OfDp>)?;
    if row.get::<String>("name_key")? != name_key(name) {
        return Err(one_time::unknown::<OfDp>());
    }
    one_time::spend::<OfDp>(tx, "enrol_token", &hash, &row, now).await?;
    Ok((DpId(row.get("dp_id")?), row.get("name")?))
}

/// SHA-256 of the certificate's DER, lower-case hex.
pub(crate) fn fingerprint(certificate_pem: &str) -> Result<String> {
    let broken = || SiteError::CertificateRefused { reason: "the signer returned no certificate".to_owned() };
    let body = certificate_pem.split("-----BEGIN CERTIFICATE-----").nth(1).ok_or_else(broken)?;
    let body = body.split("-----END CERTIFICATE-----").next().ok_or_else(broken)?;
    let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(base64).map_err(|_| broken())?;
    if der.is_empty() {
        return Err(broken());
    }
    Ok(hex::encode(digest::digest(&digest::SHA256, &der)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_of_the_der() {
        let pem = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
        // SHA-256 of "abc", FIPS 180-2.
        let expect = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint(pem).unwrap(), expect);
        for broken in [
            "",
            "YWJj",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\n!",
        ] {
            assert_eq!(fingerprint(broken).unwrap_err().code(), "certificate_refused");
        }
    }
}
