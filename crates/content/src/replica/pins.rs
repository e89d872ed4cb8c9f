//! What versions on their way in need of the library: the collector leaves it alone.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::format::{Manifest, ManifestRoot};
use crate::ids::ChunkId;
use crate::library::chunks_of;

/// The replicas of a library that are under way.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    next: AtomicU64,
    needs: Mutex<HashMap<u64, Need>>,
}

#[derive(Debug)]
struct Need {
    root: ManifestRoot,
    /// `None` until the manifest is whole.
    manifest: Option<Arc<Manifest>>,
}

impl Pins {
    /// Adds every chunk that some replica needs, whether it came already or was here before.
    pub(crate) fn extend_into(&self, alive: &mut HashSet<ChunkId>) {
        let none = Manifest::default();
        for need in self.needs().values() {
            let manifest = need.manifest.as_deref().unwrap_or(&none);
            alive.extend(chunks_of(&need.root, manifest).map(|chunk| chunk.id));
        }
    }

    fn needs(&self) -> MutexGuard<'_, HashMap<u64, Need>> {
        self.needs.lock().expect("no one panics while holding the pins")
    }
}

/// Holds back what one replica needs, as long as it lives.
#[derive(Debug)]
pub(super) struct Pin {
    pins: Arc<Pins>,
    number: u64,
}

impl Pin {
    pub(super) fn new(pins: &Arc<Pins>, root: &ManifestRoot) -> Pin {
        let number = pins.next.fetch_add(1, Ordering::Relaxed);
        pins.needs().insert(number, Need { root: root.clone(), manifest: None });
        Pin { pins: Arc::clone(pins), number }
    }

    /// The files are known now.
    pub(super) fn extend(&self, manifest: &Arc<Manifest>) {
        let mut needs = self.pins.needs();
        let need = needs.get_mut(&self.number).expect("a pin is registered as long as it lives");
        need.manifest = Some(Arc::clone(manifest));
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.needs().remove(&self.number);
    }
}
