//! The end of an assignment: nothing of the package is left.

use agent::link::{DpName, Gone};
use sea_query::Query;

use super::Record;
use crate::distribution::demand::at;
use crate::distribution::state::{Event, Next, transition};
use crate::error::Result;
use crate::hierarchy::tombstone;
use crate::package::{by_id, delete};
use crate::status::Message;

impl Record<'_> {
    pub(super) async fn removed(&mut self) -> Result<Vec<String>> {
        let id = &self.fact.package_id;
        match transition(self.row.state, Event::Removed)? {
            Next::Gone => {
                let gone = Query::delete()
                    .from_table("distribution")
                    .and_where(by_id(id))
                    .and_where(at(self.row.dp))
                    .to_owned();
                self.tx.execute(&gone).await?;
                self.say(Message::removed).await?;
                if self.here.is_some() {
                    self.bury().await?;
                }
                delete::finish(self.tx, id, self.at).await
            }
            Next::State(state) => {
                let mut update = self.going_on();
                update.value("state", i64::from(state.number())).value("installed_version", 0i64);
                self.store(&mut update).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Tells the sites above and the package's owner that nothing is left.
    async fn bury(&mut self) -> Result<()> {
        let select = Query::select()
            .columns(["source_site", "owner_epoch"])
            .from("package")
            .and_where(by_id(&self.fact.package_id))
            .to_owned();
        let Some(package) = self.tx.optional(&select).await? else { return Ok(()) };
        let (epoch, generation) = match package.get::<String>("source_site")? == self.reporter.site_code {
            true => (package.get("owner_epoch")?, self.row.generation),
            false => (self.row.owner_epoch, self.row.owner_generation),
        };
        let dp =
            DpName { site_code: self.reporter.site_code.to_owned(), name: self.reporter.name.to_owned() };
        let gone = Gone::Distribution { package_id: self.fact.package_id.clone(), dp, epoch, generation };
        tombstone::bury(self.tx, "", gone, self.at).await
    }
}
