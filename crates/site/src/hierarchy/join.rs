//! How a site joins below this one, how it is known afterwards, and how this site joins below another.

use ::trust::PublicKey;
use agent::join::{JoinReply, JoinRequest};
use agent::token::{OfSite, SiteToken};
use agent::{RenewReply, RenewRequest};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::node::{self, SiteType, by_code};
use super::topology::Neighbor;
use crate::access::{Action, Actor, one_time, random_secret, secret_hash};
use crate::db::Tx;
use crate::distribution::enrol::{AgentCredential, CsrSigner, ENROL_TOKEN_LIFE, check_csr, fingerprint};
use crate::error::{Result, SiteError};
use crate::server::{Site, SiteIdentity, is_host_name};
use crate::status::{self, Message};
use crate::trust;

const NAME_CHARS_MAX: usize = 50;

impl Site {
    /// What this site is.
    pub async fn site_type(&self) -> Result<SiteType> {
        let mut tx = self.db().read().await?;
        let own = own_type(&mut tx, self).await?;
        tx.commit().await?;
        Ok(own)
    }

    /// Makes the one-time token by which a child site of that code joins. An earlier unused one for the code ends.
    ///
    /// `ca_fingerprint` is that of the site's CA where its listener speaks TLS. Errors: [`SiteError::InvalidOption`] for
    /// what is no site code, [`SiteError::Conflict`] if a site of this type has no children.
    pub async fn create_site_token(
        &self,
        actor: &Actor,
        site_code: &str,
        ca_fingerprint: Option<&str>,
    ) -> Result<SiteToken> {
        actor.may(Action::ManageSites)?;
        let invalid = |option, reason: &str| SiteError::InvalidOption { option, reason: reason.to_owned() };
        let site_code = site_code.to_ascii_uppercase();
        if !is_site_code(&site_code) || site_code == self.identity().site_code {
            return Err(invalid(
                "site code",
                "three letters or digits of another site are needed, for example S01",
            ));
        }
        let secret = random_secret()?;
        let token = SiteToken::new(&secret, ca_fingerprint)
            .map_err(|_| invalid("CA fingerprint", "64 hex digits are needed"))?;
        let now = self.now();
        let expires_at = now.saturating_add(ENROL_TOKEN_LIFE).expect("a day from now is in range");
        let mut tx = self.db().write().await?;
        let child = child_type(own_type(&mut tx, self).await?)?;
        let unused = Expr::col("used_at").is_null().and(by_code(&site_code));
        tx.execute(Query::delete().from_table("site_token").and_where(unused)).await?;
        let insert = Query::insert()
            .into_table("site_token")
            .columns(["secret_hash", "site_code", "site_type", "created_at", "expires_at"])
            .values_panic([
                secret_hash(&secret).into(),
                site_code.as_str().into(),
                i64::from(child.number()).into(),
                now.as_microsecond().into(),
                expires_at.as_microsecond().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        status::add(&mut tx, now, Message::site_changed(actor, &site_code, "given a token to join")).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Trades a one-time token for a place below this site. A child that joins again hears and tells everything anew.
    ///
    /// Errors: [`SiteError::EnrolTokenUnknown`], [`SiteError::EnrolTokenUsed`], [`SiteError::EnrolTokenExpired`],
    /// [`SiteError::CertificateRefused`], [`SiteError::InvalidField`], [`SiteError::Conflict`] for a code that the
    /// hierarchy has elsewhere, for one that a child with another signing key has, and for a type that cannot be below
    /// this site's.
    pub async fn join_child(&self, request: &JoinRequest, signer: CsrSigner<'_>) -> Result<JoinReply> {
        let token: SiteToken = request.token.parse().map_err(|_| one_time::unknown::<OfSite>())?;
        let child = check_request(request)?;
        let (now, own) = (self.now(), self.identity());
        let mut tx = self.db().write().await?;
        let wanted = spend_token(&mut tx, &token, &child.site_code, now).await?;
        if wanted.number() != request.site_type {
            let told =
                SiteType::from_number(request.site_type).map_or("no known kind of site", SiteType::words);
            let reason = format!(
                "site {} is {told}; below site {} there can only be {}",
                child.site_code,
                own.site_code,
                wanted.words()
            );
            return Err(SiteError::Conflict { reason });
        }
        require_same_site(&mut tx, &child.site_code, &request.signing_key).await?;
        let certificate_pem = request.csr_pem.as_deref().map(|csr| signer(csr, &child.site_code)).transpose();
        let certificate_pem = certificate_pem.map_err(|reason| SiteError::CertificateRefused { reason })?;
        let secret = random_secret()?;
        node::insert_child(&mut tx, &own.site_code, &child, wanted).await?;
        let update = Query::update()
            .table("site_node")
            .value("signing_key", request.signing_key.as_str())
            .value("secret_hash", secret_hash(&secret))
            .value("certificate_fingerprint", certificate_pem.as_deref().map(fingerprint).transpose()?)
            .value("previous_fingerprint", Option::<String>::None)
            .value("joined_at", now.as_microsecond())
            .and_where(by_code(&child.site_code))
            .to_owned();
        tx.execute(&update).await?;
        trust::believe(&mut tx, &child.site_code, &request.signing_key, now).await?;
        let site_type = own_type(&mut tx, self).await?;
        status::add(&mut tx, now, Message::site_joined(&child.site_code, &child.site_name)).await?;
        tx.commit().await?;
        let key = ::trust::KeyStatement { site_code: &child.site_code, key: &request.signing_key };
        Ok(JoinReply {
            site_code: own.site_code.clone(),
            site_type: site_type.number(),
            site_name: own.site_name.clone(),
            server_name: own.server_name.clone(),
            secret,
            certificate_pem,
            signing_key: self.signing_key().public().to_string(),
            endorsement: key.endorse(&own.site_code, self.signing_key()),
        })
    }

    /// Puts this site below the one that took its token.
    ///
    /// Errors: [`SiteError::InvalidField`] for a reply that no site gives, [`SiteError::Conflict`] where this site is below
    /// another already, or its type cannot be a child of the parent's.
    pub async fn join_parent(&self, actor: &Actor, reply: &JoinReply) -> Result<()> {
        actor.may(Action::ManageSites)?;
        let (now, own) = (self.now(), self.identity());
        let parent = SiteIdentity {
            site_code: reply.site_code.clone(),
            site_name: reply.site_name.clone(),
            site_guid: String::new(),
            server_name: reply.server_name.clone(),
        };
        let parent_type = SiteType::from_number(reply.site_type).filter(|_| is_like_a_site(&parent));
        let parent_type = parent_type.ok_or_else(|| SiteError::invalid("parent", "no site is like this"))?;
        check_key(&reply.signing_key)?;
        let mut tx = self.db().write().await?;
        let own_type = own_type(&mut tx, self).await?;
        if !parent_type.may_have(own_type) {
            let reason = format!(
                "{} ({}) cannot be below {} ({})",
                own_type.words(),
                own.site_code,
                parent_type.words(),
                parent.site_code
            );
            return Err(SiteError::Conflict { reason });
        }
        let known = Query::select()
            .column("parent_code")
            .from("site_node")
            .and_where(by_code(&own.site_code))
            .to_owned();
        let row = tx.optional(&known).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
        if let Some(code) = row.get::<Option<String>>("parent_code")?.filter(|code| *code != parent.site_code)
        {
            let reason = format!("site {} is below site {code} already", own.site_code);
            return Err(SiteError::Conflict { reason });
        }
        node::set_parent(&mut tx, &own.site_code, &parent, parent_type).await?;
        let update = Query::update()
            .table("site_node")
            .value("signing_key", reply.signing_key.as_str())
            .and_where(by_code(&parent.site_code))
            .to_owned();
        tx.execute(&update).await?;
        trust::believe(&mut tx, &parent.site_code, &reply.signing_key, now).await?;
        trust::show_endorsement(&mut tx, self, &reply.endorsement).await?;
        status::add(&mut tx, now, Message::site_changed(actor, &own.site_code, "put below its parent"))
            .await?;
        tx.commit().await
    }

    /// Knows a child site by its secret or certificate.
    ///
    /// Errors: [`SiteError::AgentUnknown`] also for one that was revoked.
    pub async fn authenticate_site(&self, credential: AgentCredential<'_>) -> Result<Neighbor> {
        let select = Query::select()
            .column("site_code")
            .from("site_node")
            .cond_where(credential.matches())
            .and_where(Expr::col("parent_code").eq(self.identity().site_code.as_str()))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or(SiteError::AgentUnknown)?;
        let child = Neighbor::Child(row.get("site_code")?);
        self.heard(&child);
        Ok(child)
    }

    /// As [`Site::renew`], for a child site.
    pub(crate) async fn renew_site(
        &self,
        current: &str,
        request: &RenewRequest,
        signer: CsrSigner<'_>,
    ) -> Result<RenewReply> {
        let mut tx = self.db().write().await?;
        let credential = AgentCredential::CertificateFingerprint(current);
        let select =
            Query::select().column("site_code").from("site_node").cond_where(credential.matches()).to_owned();
        let row = tx.optional(&select).await?.ok_or(SiteError::AgentUnknown)?;
        let site_code: String = row.get("site_code")?;
        let certificate_pem = signer(&request.csr_pem, &site_code)
            .map_err(|reason| SiteError::CertificateRefused { reason })?;
        let update = Query::update()
            .table("site_node")
            .value("certificate_fingerprint", fingerprint(&certificate_pem)?)
            .value("previous_fingerprint", current.to_ascii_lowercase())
            .and_where(by_code(&site_code))
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await?;
        Ok(RenewReply { certificate_pem })
    }

    /// Ends a child site's identity at once: its next request is refused, and what it would tell is not heard. Its rows
    /// stay, and go on when it joins again with a new token.
    ///
    /// Errors: [`SiteError::SiteNotFound`] unless it is a child.
    pub async fn revoke_site(&self, actor: &Actor, site_code: &str) -> Result<()> {
        actor.may(Action::ManageSites)?;
        let site_code = site_code.to_ascii_uppercase();
        let nothing = Option::<String>::None;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let update = Query::update()
            .table("site_node")
            .value("secret_hash", nothing.clone())
            .value("certificate_fingerprint", nothing.clone())
            .value("previous_fingerprint", nothing)
            .and_where(by_code(&site_code))
            .and_where(Expr::col("parent_code").eq(self.identity().site_code.as_str()))
            .to_owned();
        if tx.execute(&update).await? == 0 {
            return Err(SiteError::SiteNotFound { site_code });
        }
        let unused = Expr::col("used_at").is_null().and(by_code(&site_code));
        tx.execute(Query::delete().from_table("site_token").and_where(unused)).await?;
        status::add(&mut tx, now, Message::site_changed(actor, &site_code, "revoked")).await?;
        tx.commit().await
    }
}

/// A code that a child has stays that child's until it is revoked: another key says that it is another site.
async fn require_same_site(tx: &mut Tx, site_code: &str, signing_key: &str) -> Result<()> {
    let live = Expr::col("secret_hash").is_not_null().or(Expr::col("certificate_fingerprint").is_not_null());
    let other = Query::select()
        .column("site_code")
        .from("site_node")
        .and_where(by_code(site_code))
        .and_where(Expr::col("signing_key").ne(signing_key))
        .and_where(live)
        .to_owned();
    if tx.optional(&other).await?.is_none() {
        return Ok(());
    }
    let reason = format!(
        "another site {site_code} is below this one, with another signing key. If it is gone for good, or lost its key, \
         revoke it first: haulier site revoke {site_code}"
    );
    Err(SiteError::Conflict { reason })
}

/// The only type that a child may have below a site of this one.
fn child_type(own: SiteType) -> Result<SiteType> {
    let types = [SiteType::Secondary, SiteType::Primary, SiteType::Central];
    let none = || SiteError::Conflict { reason: "a secondary site has no child sites".to_owned() };
    types.into_iter().find(|child| own.may_have(*child)).ok_or_else(none)
}

async fn own_type(tx: &mut Tx, site: &Site) -> Result<SiteType> {
    let select = Query::select()
        .column("site_type")
        .from("site_node")
        .and_where(by_code(&site.identity().site_code))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
    SiteType::from_number(row.unsigned("site_type")?).ok_or_else(|| SiteError::corrupt("site_node.site_type"))
}

fn check_request(request: &JoinRequest) -> Result<SiteIdentity> {
    let child = SiteIdentity {
        site_code: request.site_code.to_ascii_uppercase(),
        site_name: request.site_name.clone(),
        site_guid: String::new(),
        server_name: request.server_name.clone(),
    };
    if !is_like_a_site(&child) {
        return Err(SiteError::invalid(
            "site",
            "a code of three letters or digits, a name and a host name are needed",
        ));
    }
    check_key(&request.signing_key)?;
    request.csr_pem.as_deref().map_or(Ok(()), check_csr)?;
    Ok(child)
}

fn is_like_a_site(site: &SiteIdentity) -> bool {
    is_site_code(&site.site_code)
        && site.site_name.chars().count() <= NAME_CHARS_MAX
        && !site.site_name.chars().any(char::is_control)
        && is_host_name(&site.server_name)
}

fn is_site_code(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn check_key(key: &str) -> Result<()> {
    let parsed = key.parse::<PublicKey>();
    parsed.map(drop).map_err(|_| SiteError::invalid("signing_key", "an Ed25519 public key in hex is needed"))
}

/// Marks the token as used, if it may be used. Whose it is, is told only to who names it.
async fn spend_token(tx: &mut Tx, token: &SiteToken, site_code: &str, now: Timestamp) -> Result<SiteType> {
    let hash = secret_hash(token.secret());
    let select = Query::select()
        .columns(["site_code", "site_type", "expires_at", "used_at"])
        .from("site_token")
        .and_where(Expr::col("secret_hash").eq(hash.as_str()))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(one_time::unknown::<OfSite>)?;
    if row.get::<String>("site_code")? != site_code {
        return Err(one_time::unknown::<OfSite>());
    }
    one_time::spend::<OfSite>(tx, "site_token", &hash, &row, now).await?;
    SiteType::from_number(row.unsigned("site_type")?)
        .ok_or_else(|| SiteError::corrupt("site_token.site_type"))
}
