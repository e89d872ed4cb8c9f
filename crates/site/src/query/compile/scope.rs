//! The classes that a query reads and what its names mean: a name is looked for in the query that it stands in,
//! then in the queries around it.

use cim::query::{PropertyRef, Source};
use sea_query::{Expr, ExprTrait};

use super::PRESENCE;
use super::limits::invalid;
use crate::error::Result;
use crate::query::views::{Column, View};

/// The sources of one query, inside those of the queries around it.
pub(super) struct Scope<'a> {
    pub(super) sources: Vec<Place>,
    pub(super) outer: Option<&'a Scope<'a>>,
}

/// One source.
pub(super) struct Place {
    pub(super) view: &'static View,
    source: Source,
    /// Its name in the statement, which no other source has.
    pub(super) sql: String,
    /// Whether a join makes rows without it.
    pub(super) nullable: bool,
}

/// A property that is stored.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) place: &'a Place,
    /// Which source of its query.
    pub(super) index: usize,
    pub(super) column: &'static Column,
}

impl Place {
    pub(super) fn new(view: &'static View, source: &Source, sql: String) -> Self {
        Self { view, source: source.clone(), sql, nullable: false }
    }

    /// What the query calls it.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What a message calls it.
    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    pub(super) fn expr(&self, column: &'static Column) -> Expr {
        let stored = |name: &'static str| Expr::col((self.sql.clone(), name));
        match self.view.key.first() {
            Some(key) if column.name == PRESENCE => {
                // Bound numbers would differ between what is selected and what is grouped by.
                let truth: Expr =
                    Expr::case(stored(key).is_null(), Expr::cust("0")).finally(Expr::cust("1")).into();
                truth.cast_as("BIGINT")
            }
            _ => stored(column.name),
        }
    }
}

impl Found<'_> {
    pub(super) fn expr(&self) -> Expr {
        self.place.expr(self.column)
    }

    /// Keys are never null, except where a join makes rows without their source.
    pub(super) fn never_null(&self) -> bool {
        !self.place.nullable && self.place.view.key.contains(&self.column.name)
    }
}

impl Scope<'_> {
    /// The property that a name means.
    pub(super) fn find(&self, property: &PropertyRef) -> Result<Found<'_>> {
        match &property.source {
            Some(qualifier) => {
                let index = self.source_here(qualifier)?;
                let place = index.map(|index| (index, &self.sources[index]));
                match (place, self.outer) {
                    (Some((index, place)), _) => {
                        let column = place.view.column(&property.name);
                        column
                            .map(|column| Found { place, index, column })
                            .ok_or_else(|| missing(place, property))
                    }
                    (None, Some(outer)) => outer.find(property),
                    (None, None) => Err(unknown_source(qualifier)),
                }
            }
            None => self.find_unqualified(property),
        }
    }

    fn find_unqualified(&self, property: &PropertyRef) -> Result<Found<'_>> {
        let mut having = self.sources.iter().enumerate().filter_map(|(index, place)| {
            place.view.column(&property.name).map(|column| Found { place, index, column })
        });
        match (having.next(), having.next(), self.outer) {
            (Some(found), None, _) => Ok(found),
            (Some(first), Some(second), _) => Err(invalid(format!(
                "{} is a property of both {} and {}; write which one",
                property.name,
                first.place.name(),
                second.place.name(),
            ))),
            (None, _, Some(outer)) => outer.find_unqualified(property),
            (None, _, None) => {
                let names: Vec<&str> = self.sources.iter().map(Place::name).collect();
                let sources = names.join(" and ");
                Err(invalid(format!("{sources} has no property {} that can be queried", property.name)))
            }
        }
    }

    /// The source of this query that a select list names.
    pub(super) fn source(&self, qualifier: &str) -> Result<usize> {
        self.source_here(qualifier)?.ok_or_else(|| unknown_source(qualifier))
    }

    /// An alias or a class without one; else a class that has an alias.
    fn source_here(&self, qualifier: &str) -> Result<Option<usize>> {
        let all = || self.sources.iter().enumerate();
        let one = |found: Vec<usize>| match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(*only)),
            _ => Err(invalid(format!(
                "{qualifier} names several classes of the query; give each its own alias"
            ))),
        };
        let named = all().filter(|(_, place)| place.name().eq_ignore_ascii_case(qualifier));
        match one(named.map(|(index, _)| index).collect())? {
            Some(index) => Ok(Some(index)),
            None => {
                one(all().filter(|(_, place)| place.source.is_called(qualifier)).map(|(i, _)| i).collect())
            }
        }
    }
}

fn missing(place: &Place, property: &PropertyRef) -> crate::error::SiteError {
    invalid(format!("{} has no property {} that can be queried", place.name(), property.name))
}

fn unknown_source(qualifier: &str) -> crate::error::SiteError {
    invalid(format!("{qualifier} is no class of the query and no alias"))
}
