//! The site's signature under what it publishes, and whose signatures it believes.
//!
//! The private key is in the data folder. The database has the keys that the site believes (`trusted_key`), which no
//! record of another site changes, and what the sites tell of themselves (`site_node`). A version is signed in the
//! transaction that publishes it, and checked before anything of it is fetched.

use std::path::Path;

use ::trust::{KeyRing, KeyStatement, SigningKey, TrustError, VersionStatement};
use agent::trust::{ENDORSEMENTS_MAX, Endorsement, KEYS_MAX, KeysReply, SiteKey, VersionSignature};
use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, JoinType, OnConflict, Order, Query};

use crate::access::{Action, Actor};
use crate::db::{Database, Row, Tx, counter};
use crate::error::{Result, SiteError};
use crate::hierarchy::Neighbor;
use crate::hierarchy::node::{self, by_code};
use crate::hierarchy::topology::Topology;
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// The keys that this site believes, its own first, and who vouches for each: this site itself for its neighbors',
    /// the sites' own word for the others'.
    pub async fn keys(&self) -> Result<KeysReply> {
        let own = self.identity().site_code.as_str();
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let ring = load_ring(&mut tx).await?;
        let told = told_keys(&mut tx).await?;
        tx.commit().await?;
        let neighbors = topology.neighbors();
        let neighbors: Vec<&str> = neighbors.iter().filter_map(|site| topology.code_of(site)).collect();
        let own_key = SiteKey {
            site_code: own.to_owned(),
            key: self.signing_key().public().to_string(),
            endorsements: told
                .iter()
                .find(|key| key.site_code == own)
                .map_or(Vec::new(), |key| key.endorsements.clone()),
        };
        let others = told.into_iter().filter(|key| key.site_code != own).filter_map(|told| {
            let key = ring.key(&told.site_code)?.to_owned();
            let mut endorsements = if told.key == key { told.endorsements } else { Vec::new() };
            if neighbors.contains(&told.site_code.as_str()) {
                let statement = KeyStatement { site_code: &told.site_code, key: &key };
                endorsements.insert(0, statement.endorse(own, self.signing_key()));
            }
            Some(SiteKey { site_code: told.site_code, key, endorsements })
        });
        Ok(KeysReply { keys: std::iter::once(own_key).chain(others).take(KEYS_MAX).collect() })
    }

    /// Whether a version is what its source site published. A key that is new is believed if a chain of endorsements
    /// leads to it, and then for good.
    pub async fn check_version(
        &self,
        package_id: &str,
        version: u32,
        manifest: &str,
        signature: Option<&VersionSignature>,
    ) -> Result<std::result::Result<(), TrustError>> {
        let mut tx = self.db().read().await?;
        let ring = load_ring(&mut tx).await?;
        tx.commit().await?;
        match ring.check(package_id, version, manifest, signature) {
            Err(TrustError::UnknownKey { .. }) => {}
            decided => return Ok(decided),
        }
        let ring = self.learn_keys().await?;
        Ok(ring.check(package_id, version, manifest, signature))
    }

    /// A neighbor vouches for this site's key; whoever trusts the neighbor may now believe it.
    ///
    /// Errors: [`SiteError::InvalidField`] for what is no endorsement of this site's key by the neighbor's.
    pub async fn take_endorsement(&self, neighbor: &Neighbor, endorsement: &Endorsement) -> Result<()> {
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        let by_site = topology.code_of(neighbor).filter(|_| topology.is_neighbor(neighbor));
        if by_site != Some(endorsement.by_site.as_str()) {
            return Err(no_endorsement());
        }
        show_endorsement(&mut tx, self, endorsement).await?;
        tx.commit().await
    }

    /// This site's word for a neighbor's key, for the neighbor to show; absent where the key is not known.
    pub async fn endorsement_of(&self, site_code: &str) -> Result<Option<Endorsement>> {
        let mut tx = self.db().read().await?;
        let ring = load_ring(&mut tx).await?;
        tx.commit().await?;
        let own = &self.identity().site_code;
        Ok(ring.key(site_code).map(|key| KeyStatement { site_code, key }.endorse(own, self.signing_key())))
    }

    /// Writes down that a version of another site's package did not come here, and why.
    pub async fn content_failed(
        &self,
        (package_id, name): (&str, &str),
        version: u32,
        code: &str,
        reason: &str,
    ) -> Result<()> {
        let mut tx = self.db().write().await?;
        let message = Message::content_failed(package_id, name, version, code, reason);
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }

    /// Believes another site's key because an administrator says so: its old one was lost.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::SiteNotFound`] also for this site itself,
    /// [`SiteError::InvalidField`].
    pub async fn believe_key(&self, actor: &Actor, site_code: &str, key: &str) -> Result<()> {
        actor.may(Action::ManageSites)?;
        let site_code = site_code.to_ascii_uppercase();
        if key.parse::<::trust::PublicKey>().is_err() {
            return Err(SiteError::invalid("key", "an Ed25519 public key in hex is needed"));
        }
        let now = self.now();
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        if !topology.knows(&site_code) || site_code == topology.own() {
            return Err(SiteError::SiteNotFound { site_code });
        }
        believe(&mut tx, &site_code, key, now).await?;
        status::add(
            &mut tx,
            now,
            Message::site_changed(actor, &site_code, "believed with a new signing key"),
        )
        .await?;
        tx.commit().await
    }

    async fn learn_keys(&self) -> Result<KeyRing> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let mut ring = load_ring(&mut tx).await?;
        let learned = ring.learn(&told_keys(&mut tx).await?);
        for site in &learned.contested {
            tracing::error!(
                site,
                "A site comes with another key than the one believed; keeping the believed one"
            );
        }
        for site in &learned.added {
            let key = ring.key(site).expect("it was added").to_owned();
            believe(&mut tx, site, &key, now).await?;
        }
        tx.commit().await?;
        Ok(ring)
    }
}

