//! Packages of other sites, and their way to another owner.

use agent::link::{FORMER_OWNERS_MAX, Field, FormerOwner, NamedField, PackageRecord, VersionRecord};
use cim::schedule;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Query};

use super::target::VERSION_MAX;
use super::{Apply, Verdict, is_hex, is_package_id, is_site_code, past};
use crate::db::Row;
use crate::distribution::demand;
use crate::error::Result;
use crate::group;
use crate::hierarchy::topology::Neighbor;
use crate::hierarchy::{ownership, rows, tombstone};
use crate::package::fields::{FieldValue, PackageChange, PackageFields};
use crate::package::{self, ActionInProgress, by_id};

const HASH_BYTES: usize = 32;
const CONTENT_HASH_CHARS_MAX: usize = 128;
const SCHEDULE_CHARS_MAX: usize = 16 * 15;
const SIGNATURE_CHARS_MAX: usize = 4096;

/// What is known of a package.
pub(super) struct KnownPackage {
    pub(super) source_site: String,
    pub(super) epoch: i64,
    pub(super) learned_from: String,
    pub(super) former_owners: Vec<FormerOwner>,
    stamp: i64,
    priority: i64,
    deleting: bool,
}

impl Apply<'_> {
    pub(super) async fn package_record(&mut self, record: &PackageRecord) -> Result<Verdict> {
        if !is_package_id(&record.package_id) || !is_site_code(&record.source_site) || !is_sound(record) {
            return Ok(Verdict::Refused("a package is not described like this"));
        }
        let Some(fields) = read_fields(&record.fields) else {
            return Ok(Verdict::Refused("a package has no such properties"));
        };
        if tombstone::is_package_dead(self.tx, &record.package_id).await? {
            return Ok(Verdict::Known);
        }
        let known = self.known_package(&record.package_id).await?;
        if !self.may_tell(record, known.as_ref()) {
            return Ok(Verdict::Refused("the package's source site is not in the neighbor's direction"));
        }
        let Some(known) = known else {
            self.insert_package(record, &fields).await?;
            return Ok(Verdict::Stored);
        };
        if (record.epoch, record.stamp) <= (known.epoch, known.stamp_of(self.topology.own())) {
            return Ok(Verdict::Known);
        }
        self.replace_package(record, &fields, &known).await?;
        Ok(Verdict::Stored)
    }

    /// A package is told from where its owner is. Its owner gives it away; so may a site above the owner.
    fn may_tell(&self, record: &PackageRecord, known: Option<&KnownPackage>) -> bool {
        match (known, self.from) {
            (Some(known), from) => {
                let speaker = self.topology.speaker(&record.package_id, &known.source_site);
                let from_above = *from == Neighbor::Parent
                    && record.epoch > known.epoch
                    && self.topology.is_in_own_branch(speaker);
                self.is_towards(speaker) || from_above
            }
            (None, Neighbor::Parent) => true,
            (None, Neighbor::Child(_)) => {
                // It may have been given away before anybody here heard of it.
                let owner_before = record.former_owners.last().map(|former| former.site_code.as_str());
                let is_theirs = |site_code: &str| self.is_towards(site_code);
                (is_theirs(&record.source_site) || owner_before.is_some_and(is_theirs))
                    && record.package_id.get(..3).is_some_and(is_theirs)
            }
        }
    }

    pub(super) async fn known_package(&mut self, package_id: &str) -> Result<Option<KnownPackage>> {
        let columns = [
            "source_site",
            "owner_epoch",
            "learned_from",
            "former_owners",
            "stamp",
            "priority",
            "action_in_progress",
        ];
        let select = Query::select().columns(columns).from("package").and_where(by_id(package_id)).to_owned();
        self.tx.optional(&select).await?.as_ref().map(KnownPackage::read).transpose()
    }

    async fn insert_package(&mut self, record: &PackageRecord, fields: &PackageFields) -> Result<()> {
        let (columns, values) = self.columns(record, fields).await?;
        let own = ["package_id", "package_type", "created_at"];
        let mut all = vec![
            record.package_id.as_str().into(),
            i64::from(record.package_type).into(),
            past(&record.created_at, self.now).as_microsecond().into(),
        ];
        all.extend(values);
        let insert = Query::insert()
            .into_table("package")
            .columns(own.into_iter().chain(columns))
            .values_panic(all)
            .to_owned();
        self.tx.execute(&insert).await?;
        self.store_version(record).await?;
        self.store_schedule(record).await
    }

    async fn replace_package(
        &mut self,
        record: &PackageRecord,
        fields: &PackageFields,
        known: &KnownPackage,
    ) -> Result<()> {
        let id = &record.package_id;
        let (columns, values) = self.columns(record, fields).await?;
        let update = Query::update()
            .table("package")
            .values(columns.into_iter().zip(values))
            .and_where(by_id(id))
            .to_owned();
        self.tx.execute(&update).await?;
        self.store_version(record).await?;
        self.store_schedule(record).await?;
        if record.source_site != known.source_site {
            let change = ownership::Change {
                package_id: id,
                from: &known.source_site,
                to: &record.source_site,
                epoch_before: known.epoch,
                told_by: &self.code,
            };
            ownership::follow(self.tx, self.site, change).await?;
        }
        if record.deleting && !known.deleting {
            group::forget_package(self.tx, id).await?;
        }
        if i64::from(fields.priority) != known.priority {
            self.touched.extend(demand::tell_again(self.tx, id).await?);
        }
        Ok(())
    }

    /// What is the same for a package that is new and one that is known.
    async fn columns(
        &mut self,
        record: &PackageRecord,
        fields: &PackageFields,
    ) -> Result<(Vec<&'static str>, Vec<Expr>)> {
        let revision = self.next_revision().await?;
        let action = if record.deleting { ActionInProgress::Delete } else { ActionInProgress::None };
        let version = record.version.as_ref();
        let published = version.map(|version| past(&version.published_at, self.now).as_microsecond());
        let own: [(&str, Expr); 12] = [
            ("source_site", record.source_site.as_str().into()),
            ("owner_epoch", record.epoch.into()),
            ("former_owners", rows::json(&record.former_owners).into()),
            ("stamp", record.stamp.into()),
            ("learned_from", self.code.as_str().into()),
            ("revision", revision.into()),
            ("edition", record.edition.into()),
            ("source_version", i64::from(record.source_version).into()),
            ("source_bytes", version.map_or(0, |version| version.bytes.cast_signed()).into()),
            ("source_date", published.into()),
            ("action_in_progress", i64::from(action.number()).into()),
            ("lease_owner", Option::<String>::None.into()),
        ];
        let (mut columns, mut values): (Vec<_>, Vec<_>) = own.into_iter().unzip();
        columns.extend_from_slice(PackageFields::COLUMNS);
        values.extend(fields.values());
        Ok((columns, values))
    }

    async fn store_version(&mut self, record: &PackageRecord) -> Result<()> {
        let Some(version) = &record.version else { return Ok(()) };
        let columns = [
            "version",
            "manifest_id",
            "content_hash",
            "files",
            "folders",
            "bytes",
            "published_at",
            "signature",
        ];
        let insert = Query::insert()
            .into_table("offered_version")
            .columns(["package_id"].into_iter().chain(columns))
            .values_panic([
                record.package_id.as_str().into(),
                i64::from(version.version).into(),
                version.manifest.as_str().into(),
                version.content_hash.as_str().into(),
                version.files.cast_signed().into(),
                version.folders.cast_signed().into(),
                version.bytes.cast_signed().into(),
                past(&version.published_at, self.now).as_microsecond().into(),
                version.signature.as_ref().map(rows::json).into(),
            ])
            .on_conflict(OnConflict::column("package_id").update_columns(columns).to_owned())
            .to_owned();
        self.tx.execute(&insert).await?;
        self.follow_signature(&record.package_id, version).await
    }

    /// The version that is here may have been signed anew, by the site's next key: its distribution points are told.
    async fn follow_signature(&mut self, package_id: &str, version: &VersionRecord) -> Result<()> {
        let Some(signature) = version.signature.as_ref().map(rows::json) else { return Ok(()) };
        let update = Query::update()
            .table("package_version")
            .value("signature", signature.as_str())
            .and_where(by_id(package_id))
            .and_where(Expr::col("version").eq(i64::from(version.version)))
            .and_where(Expr::col("manifest_id").eq(version.manifest.as_str()))
            .and_where(Expr::col("signature").ne(signature.as_str()))
            .to_owned();
        if self.tx.execute(&update).await? > 0 {
            self.touched.extend(demand::tell_again(self.tx, package_id).await?);
        }
        Ok(())
    }

    /// Kept for whoever owns the package next; only an owner follows it.
    async fn store_schedule(&mut self, record: &PackageRecord) -> Result<()> {
        let id = &record.package_id;
        if record.deleting {
            return package::schedule::forget(self.tx, id).await;
        }
        let select =
            Query::select().column("schedule").from("package_schedule").and_where(by_id(id)).to_owned();
        let before: Option<String> =
            self.tx.optional(&select).await?.map(|row| row.get("schedule")).transpose()?;
        if before.unwrap_or_default() == record.refresh_schedule {
            return Ok(());
        }
        package::schedule::forget(self.tx, id).await?;
        let Ok(tokens) = schedule::parse(&record.refresh_schedule) else { return Ok(()) };
        let next = schedule::next_after(&tokens, self.now, self.site.time_zone());
        let insert = Query::insert()
            .into_table("package_schedule")
            .columns(["package_id", "schedule", "next_at"])
            .values_panic([
                id.as_str().into(),
                record.refresh_schedule.as_str().into(),
                next.map(Timestamp::as_microsecond).into(),
            ])
            .to_owned();
        self.tx.execute(&insert).await?;
        Ok(())
    }
}

