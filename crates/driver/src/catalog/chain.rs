//! From a signer's certificate to a configured root: names, keys, validity, the right to issue, and what for. Policies
//! play no part. An issuer with a critical extension that is not understood here, such as name constraints, issues nothing;
//! no signer of drivers has been seen with one.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::key::{self, Fit};

/// Certificates in a chain, root included; real ones have at most six.
const CHAIN_CERTIFICATES_MAX: usize = 10;
/// Signatures of certificates that are checked for one chain, however many certificates claim the same names.
const CHAIN_CHECKS_MAX: usize = 100;

/// How a chain ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Trusted,
    /// A root is reached, but a certificate on the way had expired.
    Expired,
    /// A root is reached, but a certificate on the way was not valid yet.
    NotYetValid,
    UnknownRoot,
}

/// The chain of one certificate.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) end: End,
    /// Names from the certificate upwards, as far as it goes.
    pub(super) names: Vec<String>,
}

/// Looks for a way from `leaf` over certificates of `pool` to one of `roots`, all of it valid at `time`, on which every
/// issuer may issue for one of `usages` that the leaf has: the usages of issuers bound those below them. How long a root
/// itself is valid and what it is for play no part: configuring it says that it counts.
pub(super) fn chain(
    leaf: &Certificate,
    pool: &[&Certificate],
    roots: &[Certificate],
    usages: &[&[u8]],
    time: Timestamp,
) -> Chain {
    let own = bounded(leaf, usages);
    // What the leaf itself is not for is told by who asks.
    let usages = if own.is_empty() { usages } else { &own };
    let mut search = Search { pool, roots, time: Some(time), checks: 0, longest: Vec::new() };
    if let Some(names) = search.path(leaf, usages).map(|path| names(&path)) {
        return Chain { end: End::Trusted, names };
    }
    let mut search = Search { time: None, checks: 0, longest: Vec::new(), ..search };
    let Some(path) = search.path(leaf, usages) else {
        return Chain { end: End::UnknownRoot, names: search.longest };
    };
    let is_early =
        path.iter().any(|certificate| time < certificate.not_before && !is_root(roots, certificate));
    let end = if is_early { End::NotYetValid } else { End::Expired };
    Chain { end, names: names(&path) }
}

struct Search<'a> {
    pool: &'a [&'a Certificate],
    roots: &'a [Certificate],
    /// `None`: at any time.
    time: Option<Timestamp>,
    checks: usize,
    longest: Vec<String>,
}

impl<'a> Search<'a> {
    fn path(&mut self, leaf: &'a Certificate, usages: &[&[u8]]) -> Option<Vec<&'a Certificate>> {
        let mut path = vec![leaf];
        self.climb(&mut path, usages).then_some(path)
    }

    /// Extends `path` to a root; `usages` are what it is for up to here. Its depth is bounded by the length of the chain.
    fn climb(&mut self, path: &mut Vec<&'a Certificate>, usages: &[&[u8]]) -> bool {
        let current = path[path.len() - 1];
        if path.len() > self.longest.len() {
            self.longest = names(path);
        }
        if is_root(self.roots, current) {
            return true;
        }
        if path.len() == CHAIN_CERTIFICATES_MAX || self.time.is_some_and(|time| !current.is_valid_at(time)) {
            return false;
        }
        let (roots, pool) = (self.roots, self.pool);
        if let Some(root) = roots.iter().find(|root| self.has_issued(root, current)) {
            path.push(root);
            return true;
        }
        // The leaf does not count for a length constraint.
        let below = path.len() - 1;
        for issuer in pool {
            let usages = bounded(issuer, usages);
            let may_issue = issuer.issues.is_some_and(|most| below <= most) && !usages.is_empty();
            let is_new = !path.iter().any(|known| known.is_same_subject(issuer));
            if may_issue && is_new && self.has_issued(issuer, current) {
                path.push(issuer);
                if self.climb(path, &usages) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }

    fn has_issued(&mut self, issuer: &Certificate, below: &Certificate) -> bool {
        if !issuer.may_have_issued(below) || self.checks == CHAIN_CHECKS_MAX {
            return false;
        }
        self.checks += 1;
        key::fits(&issuer.key, &below.algorithm, None, &below.signed_part, &below.signature) == Fit::Fits
    }
}

/// Those of `usages` that a certificate may be used for.
fn bounded<'u>(certificate: &Certificate, usages: &[&'u [u8]]) -> Vec<&'u [u8]> {
    usages.iter().copied().filter(|usage| certificate.allows(&[usage])).collect()
}

fn is_root(roots: &[Certificate], certificate: &Certificate) -> bool {
    roots.iter().any(|root| root.is_same_subject(certificate))
}

fn names(path: &[&Certificate]) -> Vec<String> {
    path.iter().map(|certificate| certificate.name.clone()).collect()
}
