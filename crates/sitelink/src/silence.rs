//! Neighbors that are silent: each attempt on them takes minutes to fail, so they get few places, and in turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use site::{Need, Neighbor};

use crate::pull::Ended;

/// Whether something came from the neighbor in a pull that is under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<AtomicBool>);

impl Heard {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Attempts in vain in a row since something came, by neighbor.
#[derive(Debug, Default)]
pub(crate) struct Silence(HashMap<Neighbor, u32>);

impl Silence {
    pub(crate) fn is_silent(&self, neighbor: &Neighbor) -> bool {
        self.0.contains_key(neighbor)
    }

    /// A pull under way brought something.
    pub(crate) fn ends(&mut self, neighbor: &Neighbor) {
        self.0.remove(neighbor);
    }

    /// A pull ended.
    pub(crate) fn note(&mut self, neighbor: &Neighbor, heard: &Heard, ended: &Ended) {
        match ended {
            Ended::Failed { unreachable: true, .. } if !heard.get() => {
                *self.0.entry(neighbor.clone()).or_default() += 1;
            }
            // What failed here, or was stopped, says nothing of the neighbor.
            Ended::Failed { passing: false, .. } | Ended::Stopped if !heard.get() => {}
            _ => self.ends(neighbor),
        }
    }

    /// Those that answer come first. The silent ones take turns: who was tried in vain most often comes last.
    pub(crate) fn order(&self, due: &mut [Need]) {
        due.sort_by_key(|need| self.0.get(&need.from).copied().unwrap_or(0));
    }
}
