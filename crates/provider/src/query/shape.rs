use cim::query::{Query, Select, Selected};
use site::{Output, PRESENCE};

use super::instances::{Instances, Part};
use super::scope::{CLASS_COLUMN, Place, Scope};
use crate::classes;
use crate::error::Fault;
use crate::handler::Completed;
use crate::schema::{ClassInfo, Schema, is_left_out_of_lists};

/// What is asked for: which columns it takes, and what their rows become.
pub(super) struct Shape {
    schema: &'static Schema,
    pub(super) form: Form,
    sources: Vec<Shown>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Instances of one class.
    One,
    /// `__GENERIC`, with an instance for each class.
    Several,
    /// `__GENERIC` with a number.
    Count,
}

/// What becomes of properties that only a get of one instance fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lazy {
    /// They are read as all others.
    Kept,
    /// They are null, as in every list.
    Null,
}

/// What is shown of one source.
pub(super) struct Shown {
    /// Which source of the query.
    pub(super) source: usize,
    pub(super) place: Place,
    /// The chosen properties; none for all.
    chosen: Option<Vec<String>>,
    /// Whether the keys are there, chosen or not.
    pub(super) keyed: bool,
    pub(super) lazy: Lazy,
    /// Whether the rows of a DISTINCT list have to say if the source is in them: no key of it does.
    pub(super) told: bool,
}

impl Shape {
    pub(super) fn of(schema: &'static Schema, query: &Query, lazy: Lazy) -> Result<Self, Fault> {
        let scope = Scope::new(schema, query, None)?;
        let chosen: Vec<Option<Option<Vec<String>>>> =
            scope.sources.iter().enumerate().map(|(index, place)| chosen(query, index, place)).collect();
        let mut sources = Vec::new();
        for (source, (place, chosen)) in scope.sources.into_iter().zip(chosen).enumerate() {
            if place.view.is_none() {
                let reason = format!("{} can only be queried by itself", place.class.name);
                return Err(Fault::InvalidQuery { reason });
            }
            if let Some(chosen) = chosen {
                sources.push(Shown { source, place, chosen, keyed: !query.distinct, lazy, told: false });
            }
        }
        let form = match (&query.select, sources.len()) {
            (Select::Count(_), _) => Form::Count,
            (_, 1) => Form::One,
            _ => Form::Several,
        };
        for shown in &mut sources {
            shown.told =
                query.distinct && shown.place.nullable && (form == Form::Several || shown.has_constants());
        }
        Ok(Self { schema, form, sources })
    }

    /// The class of every instance, if it is one and no `__GENERIC`.
    pub(super) fn only_class(&self) -> Option<&'static ClassInfo> {
        match (self.form, self.sources.as_slice()) {
            (Form::One, [shown]) => Some(shown.place.class),
            _ => None,
        }
    }

    /// What a `__GENERIC` of several classes holds.
    pub(super) fn embedded(&self) -> impl Iterator<Item = (&str, &'static ClassInfo)> {
        self.sources.iter().map(|shown| (shown.place.name(), shown.place.class))
    }

    /// The query with what its rows need to become instances.
    pub(super) fn stored(&self, mut query: Query) -> Query {
        if self.form == Form::Count {
            return query;
        }
        let mut items = Vec::new();
        for shown in &self.sources {
            let presence = shown.told.then_some(PRESENCE);
            let columns = shown.columns(self.schema).chain(presence);
            items.extend(columns.map(|name| Selected::Property(shown.place.reference(name))));
        }
        if items.is_empty() {
            // Only constants are chosen, each once.
            items.extend(
                self.sources.first().map(|shown| Selected::Property(shown.place.reference(PRESENCE))),
            );
        }
        query.select = Select::Items(items);
        query
    }

    /// What makes instances of rows with these values.
    pub(super) fn instances(self, outputs: &[Output]) -> Instances {
        let schema = self.schema;
        let parts = self.sources.into_iter().map(|shown| Part::new(schema, shown, outputs));
        Instances::new(self.form, parts.collect())
    }
}

