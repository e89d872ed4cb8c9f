//! The package for a machine's model, as deployment scripts choose it.

use std::collections::BTreeMap;

use ::driver::vendor::choice::{MachineModel, PackageCandidate, TargetOs, choose};
use sea_query::{Expr, ExprTrait, Order, Query};

use crate::access::scope::{self, SecuredType};
use crate::access::{Actor, Scopes};
use crate::error::{Result, SiteError};
use crate::package::ActionInProgress;
use crate::server::Site;

/// Characters of each text of a request.
const TEXT_CHARS_MAX: usize = 512;

/// A machine that asks for its package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRequest {
    /// The machine, as it describes itself.
    pub machine: MachineModel,
    /// The system that is to be installed.
    pub os: TargetOs,
}

/// What was chosen, and why nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageChoice {
    /// The package, if one fits.
    pub chosen: Option<ChosenPackage>,
    /// What was found about each package, by package id.
    pub verdicts: Vec<PackageVerdict>,
}

/// A package that fits a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenPackage {
    /// The package.
    pub package_id: String,
    /// Its name.
    pub name: String,
    /// Its version label.
    pub version: String,
    /// Its stored version.
    pub stored_version: u32,
    /// Its address at each distribution point that has the stored version, by name; at most 100.
    pub urls: Vec<String>,
}

/// What was found about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageVerdict {
    /// The package.
    pub package_id: String,
    /// Its name.
    pub name: String,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Why, or why not.
    pub reason: String,
}

impl Site {
    /// Chooses the package for a machine's model among those that have a stored version: by maker, SKU or model, system,
    /// architecture and release, as the community's scripts do.
    ///
    /// Everybody may ask. Errors: [`SiteError::InvalidField`] for texts that are too long.
    pub async fn choose_package(&self, actor: &Actor, request: ModelRequest) -> Result<PackageChoice> {
        check(&request)?;
        let (candidates, stored) = self.package_candidates(&actor.scopes).await?;
        let choice = choose(&candidates, &request.machine, &request.os);
        let winner = choice.chosen().map(|verdict| verdict.package.id.clone());
        let verdicts = choice
            .verdicts
            .iter()
            .map(|verdict| PackageVerdict {
                package_id: verdict.package.id.clone(),
                name: verdict.package.name.clone(),
                chosen: winner.as_ref() == Some(&verdict.package.id),
                reason: verdict.to_string(),
            })
            .collect();
        let Some(chosen) = choice.chosen() else { return Ok(PackageChoice { chosen: None, verdicts }) };
        let at = candidates.iter().position(|candidate| candidate.id == chosen.package.id);
        let stored_version = stored[at.expect("the chosen one is a candidate")];
        let wanted = BTreeMap::from([(chosen.package.id.clone(), stored_version)]);
        let chosen = ChosenPackage {
            urls: self.addresses(&wanted).await?.remove(&chosen.package.id).unwrap_or_default(),
            package_id: chosen.package.id.clone(),
            name: chosen.package.name.clone(),
            version: chosen.package.version.clone(),
            stored_version,
        };
        Ok(PackageChoice { chosen: Some(chosen), verdicts })
    }

    async fn package_candidates(&self, scopes: &Scopes) -> Result<(Vec<PackageCandidate>, Vec<u32>)> {
        let select = Query::select()
            .columns([
                "package_id",
                "name",
                "description",
                "manufacturer",
                "version",
                "source_date",
                "mif_name",
                "mif_version",
                "mif_filename",
                "mif_publisher",
                "language",
                "stored_version",
            ])
            .from("package")
            .and_where(Expr::col("stored_version").gt(0i64))
            .cond_where(scope::restriction(
                SecuredType::Package,
                scopes,
                Expr::col(("package", "package_id")),
            ))
            .and_where(Expr::col("action_in_progress").ne(i64::from(ActionInProgress::Delete.number())))
            .order_by("package_id", Order::Asc)
            .to_owned();
        let (mut candidates, mut stored) = (Vec::new(), Vec::new());
        for row in self.db().all(&select).await? {
            candidates.push(PackageCandidate {
                id: row.get("package_id")?,
                name: row.get("name")?,
                description: row.get("description")?,
                manufacturer: row.get("manufacturer")?,
                version: row.get("version")?,
                source_date: row.time_or_null("source_date")?,
                mif_name: row.get("mif_name")?,
                mif_version: row.get("mif_version")?,
                mif_filename: row.get("mif_filename")?,
                mif_publisher: row.get("mif_publisher")?,
                language: row.get("language")?,
            });
            stored.push(row.unsigned("stored_version")?);
        }
        Ok((candidates, stored))
    }
}

fn check(request: &ModelRequest) -> Result<()> {
    let ModelRequest { machine, os } = request;
    let texts = [
        ("Manufacturer", &machine.manufacturer),
        ("Model", &machine.model),
        ("SKU", &machine.sku),
        ("FallbackSKU", &machine.fallback_sku),
        ("OSName", &os.name),
        ("OSRelease", &os.release),
    ];
    match texts.iter().find(|(_, text)| text.chars().count() > TEXT_CHARS_MAX) {
        Some((property, _)) => {
            Err(SiteError::invalid(property, format!("at most {TEXT_CHARS_MAX} characters are allowed")))
        }
        None => Ok(()),
    }
}
