//! Who wants which manifest. One state for each, and every transition in this file:
//!
//! ```text
//!   snapshot           retain                 retain
//!  ----------> Deletable(since) ----> Present(1) ----> Present(n)
//!                    |       <----              <----
//!                    | collect, after the grace   release
//!                    v
//!                  absent
//! ```

use crate::error::Error;
use crate::format::{ManifestRoot, Reader, put_signed, put_varint};
use crate::ids::ManifestId;

/// Whether a manifest is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefState {
    /// Retained this many times, at least once.
    Present(u64),
    /// Wanted by nobody since this time, Unix seconds; goes when the grace is over.
    Deletable(i64),
}

impl RefState {
    /// One more wants it.
    #[must_use]
    pub(crate) fn retained(self) -> RefState {
        match self {
            RefState::Present(count) => RefState::Present(count + 1),
            RefState::Deletable(_) => RefState::Present(1),
        }
    }

    /// One fewer wants it; `None` if nobody did.
    pub(crate) fn released(self, now: i64) -> Option<RefState> {
        match self {
            RefState::Present(0 | 1) => Some(RefState::Deletable(now)),
            RefState::Present(count) => Some(RefState::Present(count - 1)),
            RefState::Deletable(_) => None,
        }
    }

    /// A snapshot produced it again: the grace begins anew.
    #[must_use]
    pub(crate) fn renewed(self, now: i64) -> RefState {
        match self {
            RefState::Deletable(_) => RefState::Deletable(now),
            present @ RefState::Present(_) => present,
        }
    }

    /// What the state is when exactly `count` want it.
    #[must_use]
    pub(crate) fn recounted(self, count: u64, now: i64) -> RefState {
        match (self, count) {
            (RefState::Deletable(since), 0) => RefState::Deletable(since),
            (RefState::Present(_), 0) => RefState::Deletable(now),
            (_, count) => RefState::Present(count),
        }
    }

    /// Whether collect may remove it.
    #[must_use]
    pub(crate) fn is_expired(self, now: i64, grace_s: i64) -> bool {
        matches!(self, RefState::Deletable(since) if since.saturating_add(grace_s) <= now)
    }
}

/// A manifest in the index: its state, and its root, so that a lost root object can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestRecord {
    pub(crate) state: RefState,
    pub(crate) root: Vec<u8>,
}

impl ManifestRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.root.len() + 12);
        match self.state {
            RefState::Present(count) => {
                out.push(1);
                put_varint(&mut out, count);
            }
            RefState::Deletable(since) => {
                out.push(2);
                put_signed(&mut out, since);
            }
        }
        put_varint(&mut out, self.root.len() as u64);
        out.extend_from_slice(&self.root);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<ManifestRecord, Error> {
        let mut reader = Reader::new(bytes, "manifest record");
        let state = match reader.u8()? {
            1 => RefState::Present(reader.varint()?),
            2 => RefState::Deletable(reader.signed()?),
            _ => return Err(reader.malformed("a state is unknown").into()),
        };
        let len = reader.varint_usize(bytes.len())?;
        let root = reader.bytes(len)?.to_vec();
        reader.finish()?;
        Ok(ManifestRecord { state, root })
    }

    /// The decoded root.
    pub(crate) fn root(&self, id: ManifestId) -> Result<ManifestRoot, Error> {
        Ok(ManifestRoot::decode(&self.root, id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::RefState::{Deletable, Present};
    use super::*;

    #[test]
    fn every_transition() {
        assert_eq!(Deletable(5).retained(), Present(1));
        assert_eq!(Present(1).retained(), Present(2));
        assert_eq!(Present(2).released(9), Some(Present(1)));
        assert_eq!(Present(1).released(9), Some(Deletable(9)));
        assert_eq!(Deletable(5).released(9), None);
        assert_eq!(Deletable(5).renewed(9), Deletable(9));
        assert_eq!(Present(3).renewed(9), Present(3));
        for (state, count, expect) in [
            (Present(3), 1, Present(1)),
            (Present(3), 0, Deletable(9)),
            (Deletable(5), 0, Deletable(5)),
            (Deletable(5), 2, Present(2)),
        ] {
            assert_eq!(state.recounted(count, 9), expect);
        }
    }

    #[test]
    fn only_the_unwanted_expire_and_only_after_the_grace() {
        assert!(!Present(1).is_expired(i64::MAX, 0));
        assert!(!Deletable(100).is_expired(109, 10));
        assert!(Deletable(100).is_expired(110, 10));
        assert!(!Deletable(100).is_expired(110, i64::MAX));
    }

    #[test]
    fn records_round_trip() {
        for state in [Present(7), Deletable(-3)] {
            let record = ManifestRecord { state, root: vec![1, 2, 3] };
            assert_eq!(ManifestRecord::decode(&record.encode()).unwrap(), record);
        }
        assert!(ManifestRecord::decode(&[9]).is_err());
    }
}