/// What a query chooses of a source; the outer one is none for nothing, the inner one for everything.
fn chosen(query: &Query, index: usize, place: &Place) -> Option<Option<Vec<String>>> {
    let Select::Items(items) = &query.select else { return Some(None) };
    let mut names = Vec::new();
    for item in items {
        match item {
            Selected::Source(name) if name == place.name() => return Some(None),
            Selected::Property(property) => match &property.source {
                Some(source) if source == place.name() => names.push(property.name.clone()),
                None if index == 0 => names.push(property.name.clone()),
                _ => {}
            },
            Selected::Source(_) => {}
        }
    }
    (!names.is_empty()).then_some(Some(names))
}

impl Shown {
    /// Whether an instance of the class shows the property.
    pub(super) fn shows(&self, class: &ClassInfo, name: &str) -> bool {
        let is_key = || class.property(name).is_some_and(|property| property.qualifiers.has("key"));
        let chosen = self.chosen.as_ref();
        chosen.is_none_or(|chosen| chosen.iter().any(|chosen| chosen == name) || (self.keyed && is_key()))
    }

    /// What the class's handler makes of shown properties.
    pub(super) fn completed(&self, class: &ClassInfo) -> Vec<Completed> {
        let mut all = classes::handler(&class.name).map_or_else(Vec::new, |handler| handler.completes(class));
        all.retain(|completed| self.shows(class, completed.property));
        all
    }

    /// The stored columns that are needed.
    fn columns(&self, schema: &'static Schema) -> impl Iterator<Item = &'static str> {
        let Place { view, class, .. } = self.place;
        let of_row = |class: &'static ClassInfo| self.completed(class).into_iter().flat_map(|made| made.of);
        let parts: Vec<&str> = schema.concrete(class).flat_map(of_row).collect();
        let is_empty = move |name: &str| {
            self.lazy == Lazy::Null && class.property(name).is_some_and(is_left_out_of_lists)
        };
        let wanted = move |name: &str| {
            let is_key = view.is_some_and(|view| view.key.contains(&name)) || name == CLASS_COLUMN;
            (self.keyed && is_key) || parts.contains(&name) || (self.shows(class, name) && !is_empty(name))
        };
        let columns = view.into_iter().flat_map(|view| view.columns).map(|column| column.name);
        columns.filter(move |name| wanted(name))
    }

    /// Whether it shows what is not stored and has a value.
    fn has_constants(&self) -> bool {
        let is_stored = |name: &str| self.place.view.is_some_and(|view| view.column(name).is_some());
        let mut shown =
            self.place.class.properties.iter().filter(|property| {
                self.shows(self.place.class, &property.name) && !is_stored(&property.name)
            });
        shown.any(|property| !property.default.is_null())
    }
}

#[cfg(test)]
mod tests {
    use cim::wql;

    use super::*;

    #[test]
    fn only_what_is_shown_or_made_into_it_is_read() {
        let check = |text: &str, lazy: Lazy, expect: &str| {
            let query = crate::query::check(Schema::shipped(), wql::parse(text).unwrap()).unwrap();
            let stored = Shape::of(Schema::shipped(), &query, lazy).unwrap().stored(query);
            assert_eq!(stored.to_string(), expect, "{text}");
        };
        let messages = "FROM Haulier_StatusMessage";
        let of = |names: &str| format!("SELECT {names} {messages}").replace("$", "Haulier_StatusMessage.");
        for (names, expect) in [
            ("Severity", of("$RecordID, $Severity")),
            ("InsertStrings", of("$InsertStrings, $RecordID")),
            ("Text", of("$InsertStrings, $MessageID, $RecordID")),
        ] {
            check(&format!("SELECT {names} {messages}"), Lazy::Null, &expect);
        }
        let join =
            "FROM SMS_DriverPackage AS a LEFT JOIN SMS_DriverPackage AS b ON b.PackageID = a.PackageID";
        check(
            &format!("SELECT DISTINCT a.Name, b.Name {join}"),
            Lazy::Null,
            &format!("SELECT DISTINCT a.Name, b.Name, b.__PRESENCE {join}"),
        );
        check(
            "SELECT DISTINCT LocalizedCategoryInstanceNames FROM SMS_DriverPackage",
            Lazy::Null,
            "SELECT DISTINCT SMS_DriverPackage.__PRESENCE FROM SMS_DriverPackage",
        );
    }
}