fn no_endorsement() -> SiteError {
    SiteError::invalid("endorsement", "it is not a neighbor's of this site's key")
}

/// Shows to others who vouches for the site's key, in place of what the same site said before.
pub(crate) async fn show_endorsement(tx: &mut Tx, site: &Site, endorsement: &Endorsement) -> Result<()> {
    let own = site.identity().site_code.as_str();
    let key = site.signing_key().public().to_string();
    let believed = load_ring(tx).await?;
    let is_good = believed.key(&endorsement.by_site) == Some(endorsement.by_key.as_str())
        && KeyStatement { site_code: own, key: &key }.is_endorsed(endorsement);
    if !is_good {
        return Err(no_endorsement());
    }
    let mut endorsements = endorsements_of(tx, own).await?;
    if endorsements.contains(endorsement) {
        return Ok(());
    }
    endorsements.retain(|other| other.by_site != endorsement.by_site);
    // Beyond it the oldest gives way; only sites that have sites below them need to be vouched for from there.
    if endorsements.len() >= ENDORSEMENTS_MAX {
        endorsements.remove(0);
    }
    endorsements.push(endorsement.clone());
    write_own(tx, own, &key, &endorsements).await
}

/// The keys that the site believes.
async fn load_ring(tx: &mut Tx) -> Result<KeyRing> {
    let select = Query::select().columns(["site_code", "public_key"]).from("trusted_key").to_owned();
    let mut ring = KeyRing::default();
    for row in tx.all(&select).await? {
        let key: String = row.get("public_key")?;
        let anchored = ring.anchor(&row.get::<String>("site_code")?, &key);
        anchored.map_err(|_| SiteError::corrupt("trusted_key.public_key"))?;
    }
    Ok(ring)
}

/// What the sites tell of their keys.
async fn told_keys(tx: &mut Tx) -> Result<Vec<SiteKey>> {
    let select = Query::select()
        .columns(["site_code", "signing_key", "endorsements"])
        .from("site_node")
        .and_where(Expr::col("signing_key").ne(""))
        .order_by("site_code", Order::Asc)
        .to_owned();
    let read = |row: &Row| {
        let endorsements = parse_endorsements(&row.get::<String>("endorsements")?)?;
        Ok(SiteKey { site_code: row.get("site_code")?, key: row.get("signing_key")?, endorsements })
    };
    tx.all(&select).await?.iter().map(read).collect()
}

async fn endorsements_of(tx: &mut Tx, site_code: &str) -> Result<Vec<Endorsement>> {
    let select =
        Query::select().column("endorsements").from("site_node").and_where(by_code(site_code)).to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
    parse_endorsements(&row.get::<String>("endorsements")?)
}

