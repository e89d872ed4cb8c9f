//! Ranges of objects on disk, as many as fit, the oldest of them going first.
//!
//! What lies here is unproven: whoever fetched it proves it by its hash, and so does whoever gets it. So nothing is
//! synced, and a restart begins with nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use content::ObjectKey;

/// Bytes of one read.
const PIECE_BYTES: u64 = 256 * 1024;
/// Room that the cache leaves free on the disk, beside what a pull does: a cache is no reason for a full disk.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// Ranges that were fetched.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    bytes_max: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<ObjectKey, Object>,
    /// Every segment by its number, which rises: the first is the oldest.
    by_age: BTreeMap<u64, (ObjectKey, u64)>,
    bytes: u64,
    next: u64,
}

#[derive(Debug, Default)]
struct Object {
    bytes: u64,
    /// By their first byte; they do not overlap.
    segments: BTreeMap<u64, Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    end: u64,
    /// Its file's name.
    number: u64,
    source: Option<Arc<str>>,
}

/// Bytes from the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) bytes: Bytes,
    /// The source that they came from; none: the site.
    pub(crate) source: Option<Arc<str>>,
}

impl Cache {
    /// An empty cache in `dir`, which is made anew.
    pub(crate) fn create(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(dir)?,
        }
        Ok(Self { dir: dir.to_owned(), bytes_max, inner: Mutex::default() })
    }

    /// The size of an object of which something is here.
    pub(crate) fn object_bytes(&self, key: ObjectKey) -> Option<u64> {
        self.lock().objects.get(&key).map(|object| object.bytes)
    }

    /// Bytes from `range.start` on, as many as lie together, at most 256 KiB and none beyond `range.end`.
    pub(crate) fn read(&self, key: ObjectKey, range: &Range<u64>) -> Option<Cached> {
        let (path, offset, len, source) = {
            let inner = self.lock();
            let (start, segment) = inner.objects.get(&key)?.segments.range(..=range.start).next_back()?;
            let end = segment.end.min(range.end).min(range.start.saturating_add(PIECE_BYTES));
            let len = end.checked_sub(range.start).filter(|len| *len > 0)?;
            (self.file(segment.number), range.start - start, len, segment.source.clone())
        };
        let mut bytes = vec![0; usize::try_from(len).expect("a piece fits in memory")];
        match File::open(path).and_then(|file| file.read_exact_at(&mut bytes, offset)) {
            Ok(()) => Some(Cached { bytes: bytes.into(), source }),
            Err(error) => {
                // It went a moment ago, or the disk lost it; either way it is fetched again.
                tracing::debug!(%error, object = %key, "A cached range cannot be read");
                self.forget(key, range.start..range.start + 1);
                None
            }
        }
    }

    /// Where the first range that is here begins, from `at` on.
    pub(crate) fn next_start(&self, key: ObjectKey, at: u64) -> Option<u64> {
        let inner = self.lock();
        inner.objects.get(&key)?.segments.range(at..).next().map(|(start, _)| *start)
    }

    /// Takes bytes in. On a full disk everything else goes first.
    pub(crate) fn store(
        &self,
        key: ObjectKey,
        object_bytes: u64,
        start: u64,
        bytes: &[u8],
        source: Option<Arc<str>>,
        free_bytes: u64,
    ) -> io::Result<()> {
        let len = bytes.len() as u64;
        if len == 0 {
            return Ok(());
        }
        let number = {
            let mut inner = self.lock();
            inner.next += 1;
            inner.next
        };
        let room = self.bytes_max.min(self.bytes() + free_bytes.saturating_sub(RESERVE_BYTES));
        self.make_room(room.saturating_sub(len));
        if let Err(error) = fs::write(self.file(number), bytes) {
            // What is here may be the reason.
            tracing::warn!(%error, "A range cannot be cached; emptying the cache");
            self.make_room(0);
            fs::write(self.file(number), bytes).inspect_err(|_| self.delete(number))?;
        }
        self.forget(key, start..start + len);
        let mut inner = self.lock();
        let object = inner.objects.entry(key).or_default();
        object.bytes = object_bytes;
        object.segments.insert(start, Segment { end: start + len, number, source });
        inner.by_age.insert(number, (key, start));
        inner.bytes += len;
        Ok(())
    }

    /// Forgets every range that has a byte of this one.
    pub(crate) fn forget(&self, key: ObjectKey, range: Range<u64>) {
        let mut inner = self.lock();
        let Some(object) = inner.objects.get(&key) else { return };
        let touched: Vec<u64> = object
            .segments
            .range(..range.end)
            .rev()
            .take_while(|(_, segment)| segment.end > range.start)
            .map(|(_, segment)| segment.number)
            .collect();
        touched.into_iter().for_each(|number| self.drop_segment(&mut inner, number));
    }

    /// Bytes that are here.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn make_room(&self, bytes_max: u64) {
        let mut inner = self.lock();
        while inner.bytes > bytes_max {
            let Some(oldest) = inner.by_age.keys().next().copied() else { return };
            self.drop_segment(&mut inner, oldest);
        }
    }

    fn drop_segment(&self, inner: &mut Inner, number: u64) {
        let Some((key, start)) = inner.by_age.remove(&number) else { return };
        if let Some(object) = inner.objects.get_mut(&key) {
            if let Some(segment) = object.segments.remove(&start) {
                inner.bytes -= segment.end - start;
            }
            if object.segments.is_empty() {
                inner.objects.remove(&key);
            }
        }
        self.delete(number);
    }

    fn delete(&self, number: u64) {
        if let Err(error) = fs::remove_file(self.file(number)) {
            tracing::debug!(%error, "A cached range is gone already");
        }
    }

    fn file(&self, number: u64) -> PathBuf {
        self.dir.join(number.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use content::{ObjectKind, PackId};

    use super::*;

    const FREE: u64 = 1 << 40;

    fn key(byte: u8) -> ObjectKey {
        ObjectKey::Pack(PackId::of(&[byte]))
    }

    fn cache(bytes_max: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::create(&folder.path().join("relay"), bytes_max).unwrap();
        (folder, cache)
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path().join("relay")).unwrap().count()
    }

    #[test]
    fn what_lies_together_is_read_together_and_gaps_are_known() {
        let (folder, cache) = cache(1 << 20);
        let source = Some(Arc::from("dp1"));
        cache.store(key(1), 100, 10, b"abcde", source, FREE).unwrap();
        cache.store(key(1), 100, 15, b"fgh", None, FREE).unwrap();
        for (range, expect) in [
            (10..18, Some((&b"abcde"[..], true))),
            (12..14, Some((&b"cd"[..], true))),
            (15..90, Some((&b"fgh"[..], false))),
            (9..12, None),
            (18..20, None),
        ] {
            let read = cache.read(key(1), &range);
            let read = read.as_ref().map(|cached| (&cached.bytes[..], cached.source.is_some()));
            assert_eq!(read, expect, "{range:?}");
        }
        assert_eq!(cache.read(key(2), &(10..12)), None);
        assert_eq!((cache.next_start(key(1), 0), cache.next_start(key(1), 16)), (Some(10), None));
        assert_eq!((cache.object_bytes(key(1)), cache.object_bytes(key(2))), (Some(100), None));
        // What is stored again takes the place of what it touches.
        cache.store(key(1), 100, 14, b"XY", None, FREE).unwrap();
        assert_eq!(cache.read(key(1), &(14..20)).unwrap().bytes, &b"XY"[..]);
        assert_eq!(cache.read(key(1), &(10..14)), None);
        assert_eq!((cache.bytes(), files(&folder)), (2, 1));
    }

    #[test]
    fn the_oldest_goes_first_and_nothing_outgrows_the_limit_or_the_disk() {
        let (folder, cache) = cache(30);
        for number in 0..5u8 {
            cache.store(key(number), 100, 0, &[number; 10], None, FREE).unwrap();
        }
        let held: Vec<u8> = (0..5).filter(|number| cache.object_bytes(key(*number)).is_some()).collect();
        assert_eq!((held, cache.bytes(), files(&folder)), (vec![2, 3, 4], 30, 3));
        // A disk with next to nothing left keeps only what is stored now.
        cache.store(key(9), 100, 0, &[9; 10], None, RESERVE_BYTES / 2).unwrap();
        assert!(cache.object_bytes(key(9)).is_some());
        assert!(cache.bytes() <= 30);
    }

    #[test]
    fn a_lost_file_is_a_gap_and_a_restart_begins_anew() {
        let (folder, cache) = cache(1 << 20);
        cache.store(key(1), 100, 0, b"abc", None, FREE).unwrap();
        for entry in fs::read_dir(folder.path().join("relay")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert_eq!(cache.read(key(1), &(0..3)), None);
        assert_eq!(cache.bytes(), 0);
        cache.store(key(1), 100, 0, b"abc", None, FREE).unwrap();
        let again = Cache::create(&folder.path().join("relay"), 1 << 20).unwrap();
        assert_eq!((again.object_bytes(key(1)), files(&folder)), (None, 0));
        assert!(ObjectKey::parse(ObjectKind::Pack, &key(1).id()).is_some());
    }
}
