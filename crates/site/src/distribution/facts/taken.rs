//! Which facts of an agent were taken before.
//!
//! An agent numbers its facts and sends them in order, so the highest number says it all. Its clock says nothing: it may be
//! ahead, or set while the answer to a report was lost.

use agent::{Fact, RUN_CHARS_MAX};
use sea_query::{Expr, ExprTrait, Query};

use crate::db::{Row, Tx};
use crate::distribution::DpId;
use crate::error::{Result, SiteError};

/// Runs of an agent that are remembered, the latest. Facts wait for the site over restarts of the agent, and each restart
/// begins a run.
const RUNS_MAX: usize = 8;

/// The highest number that was taken of each run, the latest run last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    runs: Vec<(String, u64)>,
    is_changed: bool,
}

impl Taken {
    pub(super) fn read(point: &Row) -> Result<Self> {
        let text: String = point.get("facts_taken")?;
        let runs = serde_json::from_str(&text).map_err(|_| SiteError::corrupt("dp.facts_taken"))?;
        Ok(Self { runs, is_changed: false })
    }

    /// Whether a fact was not taken before. It is from now on. One without a number is always new.
    pub(super) fn is_new(&mut self, fact: &Fact) -> bool {
        let Some(serial) = fact.serial.as_ref().filter(|serial| serial.run.len() <= RUN_CHARS_MAX) else {
            return true;
        };
        let known = self.runs.iter().position(|(run, _)| *run == serial.run);
        let known = known.map(|at| self.runs.remove(at));
        let highest = known.as_ref().map_or(0, |(_, number)| *number);
        let is_new = known.is_none() || serial.number > highest;
        self.runs.push((serial.run.clone(), Ord::max(highest, serial.number)));
        if self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
        }
        self.is_changed |= is_new;
        is_new
    }

    pub(super) async fn store(&self, tx: &mut Tx, dp: DpId) -> Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let text = serde_json::to_string(&self.runs).expect("texts and numbers");
        let update = Query::update()
            .table("dp")
            .value("facts_taken", text)
            .and_where(Expr::col("id").eq(dp.0))
            .to_owned();
        tx.execute(&update).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use agent::{Event, Serial};

    use super::*;

    fn fact(run: &str, number: u64) -> Fact {
        Fact {
            package_id: "PS100001".to_owned(),
            generation: 1,
            at: String::new(),
            serial: Some(Serial { run: run.to_owned(), number }),
            event: Event::Removed,
        }
    }

    #[test]
    fn a_number_is_new_once_in_each_run() {
        let mut taken = Taken::default();
        for (run, number, expect) in [
            ("a", 5, true),
            ("a", 6, true),
            ("b", 1, true),
            // What waited since the run before comes again with what is new.
            ("a", 5, false),
            ("a", 6, false),
            ("b", 1, false),
            ("b", 2, true),
            ("a", 9, true),
        ] {
            assert_eq!(taken.is_new(&fact(run, number)), expect, "{run} {number}");
        }
        assert_eq!(taken.runs, [("b".to_owned(), 2), ("a".to_owned(), 9)]);
        for run in 0..RUNS_MAX {
            assert!(taken.is_new(&fact(&run.to_string(), 0)), "a number may be 0");
        }
        assert_eq!(taken.runs.len(), RUNS_MAX);
        let long = "x".repeat(RUN_CHARS_MAX + 1);
        assert!(taken.is_new(&fact(&long, 1)) && taken.is_new(&fact(&long, 1)), "that is no run");
        assert!(taken.is_new(&Fact { serial: None, ..fact("", 0) }));
    }
}
