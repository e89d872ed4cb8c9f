//! The catalog's drivers that may be meant by a machine's ids, as ranking needs them.
//!
//! Only what can matter is read: the models lines that have one of the ids, of each the matching ids at their places,
//! and every models section of the drivers concerned, since which section applies depends on all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::driver::inf::Decoration;
use ::driver::rank::Candidate;
use ::driver::{Device, DriverDate, DriverKind, DriverVersion, ModelsFacts, SignatureState};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use crate::access::Scopes;
use crate::access::scope::{self, SecuredType};
use crate::db::Row;
use crate::driver::{signature_state, version_of};
use crate::error::{Result, SiteError};
use crate::query::list;
use crate::server::Site;

/// Ids in one statement.
const AT_ONCE_MAX: usize = 400;
/// Models lines that are looked at for one machine, over all rounds.
pub(super) const LINES_MAX: usize = 200_000;
/// Compatible ids of one models line; an INF reader's limit is lower.
const COMPATIBLE_IDS_MAX: usize = 4096;

/// A driver that may be meant.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) ci_id: i64,
    pub(super) unique_id: String,
    pub(super) content_id: i64,
    pub(super) name: String,
    pub(super) inf_file: String,
    pub(super) class: String,
    pub(super) provider: String,
    pub(super) version_text: String,
    kind: DriverKind,
    signature: SignatureState,
    date: Option<DriverDate>,
    version: Option<DriverVersion>,
    component_ids: Vec<String>,
    models: Vec<ModelsFacts>,
}

/// Which lines of which sections of which drivers have ids that were asked for.
type Lines = BTreeMap<i64, BTreeMap<i64, BTreeMap<i64, Device>>>;

impl Known {
    /// As ranking takes it.
    pub(super) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            kind: &self.kind,
            signature: self.signature,
            date: self.date,
            version: self.version,
            models: &self.models,
            component_ids: &self.component_ids,
        }
    }
}

impl Site {
    /// The enabled drivers that have one of these lower-case ids, by CI_ID. Takes their lines off `lines_left`.
    ///
    /// Errors: [`SiteError::InvalidField`] if more lines have them.
    pub(super) async fn candidates(
        &self,
        ids: BTreeSet<String>,
        scopes: &Scopes,
        lines_left: &mut usize,
    ) -> Result<Vec<Known>> {
        let ids: Vec<String> = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let mut lines = Lines::new();
        for some in ids.chunks(AT_ONCE_MAX) {
            *lines_left -= self.add_lines(&mut lines, some, scopes, *lines_left).await?;
        }
        self.known(lines).await
    }

