use cim::class::Property;
use cim::query::{JoinKind, PropertyRef, Query, Source};
use site::views::{self, View};

use crate::error::Fault;
use crate::schema::{ClassInfo, Schema};

/// The hidden column of a view of several classes: each row's class.
pub(super) const CLASS_COLUMN: &str = "__CLASS";

/// The classes that a query reads, inside those of the queries around it.
pub(super) struct Scope<'a> {
    pub(super) sources: Vec<Place>,
    pub(super) outer: Option<&'a Scope<'a>>,
}

/// One class of a query.
pub(super) struct Place {
    /// As the query calls it.
    pub(super) source: Source,
    pub(super) class: &'static ClassInfo,
    /// None for a class whose instances its handler makes.
    pub(super) view: Option<&'static View>,
    /// Whether a join makes rows without it.
    pub(super) nullable: bool,
}

/// A property and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) place: &'a Place,
    pub(super) property: &'static Property,
    /// Whether its name alone says whose it is.
    plain: bool,
}

impl Place {
    /// The class that answers for a name: itself where its instances are stored, else the one class below it.
    pub(super) fn new(schema: &'static Schema, given: &Source) -> Result<Self, Fault> {
        let invalid = || Fault::InvalidClass { class: given.class.clone() };
        let named = schema.class(&given.class).filter(|class| class.is_queryable()).ok_or_else(invalid)?;
        let mut below = schema.concrete(named);
        let class = match (views::find(&named.name), below.next(), below.next()) {
            (Some(_), ..) => named,
            (None, Some(only), None) => only,
            _ => return Err(invalid()),
        };
        let alias = match &given.alias {
            Some(alias) => Some(alias.clone()),
            None => (class.name != named.name).then(|| named.name.clone()),
        };
        let source = Source { class: class.name.clone(), alias };
        Ok(Self { source, class, view: views::find(&class.name), nullable: false })
    }

    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// Whether its rows are of several classes.
    pub(super) fn is_mixed(&self) -> bool {
        self.view.is_some_and(|view| view.column(CLASS_COLUMN).is_some())
    }

    /// A reference to one of its properties.
    pub(super) fn reference(&self, name: &str) -> PropertyRef {
        PropertyRef { source: Some(self.name().to_owned()), name: name.to_owned() }
    }

    /// A property that has a value in each of its rows.
    pub(super) fn key(&self) -> Option<PropertyRef> {
        self.view.and_then(|view| view.key.first()).map(|key| self.reference(key))
    }
}

impl Found<'_> {
    /// The property as the checked query names it: whose it is stands there where several could be meant.
    pub(super) fn reference(&self) -> PropertyRef {
        if self.plain {
            PropertyRef::new(&self.property.name)
        } else {
            self.place.reference(&self.property.name)
        }
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        schema: &'static Schema,
        query: &Query,
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Self, Fault> {
        let mut sources: Vec<Place> = vec![Place::new(schema, &query.from)?];
        for join in &query.joins {
            let mut place = Place::new(schema, &join.source)?;
            place.nullable = matches!(join.kind, JoinKind::Left | JoinKind::Full);
            if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
                sources.iter_mut().for_each(|before| before.nullable = true);
            }
            sources.push(place);
        }
        for (index, place) in sources.iter().enumerate() {
            if sources[..index].iter().any(|other| other.name().eq_ignore_ascii_case(place.name())) {
                let reason = format!("{} is there twice; give each its own alias", place.name());
                return Err(Fault::InvalidQuery { reason });
            }
        }
        Ok(Self { sources, outer })
    }

    pub(super) fn find(&self, named: &PropertyRef) -> Result<Found<'_>, Fault> {
        if named.name.starts_with("__") && !named.name.eq_ignore_ascii_case(CLASS_COLUMN) {
            return Err(system_property(&named.name));
        }
        match &named.source {
            None => self.find_unqualified(&named.name),
            Some(qualifier) => match (self.source(qualifier), self.outer) {
                (Some(place), _) => {
                    let missing = || Fault::InvalidProperty {
                        class: place.class.name.clone(),
                        property: named.name.clone(),
                    };
                    let property = place.class.property(&named.name).ok_or_else(missing)?;
                    Ok(Found { place, property, plain: self.sources.len() == 1 })
                }
                (None, Some(outer)) => outer.find(named).map(|found| Found { plain: false, ..found }),
                (None, None) => Err(Fault::InvalidQuery {
                    reason: format!("{qualifier} is neither a class of the query nor an alias"),
                }),
            },
        }
    }

    fn find_unqualified(&self, name: &str) -> Result<Found<'_>, Fault> {
        if name.starts_with("__") {
            return Err(system_property(name));
        }
        let plain = self.sources.len() == 1;
        let found: Vec<Found<'_>> = self
            .sources
            .iter()
            .filter_map(|place| place.class.property(name).map(|property| Found { place, property, plain }))
            .collect();
        let names = |places: &mut dyn Iterator<Item = &str>| places.collect::<Vec<_>>().join(" and ");
        match (found.as_slice(), self.outer) {
            ([only], _) => Ok(*only),
            ([], Some(outer)) => outer.find_unqualified(name).map(|found| Found { plain: false, ..found }),
            ([], None) => Err(Fault::InvalidProperty {
                class: names(&mut self.sources.iter().map(Place::name)),
                property: name.to_owned(),
            }),
            (several, _) => Err(Fault::InvalidQuery {
                reason: format!(
                    "{name} is a property of {}; write which one",
                    names(&mut several.iter().map(|found| found.place.name()))
                ),
            }),
        }
    }

    /// The source that a qualifier means: by its alias or class, else by the class that has an alias.
    pub(super) fn source(&self, qualifier: &str) -> Option<&Place> {
        let named = self.sources.iter().find(|place| place.name().eq_ignore_ascii_case(qualifier));
        named.or_else(|| {
            let mut of_class = self.sources.iter().filter(|place| place.source.is_called(qualifier));
            of_class.next().filter(|_| of_class.next().is_none())
        })
    }

    /// The source of a checked name, here or around.
    pub(super) fn place(&self, checked: &PropertyRef) -> Option<&Place> {
        match &checked.source {
            None => self.sources.first(),
            Some(name) => self.source(name).or_else(|| self.outer.and_then(|outer| outer.place(checked))),
        }
    }
}

fn system_property(name: &str) -> Fault {
    Fault::InvalidQuery { reason: format!("{name} is a system property, which a query cannot name") }
}
