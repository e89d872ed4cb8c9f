//! A store whose calls a test counts, refuses and follows.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use content::{LocalStore, ObjectInfo, ObjectKey, ObjectKind, ObjectStore, StoreError};

/// A store that keeps a record of its calls, and lets a test look in before each, and after those that put something.
pub(crate) struct Recording {
    inner: LocalStore,
    calls: Mutex<Vec<(&'static str, ObjectKind)>>,
    before: Box<dyn Fn(usize, &'static str) -> Result<(), StoreError> + Send + Sync>,
    after_put: Box<dyn Fn(ObjectKind) + Send + Sync>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording")
    }
}

impl Recording {
    /// `before` is told how many calls there were, with this one, and its name.
    pub(crate) fn new(
        root: &Path,
        before: impl Fn(usize, &'static str) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Arc<Recording> {
        Arc::new(Self::on(LocalStore::open(root).unwrap(), before))
    }

    /// The same on a store that is there.
    pub(crate) fn on(
        inner: LocalStore,
        before: impl Fn(usize, &'static str) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Recording {
        Recording { inner, calls: Mutex::default(), before: Box::new(before), after_put: Box::new(|_| ()) }
    }

    /// The same, which also tells what was put.
    pub(crate) fn after_put(self, after_put: impl Fn(ObjectKind) + Send + Sync + 'static) -> Recording {
        Recording { after_put: Box::new(after_put), ..self }
    }

    /// The calls since the last time.
    pub(crate) fn take(&self) -> Vec<(&'static str, ObjectKind)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn note(&self, call: &'static str, kind: ObjectKind) -> Result<(), StoreError> {
        let count = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((call, kind));
            calls.len()
        };
        (self.before)(count, call)
    }
}

impl ObjectStore for Recording {
    fn put_file(&self, key: ObjectKey, file: &Path) -> Result<(), StoreError> {
        self.note("put", key.kind())?;
        self.inner.put_file(key, file)?;
        (self.after_put)(key.kind());
        Ok(())
    }

    fn put_bytes(&self, key: ObjectKey, bytes: &[u8]) -> Result<(), StoreError> {
        self.note("put", key.kind())?;
        self.inner.put_bytes(key, bytes)?;
        (self.after_put)(key.kind());
        Ok(())
    }

    fn read(&self, key: ObjectKey, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        self.note("read", key.kind())?;
        self.inner.read(key, range)
    }

    fn size(&self, key: ObjectKey) -> Result<Option<u64>, StoreError> {
        self.note("size", key.kind())?;
        self.inner.size(key)
    }

    fn list(&self, kind: ObjectKind, found: &mut dyn FnMut(ObjectInfo)) -> Result<(), StoreError> {
        self.note("list", kind)?;
        self.inner.list(kind, found)
    }

    fn delete(&self, key: ObjectKey) -> Result<(), StoreError> {
        self.note("delete", key.kind())?;
        self.inner.delete(key)
    }

    fn local_path(&self, key: ObjectKey) -> Option<PathBuf> {
        self.inner.local_path(key)
    }
}