    async fn add_lines(
        &self,
        lines: &mut Lines,
        ids: &[String],
        scopes: &Scopes,
        limit: usize,
    ) -> Result<usize> {
        let select = Query::select()
            .columns(
                [
                    "ci_id",
                    "models_index",
                    "device_index",
                    "compatible_index",
                    "id_key",
                    "description",
                    "install_section",
                    "feature_score",
                    "exclude_ids",
                    "nt_section",
                    "own_date",
                    "own_version",
                ]
                .map(|column| ("v", column)),
            )
            .from_as("driver_device", "v")
            .join_as(JoinType::InnerJoin, "driver", "d", Expr::col(("d", "ci_id")).equals(("v", "ci_id")))
            .and_where(Expr::col(("v", "id_key")).is_in(ids.iter().map(String::as_str)))
            .and_where(Expr::col(("d", "is_enabled")).eq(1i64))
            .cond_where(scope::restriction(SecuredType::Driver, scopes, Expr::col(("d", "ci_id"))))
            .limit(limit as u64 + 1)
            .to_owned();
        let rows = self.db().all(&select).await?;
        if rows.len() > limit {
            let reason =
                format!("more than {LINES_MAX} models of the catalog have these ids; ask for fewer devices");
            return Err(SiteError::invalid("Devices", reason));
        }
        for row in &rows {
            let sections = lines.entry(row.get("ci_id")?).or_default();
            let section = sections.entry(row.get("models_index")?).or_default();
            let index: i64 = row.get("device_index")?;
            let device = match section.entry(index) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => new.insert(read_device(row)?),
            };
            put_id(device, row.unsigned("compatible_index")?, row.get("id_key")?);
        }
        Ok(rows.len())
    }

    /// Reads the drivers of lines.
    async fn known(&self, mut lines: Lines) -> Result<Vec<Known>> {
        let ids: Vec<i64> = lines.keys().copied().collect();
        let mut known = Vec::with_capacity(ids.len());
        for some in ids.chunks(AT_ONCE_MAX) {
            let mut sections = self.sections(some).await?;
            let select = Query::select()
                .columns([
                    "ci_id",
                    "unique_id",
                    "content_id",
                    "display_name",
                    "inf_file",
                    "class",
                    "provider",
                    "driver_version",
                    "driver_date",
                    "version_number",
                    "kind",
                    "extension_id",
                    "component_ids",
                    "signature_state",
                ])
                .from("driver")
                .and_where(Expr::col("ci_id").is_in(some.iter().copied()))
                .order_by("ci_id", Order::Asc)
                .to_owned();
            for row in self.db().all(&select).await? {
                let ci_id: i64 = row.get("ci_id")?;
                let mut lines = lines.remove(&ci_id).unwrap_or_default();
                let mut models = Vec::new();
                for (index, mut section) in sections.remove(&ci_id).unwrap_or_default() {
                    section.devices = lines.remove(&index).unwrap_or_default().into_values().collect();
                    models.push(section);
                }
                known.push(read_driver(&row, models)?);
            }
        }
        Ok(known)
    }

    /// The models sections of drivers, without their lines, each with its index.
    async fn sections(&self, ci_ids: &[i64]) -> Result<HashMap<i64, Vec<(i64, ModelsFacts)>>> {
        let select = Query::select()
            .columns(["ci_id", "models_index", "manufacturer", "line", "decoration"])
            .from("driver_models")
            .and_where(Expr::col("ci_id").is_in(ci_ids.iter().copied()))
            .order_by("ci_id", Order::Asc)
            .order_by("models_index", Order::Asc)
            .to_owned();
        let mut sections: HashMap<i64, Vec<(i64, ModelsFacts)>> = HashMap::new();
        for row in self.db().all(&select).await? {
            let decoration: Option<String> = row.get("decoration")?;
            let parse = |text: String| {
                Decoration::parse(&text).ok_or_else(|| SiteError::corrupt("driver_models.decoration"))
            };
            let section = ModelsFacts {
                manufacturer: row.get("manufacturer")?,
                line: row.unsigned("line")?,
                decoration: decoration.map(parse).transpose()?,
                devices: Vec::new(),
            };
            sections.entry(row.get("ci_id")?).or_default().push((row.get("models_index")?, section));
        }
        Ok(sections)
    }
}

fn read_device(row: &Row) -> Result<Device> {
    Ok(Device {
        description: row.get("description")?,
        install_section: row.get("install_section")?,
        hardware_id: String::new(),
        compatible_ids: Vec::new(),
        feature_score: row.unsigned("feature_score")?,
        exclude_ids: list(&row.get::<String>("exclude_ids")?).into(),
        nt_section: row.flag("nt_section")?,
        date: row.time_or_null("own_date")?.and_then(date),
        version: row.get::<Option<i64>>("own_version")?.map(version_of),
    })
}

/// Puts an id at its place. Ids that nobody asked for leave theirs empty: an empty id matches nothing.
fn put_id(device: &mut Device, compatible_index: usize, id: String) {
    match compatible_index.checked_sub(1) {
        None => device.hardware_id = id,
        Some(at) if at < COMPATIBLE_IDS_MAX => {
            if device.compatible_ids.len() <= at {
                device.compatible_ids.resize(at + 1, String::new());
            }
            device.compatible_ids[at] = id;
        }
        Some(_) => {}
    }
}

fn read_driver(row: &Row, models: Vec<ModelsFacts>) -> Result<Known> {
    let kind = match row.get::<i64>("kind")? {
        0 => DriverKind::Base,
        1 => DriverKind::Extension(row.get("extension_id")?),
        2 => DriverKind::SoftwareComponent,
        3 => DriverKind::Primitive,
        _ => return Err(SiteError::corrupt("driver.kind")),
    };
    Ok(Known {
        ci_id: row.get("ci_id")?,
        unique_id: row.get("unique_id")?,
        content_id: row.get("content_id")?,
        name: row.get("display_name")?,
        inf_file: row.get("inf_file")?,
        class: row.get("class")?,
        provider: row.get("provider")?,
        version_text: row.get("driver_version")?,
        kind,
        signature: signature_state(row.get("signature_state")?)?,
        date: row.time_or_null("driver_date")?.and_then(date),
        version: row.get::<Option<i64>>("version_number")?.map(version_of),
        component_ids: list(&row.get::<String>("component_ids")?),
        models,
    })
}

fn date(midnight: Timestamp) -> Option<DriverDate> {
    let date = jiff::tz::Offset::UTC.to_datetime(midnight).date();
    Some(DriverDate {
        year: u16::try_from(date.year()).ok()?,
        month: u8::try_from(date.month()).ok()?,
        day: u8::try_from(date.day()).ok()?,
    })
}
