//! Taking a prestaged file in, into a site's library or a distribution point's store: the way of a transfer, with
//! the file in place of the network. Nothing is visible before all of it is there and proven.

use std::io::{Read, Seek};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{PrestageError, Prestaged};
use crate::error::Error;
use crate::holder::{Holder, HolderError, Pull};
use crate::ids::PackId;
use crate::library::Library;
use crate::monitor::{Counter, Monitor};
use crate::plan::{Fed, FetchRange, Plan};
use crate::refs::RefState;
use crate::replica::Replica;

/// What an import brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Whether the version was there already, whole, so that nothing was done.
    pub already_held: bool,
    /// Files of the version.
    pub files: u64,
    /// Bytes of all files of the version.
    pub bytes: u64,
    /// Stored bytes that were taken from the prestaged file; what was held already is not among them.
    pub taken_bytes: u64,
}

impl Library {
    /// Takes the version in and retains it, as [`Replica::finish`] does. One that is retained already is left as
    /// it is, but for lost chunks, which come back.
    pub fn import<R: Read + Seek>(
        self: &Arc<Library>,
        file: &mut Prestaged<R>,
        monitor: &dyn Monitor,
    ) -> Result<Imported, PrestageError> {
        let id = file.label().manifest;
        let is_held = matches!(self.ref_state(id)?, Some(RefState::Present(_)));
        let mut taken_bytes = 0;
        let already_held = is_held && self.manifest(id).is_ok() && self.lost_chunks(id)?.is_empty();
        if !already_held {
            let replica = self.begin_replica(id, file.root())?;
            taken_bytes = bring_in(&replica, file, monitor)?;
            if is_held {
                replica.seal()?;
            } else {
                replica.finish()?;
            }
        }
        let root = self.root(id)?;
        Ok(Imported { already_held, files: root.files, bytes: root.bytes, taken_bytes })
    }
}

impl Holder {
    /// Takes the version in and makes it durable. It is not served before [`Holder::activate`], whether it is
    /// newer or older than the served one. No pull of the same version may run meanwhile.
    /// Errors: [`PrestageError::Conflict`] if the version is held with other content.
    pub fn import<R: Read + Seek>(
        &self,
        file: &mut Prestaged<R>,
        monitor: &dyn Monitor,
    ) -> Result<Imported, PrestageError> {
        let (package, version) = (file.label().package_id.clone(), file.label().version);
        let manifest = file.label().manifest;
        match self.version(&package, version)? {
            Some(held) if held.manifest != manifest => {
                return Err(PrestageError::Conflict { package, version });
            }
            Some(held) if !self.lacks_files(&package)? => {
                let (files, bytes) = (held.files, held.bytes);
                return Ok(Imported { already_held: true, files, bytes, taken_bytes: 0 });
            }
            _ => {}
        }
        let stop = Arc::new(AtomicBool::new(false));
        let pull = self.begin(&package, version, manifest, file.root(), stop)?;
        let taken_bytes = bring_in(&pull, file, monitor)?;
        let installed = pull.finish()?;
        Ok(Imported { already_held: false, files: installed.files, bytes: installed.bytes, taken_bytes })
    }
}

/// Who takes a version in.
trait Receiver {
    type Error: Into<PrestageError>;

    fn set_route(&self, packs: &[PackId]) -> Result<Vec<PackId>, Self::Error>;
    fn add_pack_index(&self, pack: &PackId, bytes: &[u8]) -> Result<(), Self::Error>;
    fn plan_manifest(&self) -> Result<Plan, Self::Error>;
    fn plan_content(&self) -> Result<Plan, Self::Error>;
    fn feed(&self, range: &FetchRange, bytes: &[u8]) -> Result<Fed, Self::Error>;
}

macro_rules! receiver {
    ($kind:ty, $error:ty) => {
        impl Receiver for $kind {
            type Error = $error;

            fn set_route(&self, packs: &[PackId]) -> Result<Vec<PackId>, $error> {
                <$kind>::set_route(self, packs)
            }

            fn add_pack_index(&self, pack: &PackId, bytes: &[u8]) -> Result<(), $error> {
                <$kind>::add_pack_index(self, pack, bytes)
            }

            fn plan_manifest(&self) -> Result<Plan, $error> {
                <$kind>::plan_manifest(self)
            }

            fn plan_content(&self) -> Result<Plan, $error> {
                <$kind>::plan_content(self)
            }

            fn feed(&self, range: &FetchRange, bytes: &[u8]) -> Result<Fed, $error> {
                <$kind>::feed(self, range, bytes)
            }
        }
    };
}

receiver!(Replica, Error);
receiver!(Pull, HolderError);

/// Gives the receiver what it lacks; gives the stored bytes that it took.
fn bring_in<T: Receiver, R: Read + Seek>(
    receiver: &T,
    file: &mut Prestaged<R>,
    monitor: &dyn Monitor,
) -> Result<u64, PrestageError> {
    let packs = file.packs();
    for pack in receiver.set_route(&packs).map_err(Into::into)? {
        let index = file.index(pack)?;
        receiver.add_pack_index(&pack, &index).map_err(Into::into)?;
    }
    let of_manifest = follow(receiver, T::plan_manifest, file, monitor)?;
    Ok(of_manifest + follow(receiver, T::plan_content, file, monitor)?)
}

/// Plans and feeds until nothing is missing. Each plan must bring something, so this ends.
fn follow<T: Receiver, R: Read + Seek>(
    receiver: &T,
    plan: impl Fn(&T) -> Result<Plan, T::Error>,
    file: &mut Prestaged<R>,
    monitor: &dyn Monitor,
) -> Result<u64, PrestageError> {
    let mut taken_bytes = 0;
    loop {
        let next = plan(receiver).map_err(Into::into)?;
        if next.is_empty() {
            return Ok(taken_bytes);
        }
        let mut placed = 0;
        for range in next.rounds.iter().flatten() {
            if monitor.cancelled() {
                return Err(PrestageError::Cancelled);
            }
            let bytes = file.range(range)?;
            placed += receiver.feed(range, &bytes).map_err(Into::into)?.placed;
            taken_bytes += range.len;
            monitor.count(Counter::StoredBytes, range.len);
        }
        if placed == 0 {
            return Err(PrestageError::Incomplete);
        }
    }
}