fn parse_endorsements(text: &str) -> Result<Vec<Endorsement>> {
    serde_json::from_str(text).map_err(|_| SiteError::corrupt("site_node.endorsements"))
}

/// Believes a key from now on: the site's own, or that of a site that joins.
pub(crate) async fn believe(tx: &mut Tx, site_code: &str, key: &str, now: Timestamp) -> Result<()> {
    let insert = Query::insert()
        .into_table("trusted_key")
        .columns(["site_code", "public_key", "learned_at"])
        .values_panic([site_code.into(), key.into(), now.as_microsecond().into()])
        .on_conflict(OnConflict::column("site_code").update_columns(["public_key", "learned_at"]).to_owned())
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// The key of a data folder, made where there is none: a folder of a site to be.
pub(crate) fn load_or_make(folder: &Path) -> Result<SigningKey> {
    if let Some(key) = SigningKey::load(folder)? {
        return Ok(key);
    }
    let key = SigningKey::generate()?;
    key.save_new(folder)?;
    Ok(key)
}

/// The site's key as it opens. A site of before sites signed gets one now, and what it published is signed.
///
/// Errors: [`SiteError::SigningKeyMissing`], [`SiteError::SigningKeyWrong`].
pub(crate) async fn open(tx: &mut Tx, folder: &Path, site_code: &str, now: Timestamp) -> Result<SigningKey> {
    let ring = load_ring(tx).await?;
    finish_rotation(folder, ring.key(site_code))?;
    let key = match (SigningKey::load(folder)?, ring.key(site_code)) {
        (None, Some(_)) => return Err(SiteError::SigningKeyMissing),
        (Some(key), Some(known)) if known != key.public().to_string() => {
            return Err(SiteError::SigningKeyWrong);
        }
        (Some(key), Some(_)) => key,
        (_, None) => {
            let key = load_or_make(folder)?;
            settle(tx, site_code, &key, now).await?;
            key
        }
    };
    sign(tx, &key, site_code, None).await?;
    Ok(key)
}

/// A new key that the database names already, whose file a crash left beside the old one's, takes its place.
fn finish_rotation(folder: &Path, believed: Option<&str>) -> Result<()> {
    let Some(believed) = believed else { return Ok(()) };
    let is_believed = |key: Option<SigningKey>| key.is_some_and(|key| key.public().to_string() == believed);
    if is_believed(SigningKey::load_next(folder)?) {
        SigningKey::promote_next(folder)?;
    }
    Ok(())
}

/// Writes down the site's own public key.
pub(crate) async fn settle(tx: &mut Tx, site_code: &str, key: &SigningKey, now: Timestamp) -> Result<()> {
    let key = key.public().to_string();
    believe(tx, site_code, &key, now).await?;
    write_own(tx, site_code, &key, &[]).await
}

/// Changes what the site tells of its own key.
async fn write_own(tx: &mut Tx, site_code: &str, key: &str, endorsements: &[Endorsement]) -> Result<()> {
    let revision = counter::next(tx, "revision").await?;
    let update = Query::update()
        .table("site_node")
        .value("signing_key", key)
        .value("endorsements", serde_json::to_string(endorsements).expect("endorsements are plain text"))
        .value("revision", revision)
        .and_where(by_code(site_code))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Takes a new key for the site, and signs anew what it answers for. Returns the new key.
///
/// With the old key at hand it vouches for the new one, and whoever believes the old one follows by itself. Without it
/// (`lost`; also for one that was stolen), the administrators of the other sites say that they believe the new one.
/// Errors: [`SiteError::SigningKeyMissing`], [`SiteError::SigningKeyWrong`] unless it is lost.
pub(crate) async fn rotate(db: &Database, folder: &Path, lost: bool, now: Timestamp) -> Result<String> {
    let mut tx = db.write().await?;
    let own = node::own_code(&mut tx).await?;
    let ring = load_ring(&mut tx).await?;
    finish_rotation(folder, ring.key(&own))?;
    let next = SigningKey::generate()?;
    let key = next.public().to_string();
    let mut endorsements = Vec::new();
    if !lost {
        let old = SigningKey::load(folder)?.ok_or(SiteError::SigningKeyMissing)?;
        if ring.key(&own) != Some(old.public().to_string().as_str()) {
            return Err(SiteError::SigningKeyWrong);
        }
        endorsements.push(KeyStatement { site_code: &own, key: &key }.endorse(&own, &old));
    }
    // The file is there before the database names it; an opening puts it in its place if this process dies between.
    next.save_next(folder)?;
    believe(&mut tx, &own, &key, now).await?;
    write_own(&mut tx, &own, &key, &endorsements).await?;
    sign_anew(&mut tx, &next, &own).await?;
    let what =
        if lost { "given a new signing key in place of a lost one" } else { "given a new signing key" };
    status::add(&mut tx, now, Message::site_changed(&Actor::local(), &own, what)).await?;
    tx.commit().await?;
    SigningKey::promote_next(folder)?;
    Ok(key)
}

/// Signs everything again that the site answers for, and tells it to neighbors and distribution points.
async fn sign_anew(tx: &mut Tx, key: &SigningKey, own: &str) -> Result<()> {
    let packages = || {
        Query::select()
            .column(("p", "package_id"))
            .from_as("package", "p")
            .cond_where(answers_for(own))
            .to_owned()
    };
    let unsign = Query::update()
        .table("package_version")
        .value("signature", Option::<String>::None)
        .and_where(Expr::col("package_id").in_subquery(packages()))
        .to_owned();
    tx.execute(&unsign).await?;
    sign(tx, key, own, None).await?;
    let revision = counter::next(tx, "revision").await?;
    for table in ["package", "distribution"] {
        let told = Query::update()
            .table(table)
            .value("revision", revision)
            .and_where(Expr::col("package_id").in_subquery(packages()))
            .to_owned();
        tx.execute(&told).await?;
    }
    Ok(())
}

/// Signs the versions of the site's own packages that nobody signed yet: of one package, or of all.
pub(crate) async fn sign(
    tx: &mut Tx,
    key: &SigningKey,
    site_code: &str,
    package_id: Option<&str>,
) -> Result<()> {
    let mut select = Query::select()
        .columns([("v", "package_id"), ("v", "version"), ("v", "manifest_id"), ("v", "content_hash")])
        .column(("p", "owner_epoch"))
        .from_as("package_version", "v")
        .join_as(
            JoinType::InnerJoin,
            "package",
            "p",
            Expr::col(("p", "package_id")).equals(("v", "package_id")),
        )
        .and_where(Expr::col(("v", "signature")).is_null())
        .cond_where(answers_for(site_code))
        .to_owned();
    if let Some(package_id) = package_id {
        select.and_where(Expr::col(("v", "package_id")).eq(package_id));
    }
    for row in tx.all(&select).await? {
        let (package_id, manifest): (String, String) = (row.get("package_id")?, row.get("manifest_id")?);
        let content_hash: String = row.get("content_hash")?;
        let statement = VersionStatement {
            package_id: &package_id,
            version: row.unsigned("version")?,
            manifest: &manifest,
            content_hash: &content_hash,
            source_site: site_code,
            epoch: row.get("owner_epoch")?,
        };
        let signature = serde_json::to_string(&statement.sign(key)).expect("a signature is plain text");
        let update = Query::update()
            .table("package_version")
            .value("signature", signature)
            .and_where(Expr::col("package_id").eq(package_id.as_str()))
            .and_where(Expr::col("version").eq(i64::from(statement.version)))
            .to_owned();
        tx.execute(&update).await?;
    }
    Ok(())
}

/// The packages that the site answers for: its own, and those that it made and gave to a site that nobody knows.
fn answers_for(site_code: &str) -> Cond {
    let known = Query::select().column("site_code").from("site_node").to_owned();
    let to_nobody = Cond::all()
        .add(Expr::col(("p", "source_site")).not_in_subquery(known))
        .add(Expr::col(("p", "package_id")).like(format!("{site_code}%")));
    Cond::any().add(Expr::col(("p", "source_site")).eq(site_code)).add(to_nobody)
}

/// The signature of a row of `package_version`.
pub(crate) fn signature(row: &Row) -> Result<Option<VersionSignature>> {
    let Some(text) = row.get::<Option<String>>("signature")? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| SiteError::corrupt("package_version.signature"))
}
