//! The tree of sites, and in which direction each of them lies.

use std::collections::HashMap;

use sea_query::Query;

use crate::db::Tx;
use crate::error::Result;
use crate::server::Site;

/// The most levels that are followed: a tree of sites has three or four, and a ring must not hold anybody up.
const LEVELS_MAX: usize = 32;

/// A site that this one is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Neighbor {
    /// The site above.
    Parent,
    /// A site below, by its code.
    Child(String),
}

/// Where the way to a site begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// It is this site.
    Own,
    /// The way leads to a neighbor.
    To(Neighbor),
}

/// The tree as one site knows it.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    own: String,
    /// The parent of each site.
    parents: HashMap<String, Option<String>>,
}

impl Site {
    /// Where the way to a site begins; absent for a code that no known site has.
    pub async fn next_hop(&self, site_code: &str) -> Result<Option<NextHop>> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        tx.commit().await?;
        Ok(topology.next_hop(site_code))
    }

    /// The neighbors of this site, the parent first.
    pub async fn neighbors(&self) -> Result<Vec<Neighbor>> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        tx.commit().await?;
        Ok(topology.neighbors())
    }
}

impl Topology {
    pub(crate) async fn load(tx: &mut Tx, site: &Site) -> Result<Self> {
        let select = Query::select().columns(["site_code", "parent_code"]).from("site_node").to_owned();
        let rows = tx.all(&select).await?;
        let parents = rows.iter().map(|row| Ok((row.get("site_code")?, row.get("parent_code")?)));
        Ok(Self { own: site.identity().site_code.clone(), parents: parents.collect::<Result<_>>()? })
    }

    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The code of this site's parent.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.parent_of(&self.own)
    }

    /// The code of the site above another; absent also for a code that nobody has.
    pub(crate) fn parent_of(&self, site_code: &str) -> Option<&str> {
        self.parents.get(site_code)?.as_deref()
    }

    pub(crate) fn knows(&self, site_code: &str) -> bool {
        self.parents.contains_key(site_code)
    }

    pub(crate) fn neighbors(&self) -> Vec<Neighbor> {
        let children = self.parents.iter().filter(|(_, parent)| parent.as_ref() == Some(&self.own));
        let mut children: Vec<_> = children.map(|(code, _)| Neighbor::Child(code.clone())).collect();
        children.sort_unstable_by(|one, other| self.code_of(one).cmp(&self.code_of(other)));
        self.parent().map(|_| Neighbor::Parent).into_iter().chain(children).collect()
    }

    /// The code of a neighbor.
    pub(crate) fn code_of<'t>(&'t self, neighbor: &'t Neighbor) -> Option<&'t str> {
        match neighbor {
            Neighbor::Parent => self.parent(),
            Neighbor::Child(code) => Some(code),
        }
    }

    /// Whether this is a neighbor of the site.
    pub(crate) fn is_neighbor(&self, neighbor: &Neighbor) -> bool {
        match neighbor {
            Neighbor::Parent => self.parent().is_some(),
            Neighbor::Child(code) => {
                self.parents.get(code).is_some_and(|parent| parent.as_ref() == Some(&self.own))
            }
        }
    }

    /// Where the way to a site begins: up, unless the site is below this one.
    pub(crate) fn next_hop(&self, site_code: &str) -> Option<NextHop> {
        let mut below: Option<&str> = None;
        let mut at = site_code;
        for _ in 0..LEVELS_MAX {
            if at == self.own {
                return Some(
                    below.map_or(NextHop::Own, |child| NextHop::To(Neighbor::Child(child.to_owned()))),
                );
            }
            match self.parents.get(at) {
                None if at == site_code => return None,
                None | Some(None) => break,
                Some(Some(parent)) => (below, at) = (Some(at), parent),
            }
        }
        self.parent().map(|_| NextHop::To(Neighbor::Parent))
    }

    /// Whether the way to a site begins with this neighbor.
    pub(crate) fn lies_towards(&self, site_code: &str, neighbor: &Neighbor) -> bool {
        matches!(self.next_hop(site_code), Some(NextHop::To(hop)) if hop == *neighbor)
    }

    /// A site and those above it.
    fn upwards<'t>(&'t self, site_code: &'t str) -> impl Iterator<Item = &'t str> {
        std::iter::successors(Some(site_code), |code| self.parents.get(*code)?.as_deref()).take(LEVELS_MAX)
    }

    /// The codes of a site and of those above it, from below.
    pub(crate) fn with_those_above(&self, site_code: &str) -> Vec<String> {
        self.upwards(site_code).map(str::to_owned).collect()
    }

    /// The codes of all sites.
    pub(crate) fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<&str> = self.parents.keys().map(String::as_str).collect();
        codes.sort_unstable();
        codes
    }

    /// How many levels lead down to a site.
    pub(crate) fn depth(&self, site_code: &str) -> usize {
        self.upwards(site_code).count()
    }

    /// A site and those below it, the lowest first.
    pub(crate) fn branch(&self, site_code: &str) -> Vec<String> {
        let is_in = |code: &&String| self.upwards(code).any(|at| at == site_code);
        let mut branch: Vec<String> = self.parents.keys().filter(is_in).cloned().collect();
        branch.sort_by_key(|code| std::cmp::Reverse(self.depth(code)));
        branch
    }

    /// Whether a site is this one or below it.
    pub(crate) fn is_in_own_branch(&self, site_code: &str) -> bool {
        matches!(self.next_hop(site_code), Some(NextHop::Own | NextHop::To(Neighbor::Child(_))))
    }

    /// Which site speaks for a package: its owner, or where nobody knows that site, the site that made it.
    pub(crate) fn speaker<'p>(&self, package_id: &'p str, source_site: &'p str) -> &'p str {
        match self.knows(source_site) {
            true => source_site,
            false => package_id.get(..SITE_CODE_CHARS).unwrap_or(source_site),
        }
    }
}

