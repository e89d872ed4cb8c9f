//! Objects in memory, for tests and for measuring without a disk.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::{ObjectInfo, ObjectKey, ObjectKind, ObjectStore, StoreError};

/// Objects in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<ObjectKey, Vec<u8>>>,
}

impl MemoryStore {
    /// Empty.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Vec<u8>>> {
        self.objects.lock().expect("no one panics while holding the objects")
    }
}

impl ObjectStore for MemoryStore {
    fn put_file(&self, key: ObjectKey, file: &Path) -> Result<(), StoreError> {
        let bytes = std::fs::read(file).map_err(|error| StoreError::io(&key, error))?;
        self.put_bytes(key, &bytes)
    }

    fn put_bytes(&self, key: ObjectKey, bytes: &[u8]) -> Result<(), StoreError> {
        self.objects().insert(key, bytes.to_vec());
        Ok(())
    }

    fn read(&self, key: ObjectKey, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let objects = self.objects();
        let object = objects.get(&key).ok_or(StoreError::NotFound { key })?;
        let index = |at: u64| usize::try_from(at).map_err(|_| StoreError::OutOfRange { key });
        let bytes =
            object.get(index(range.start)?..index(range.end)?).ok_or(StoreError::OutOfRange { key })?;
        Ok(bytes.to_vec())
    }

    fn size(&self, key: ObjectKey) -> Result<Option<u64>, StoreError> {
        Ok(self.objects().get(&key).map(|object| object.len() as u64))
    }

    fn list(&self, kind: ObjectKind, found: &mut dyn FnMut(ObjectInfo)) -> Result<(), StoreError> {
        let listed: Vec<ObjectInfo> = self
            .objects()
            .iter()
            .filter(|(key, _)| key.kind() == kind)
            .map(|(key, object)| ObjectInfo { key: *key, bytes: object.len() as u64 })
            .collect();
        listed.into_iter().for_each(found);
        Ok(())
    }

    fn delete(&self, key: ObjectKey) -> Result<(), StoreError> {
        self.objects().remove(&key);
        Ok(())
    }

    fn local_path(&self, _key: ObjectKey) -> Option<PathBuf> {
        None
    }
}
