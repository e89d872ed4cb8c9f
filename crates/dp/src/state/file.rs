//! The file of the agent's memory: rows and facts, each as JSON by its key.

use std::collections::BTreeMap;
use std::path::Path;

use agent::Fact;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;

use super::Row;

/// Memory that the file may use for pages.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

const ROWS: TableDefinition<&str, &[u8]> = TableDefinition::new("packages");
const FACTS: TableDefinition<u64, &[u8]> = TableDefinition::new("facts");

/// What a change does to the file.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) rows: Vec<(String, Option<Vec<u8>>)>,
    pub(super) added: Vec<(u64, Vec<u8>)>,
    pub(super) removed: Vec<u64>,
}

impl Change {
    pub(super) fn write(&self, database: &Database) -> Result<(), redb::Error> {
        let txn = database.begin_write()?;
        self.write_in(&txn)?;
        txn.commit()?;
        Ok(())
    }

    pub(super) fn write_anew(&self, database: &Database) -> Result<(), redb::Error> {
        let txn = database.begin_write()?;
        txn.delete_table(ROWS)?;
        txn.delete_table(FACTS)?;
        self.write_in(&txn)?;
        txn.commit()?;
        Ok(())
    }

    fn write_in(&self, txn: &redb::WriteTransaction) -> Result<(), redb::Error> {
        let (mut rows, mut facts) = (txn.open_table(ROWS)?, txn.open_table(FACTS)?);
        for (package, row) in &self.rows {
            match row {
                Some(row) => drop(rows.insert(package.as_str(), row.as_slice())?),
                None => drop(rows.remove(package.as_str())?),
            }
        }
        for (number, fact) in &self.added {
            facts.insert(number, fact.as_slice())?;
        }
        for number in &self.removed {
            facts.remove(number)?;
        }
        Ok(())
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows and facts are plain data")
}

pub(super) fn open(path: &Path) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    Ok(builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?)
}

/// What the file has.
type Read = (Database, BTreeMap<String, Row>, BTreeMap<u64, Fact>);

/// Rows and facts that a newer or older program wrote differently are left out; the site says them again.
pub(super) fn read(path: &Path) -> Result<Read, redb::Error> {
    let database = open(path)?;
    let txn = database.begin_write()?;
    txn.open_table(ROWS)?;
    txn.open_table(FACTS)?;
    txn.commit()?;
    let (mut rows, mut facts) = (BTreeMap::new(), BTreeMap::new());
    let txn = database.begin_read()?;
    for entry in txn.open_table(ROWS)?.iter()? {
        let (package, bytes) = entry?;
        rows.extend(serde_json::from_slice(bytes.value()).ok().map(|row| (package.value().to_owned(), row)));
    }
    for entry in txn.open_table(FACTS)?.iter()? {
        let (number, bytes) = entry?;
        facts.extend(serde_json::from_slice(bytes.value()).ok().map(|fact| (number.value(), fact)));
    }
    drop(txn);
    Ok((database, rows, facts))
}
