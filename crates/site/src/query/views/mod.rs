//! The classes that can be queried: the columns of each view, their kinds, and the key.
//!
//! A test compares this table with the views themselves on both back ends.

mod access;
mod association;
mod distribution;
mod drivers;
mod haulier;
mod packages;
mod site;
mod status;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A time.
    DateTime,
    /// Texts, each once; stored with a newline between them.
    TextList,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The property's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A class that can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The class's name.
    pub name: &'static str,
    /// The columns, in alphabetical order.
    pub columns: &'static [Column],
    /// The names of the key columns, in alphabetical order.
    pub key: &'static [&'static str],
}

impl View {
    /// The column of that name, whatever its case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The columns of the view that are the same in every row, with their SQL literals.
#[must_use]
pub fn constants(view: &View) -> Vec<(&'static str, &'static str)> {
    crate::db::constants(view.name)
}

/// The view of that name, whatever its case.
#[must_use]
pub fn find(name: &str) -> Option<&'static View> {
    all().find(|view| view.name.eq_ignore_ascii_case(name))
}

/// Every class that can be queried.
pub fn all() -> impl Iterator<Item = &'static View> {
    GROUPS.iter().copied().flatten()
}

/// One room for each group of classes.
const GROUPS: [&[View]; 8] = [
    packages::VIEWS,
    drivers::VIEWS,
    distribution::VIEWS,
    association::VIEWS,
    status::VIEWS,
    site::VIEWS,
    access::VIEWS,
    haulier::VIEWS,
];

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer }
}

const fn boolean(name: &'static str) -> Column {
    Column { name, kind: Kind::Boolean }
}

const fn text_list(name: &'static str) -> Column {
    Column { name, kind: Kind::TextList }
}

const fn time(name: &'static str) -> Column {
    Column { name, kind: Kind::DateTime }
}