/// A package's id begins with the code of the site that made it.
const SITE_CODE_CHARS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(own: &str, edges: &[(&str, Option<&str>)]) -> Topology {
        let parents =
            edges.iter().map(|(code, parent)| ((*code).to_owned(), parent.map(str::to_owned))).collect();
        Topology { own: own.to_owned(), parents }
    }

    const HIERARCHY: &[(&str, Option<&str>)] = &[
        ("CAS", None),
        ("PS1", Some("CAS")),
        ("PS2", Some("CAS")),
        ("S01", Some("PS1")),
        ("S02", Some("PS1")),
    ];

    #[test]
    fn every_way_begins_with_one_neighbor() {
        let check = |own: &str, to: &str, expect: Option<&str>| {
            let hop = tree(own, HIERARCHY).next_hop(to).map(|hop| match hop {
                NextHop::Own => "own".to_owned(),
                NextHop::To(Neighbor::Parent) => "parent".to_owned(),
                NextHop::To(Neighbor::Child(code)) => code,
            });
            assert_eq!(hop.as_deref(), expect, "from {own} to {to}");
        };
        check("PS1", "PS1", Some("own"));
        check("PS1", "CAS", Some("parent"));
        check("PS1", "PS2", Some("parent"));
        check("PS1", "S01", Some("S01"));
        check("CAS", "S02", Some("PS1"));
        check("CAS", "PS2", Some("PS2"));
        check("S01", "S02", Some("parent"));
        check("CAS", "XYZ", None);
        check("PS1", "XYZ", None);
    }

    #[test]
    fn neighbors_are_the_parent_and_the_children() {
        let codes = |own: &str| {
            let tree = tree(own, HIERARCHY);
            tree.neighbors().iter().map(|n| tree.code_of(n).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(codes("CAS"), ["PS1", "PS2"]);
        assert_eq!(codes("PS1"), ["CAS", "S01", "S02"]);
        assert_eq!(codes("S01"), ["PS1"]);
        let tree = tree("PS1", HIERARCHY);
        assert!(tree.is_neighbor(&Neighbor::Child("S01".to_owned())));
        assert!(!tree.is_neighbor(&Neighbor::Child("PS2".to_owned())), "a sister is none");
    }

    #[test]
    fn a_ring_and_a_gap_end() {
        let ring = tree("PS1", &[("PS1", None), ("A", Some("B")), ("B", Some("A"))]);
        assert_eq!(ring.next_hop("A"), None);
        let gap = tree("PS1", &[("PS1", Some("CAS")), ("S09", Some("PS9"))]);
        assert_eq!(gap.next_hop("S09"), Some(NextHop::To(Neighbor::Parent)));
        assert_eq!(gap.speaker("S0900001", "XYZ"), "S09", "who made the package speaks for it");
    }
}