impl KnownPackage {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            source_site: row.get("source_site")?,
            epoch: row.get("owner_epoch")?,
            learned_from: row.get("learned_from")?,
            former_owners: rows::from_json(&row.get::<String>("former_owners")?, "package.former_owners")?,
            stamp: row.get("stamp")?,
            priority: row.get("priority")?,
            deleting: row.get::<i64>("action_in_progress")? == i64::from(ActionInProgress::Delete.number()),
        })
    }

    /// What this site says itself is newer than anything of the same epoch.
    fn stamp_of(&self, own: &str) -> i64 {
        if self.source_site == own { i64::MAX } else { self.stamp }
    }
}

fn is_sound(record: &PackageRecord) -> bool {
    record.epoch > 0
        && record.former_owners.len() <= FORMER_OWNERS_MAX
        && record.former_owners.iter().all(|former| is_site_code(&former.site_code))
        && matches!(record.package_type, 0 | 3)
        && record.refresh_schedule.len() <= SCHEDULE_CHARS_MAX
        && record.refresh_schedule.bytes().all(|b| b.is_ascii_hexdigit())
        && record.version.as_ref().is_none_or(is_sound_version)
}

fn is_sound_version(version: &VersionRecord) -> bool {
    let counts = [version.files, version.folders, version.bytes];
    (1..=VERSION_MAX).contains(&version.version)
        && is_hex(&version.manifest, HASH_BYTES)
        && version.content_hash.len() <= CONTENT_HASH_CHARS_MAX
        && version.content_hash.bytes().all(|b| b.is_ascii_hexdigit())
        && counts.iter().all(|count| i64::try_from(*count).is_ok())
        && version.signature.as_ref().is_none_or(|signature| {
            let text = rows::json(signature);
            text.len() <= SIGNATURE_CHARS_MAX && !text.contains("\\u0000")
        })
}

/// The properties; none if one of them is not what it should be. Those that nobody knows here are passed over.
fn read_fields(named: &[NamedField]) -> Option<PackageFields> {
    const FIELDS_MAX: usize = 256;
    if named.len() > FIELDS_MAX {
        return None;
    }
    let mut change = PackageChange::default();
    for NamedField { name, value } in named {
        let set = match value {
            Field::Null => change.set(name, FieldValue::Time(None)),
            Field::Flag(flag) => change.set(name, FieldValue::Flag(*flag)),
            Field::Number(number) => change.set(name, FieldValue::Number(*number)),
            Field::Text(text) => change.set(name, FieldValue::Text(text.clone())).or_else(|error| {
                match text.parse::<Timestamp>() {
                    Ok(time) => change.set(name, FieldValue::Time(Some(time))),
                    Err(_) => Err(error),
                }
            }),
        };
        if let Err(crate::SiteError::InvalidField { property, .. }) = set
            && property != "property"
        {
            return None;
        }
    }
    let mut fields = PackageFields::default();
    fields.apply(change);
    fields.check().ok().map(|()| fields)
}
