//! Brings the index in line with what is really in the store: after a crash, after damage, after a loss.
//!
//! The packs and manifest roots are the truth. An object that the index does not know is taken in; what the
//! index knows and the store has lost is forgotten, and with it what the sources looked like, so that the next snapshot
//! reads them again and stores what is missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::format::{ManifestRoot, PACK_FOOTER_BYTES, PackFooter, PackIndex, ROOT_BYTES_MAX};
use crate::ids::{ManifestId, PackId};
use crate::library::Library;
use crate::refs::{ManifestRecord, RefState};
use crate::store::{ObjectKey, ObjectKind, ObjectStore};

/// Packs taken in within one transaction of the index.
const PACKS_A_TRANSACTION: usize = 32;

/// See the module. With `fresh`, the index was empty: who wanted a manifest is unknown then, so every one
/// counts as wanted once until the site recounts.
pub(crate) fn reconcile(library: &Library, fresh: bool) -> Result<(), Error> {
    let packs = listed(library, ObjectKind::Pack)?;
    let manifests = listed(library, ObjectKind::Manifest)?;
    forget_lost_packs(library, &packs)?;
    adopt_packs(library, &packs)?;
    adopt_manifests(library, &manifests, fresh)?;
    restore_roots(library, &manifests)
}

fn listed(library: &Library, kind: ObjectKind) -> Result<BTreeMap<ObjectKey, u64>, Error> {
    let mut objects = BTreeMap::new();
    library.store.list(kind, &mut |object| {
        objects.insert(object.key, object.bytes);
    })?;
    Ok(objects)
}

/// A pack that has another size stays known: verify saves what is left of it.
fn forget_lost_packs(library: &Library, listed: &BTreeMap<ObjectKey, u64>) -> Result<(), Error> {
    let known = library.index.read()?.packs()?;
    for (id, record) in known {
        match listed.get(&ObjectKey::Pack(id)) {
            Some(bytes) if *bytes == record.bytes => {}
            Some(_) => {
                tracing::warn!(pack = %id, "A pack has not the size it was written with; run a verify")
            }
            None => {
                tracing::warn!(pack = %id, "A pack is missing from the store; run a verify");
                library.index.write(|tables| {
                    tables.drop_locations(record.number, None)?;
                    tables.remove_pack(id, record)?;
                    tables.forget_sources(|_| true)
                })?;
            }
        }
    }
    Ok(())
}

fn adopt_packs(library: &Library, listed: &BTreeMap<ObjectKey, u64>) -> Result<(), Error> {
    let known: BTreeSet<PackId> = library.index.read()?.packs()?.into_iter().map(|(id, _)| id).collect();
    let unknown: Vec<(PackId, u64)> = listed
        .iter()
        .filter_map(|(key, bytes)| match key {
            ObjectKey::Pack(id) if !known.contains(id) => Some((*id, *bytes)),
            _ => None,
        })
        .collect();
    let now = library.now_s();
    for group in unknown.chunks(PACKS_A_TRANSACTION) {
        library.index.write(|tables| {
            for (id, bytes) in group {
                match read_index(&*library.store, *id, *bytes) {
                    Ok((footer, index)) => tables.add_pack(*id, now, *bytes, footer, &index.entries)?,
                    Err(error) => tracing::warn!(pack = %id, %error, "A pack cannot be read and is left out"),
                }
            }
            Ok(())
        })?;
    }
    if !unknown.is_empty() {
        tracing::info!(packs = unknown.len(), "Took packs into the index that it did not know");
    }
    Ok(())
}

/// Reads a pack's own index.
pub(crate) fn read_index(
    store: &dyn ObjectStore,
    id: PackId,
    pack_bytes: u64,
) -> Result<(PackFooter, PackIndex), Error> {
    let key = ObjectKey::Pack(id);
    let footer_at = pack_bytes.saturating_sub(PACK_FOOTER_BYTES);
    let footer = PackFooter::decode(&store.read(key, footer_at..pack_bytes)?, pack_bytes)?;
    let index = store.read(key, footer.index_offset..footer.index_offset + footer.index_bytes)?;
    Ok((footer, PackIndex::decode(&index, id)?))
}

fn adopt_manifests(library: &Library, listed: &BTreeMap<ObjectKey, u64>, fresh: bool) -> Result<(), Error> {
    let state = if fresh { RefState::Present(1) } else { RefState::Deletable(library.now_s()) };
    for (key, bytes) in listed {
        let ObjectKey::Manifest(id) = key else { continue };
        if library.index.read()?.manifest(*id)?.is_some() {
            continue;
        }
        match read_root(library, *id, *bytes) {
            Ok(root) => {
                let record = ManifestRecord { state, root };
                library.index.write(|tables| tables.set_manifest(*id, &record.encode()))?;
            }
            Err(error) => tracing::warn!(manifest = %id, %error, "A manifest cannot be read and is left out"),
        }
    }
    Ok(())
}

pub(crate) fn read_root(library: &Library, id: ManifestId, bytes: u64) -> Result<Vec<u8>, Error> {
    let root = library.store.read(ObjectKey::Manifest(id), 0..bytes.min(ROOT_BYTES_MAX))?;
    ManifestRoot::decode(&root, id)?;
    Ok(root)
}

/// The index keeps each root: an object that the store lost is put back.
fn restore_roots(library: &Library, listed: &BTreeMap<ObjectKey, u64>) -> Result<(), Error> {
    for (id, record) in library.index.read()?.manifests()? {
        if !listed.contains_key(&ObjectKey::Manifest(id)) {
            let record = ManifestRecord::decode(&record)?;
            tracing::warn!(manifest = %id, "A manifest is missing from the store and is put back");
            library.store.put_bytes(ObjectKey::Manifest(id), &record.root)?;
        }
    }
    Ok(())
}
