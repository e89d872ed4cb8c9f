use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SMALL: Limits =
    Limits { memory: 64, batch: 16, file: 4096, files_of_user: 8192, files: 8192, volume_free: 0 };

/// A write to a file is done after so many looks, or the writer waits for room.
const LOOKS_MAX: usize = 1_000;

struct Spool {
    dir: TempDir,
    room: SpoolRoom,
    writer: SpoolWriter,
    reader: SpoolReader,
}

fn spool(limits: Limits) -> Spool {
    let (dir, room) = (tempfile::tempdir().unwrap(), SpoolRoom::default());
    let (writer, reader) = pair(dir.path(), "ada", room.clone(), limits);
    Spool { dir, room, writer, reader }
}

/// Puts numbers in until the file is full; how many are in then.
async fn fill(writer: &mut SpoolWriter) -> u32 {
    for number in 0.. {
        let item = u32::to_le_bytes(number);
        let mut push = std::pin::pin!(writer.push(&item));
        let mut looks = 0;
        while futures_util::poll!(push.as_mut()).is_pending() {
            looks += 1;
            if looks == LOOKS_MAX {
                return number + 1;
            }
            // The file's work is on another thread.
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
    }
    unreachable!("there is a limit")
}

async fn take(reader: &mut SpoolReader) -> Option<u32> {
    let item = reader.next().await?.unwrap();
    Some(u32::from_le_bytes(item.try_into().unwrap()))
}

#[tokio::test]
async fn items_come_out_as_they_went_in_whether_they_waited_in_memory_or_in_the_file() {
    for count in [0, 1, 5, 40, 400] {
        let Spool { dir, room, mut writer, mut reader } = spool(SMALL);
        for number in 0..count {
            writer.push(&u32::to_le_bytes(number)).await.unwrap();
        }
        drop(writer);
        assert_eq!(room.taken() > 0, count > 8, "{count}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        for number in 0..count {
            assert_eq!(take(&mut reader).await, Some(number));
        }
        assert_eq!(take(&mut reader).await, None);
        drop(reader);
        assert_eq!(room.taken(), 0);
    }
}

#[tokio::test]
async fn a_writer_waits_when_file_and_memory_are_full_and_goes_on_when_some_was_read() {
    let Spool { dir: _dir, room, mut writer, mut reader, .. } = spool(SMALL);
    let fit = fill(&mut writer).await;
    assert!((500..600).contains(&fit), "4 KiB and a little: {fit}");
    assert!(room.taken() <= SMALL.file);
    let mut last = None;
    let writing = tokio::spawn(async move {
        for number in 1_000_000..1_002_000_u32 {
            writer.push(&number.to_le_bytes()).await.unwrap();
        }
    });
    let mut count = 0;
    while let Some(number) = take(&mut reader).await {
        assert!(last.is_none_or(|last| last < number));
        (last, count) = (Some(number), count + 1);
    }
    writing.await.unwrap();
    assert_eq!((last, count >= 2_000 + fit), (Some(1_001_999), true), "{count}");
}

/// Puts numbers in until that is refused; how many are in then.
async fn fill_room(writer: &mut SpoolWriter) -> u32 {
    for number in 0..1_000_000_u32 {
        match writer.push(&number.to_le_bytes()).await {
            Ok(()) => {}
            Err(SpoolClosed::NoRoom) => return number,
            Err(SpoolClosed::ReaderGone) => panic!("the reader is there"),
        }
    }
    unreachable!("there is a limit")
}

#[tokio::test]
async fn spools_of_a_user_and_of_all_share_their_room_and_who_has_none_hears_so_at_once() {
    let limits = Limits { files_of_user: 512, files: 768, ..SMALL };
    let (dir, room) = (tempfile::tempdir().unwrap(), SpoolRoom::default());
    let spool = |user| pair(dir.path(), user, room.clone(), limits);
    let [mut first, mut second] = [spool("ada"), spool("ada")];
    let [mut of_ben, mut of_eve] = [spool("ben"), spool("eve")];
    let whole = fill_room(&mut first.0).await;
    assert!(whole > 40, "{whole}");
    assert!(fill_room(&mut second.0).await < 20, "the share of one user is taken");
    let rest = fill_room(&mut of_ben.0).await;
    assert!((20..whole).contains(&rest), "another user has what is left: {rest}");
    assert!(fill_room(&mut of_eve.0).await < 20, "nothing is left");
    drop(first);
    assert!(fill_room(&mut of_eve.0).await > 20, "the place of the one is the other's");
    drop((second, of_ben, of_eve));
    assert_eq!(room.taken(), 0);
}

#[tokio::test]
async fn a_volume_that_is_nearly_full_is_left_to_the_database() {
    // More than any volume has.
    let limits = Limits { volume_free: u64::MAX, ..SMALL };
    let Spool { dir: _dir, room, mut writer, mut reader } = spool(limits);
    let count = fill_room(&mut writer).await;
    assert!(count < 20, "only memory is left: {count}");
    drop(writer);
    for number in 0..=count {
        assert_eq!(take(&mut reader).await, Some(number), "what was put in is read");
    }
    assert_eq!(take(&mut reader).await, None);
    drop(reader);
    assert_eq!(room.taken(), 0);
}

#[test]
fn what_killed_processes_left_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["waiting-0123", "site.db", "waitings"] {
        std::fs::write(dir.path().join(name), b"x").unwrap();
    }
    sweep(dir.path()).unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["site.db", "waitings"]);
    sweep(&dir.path().join("not made yet")).unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_leaves_memory() {
    let folder = tempfile::tempdir().unwrap().path().join("gone");
    let (mut writer, mut reader) = pair(&folder, "ada", SpoolRoom::default(), SMALL);
    let fit = fill(&mut writer).await;
    assert!(fit < 20, "{fit}");
    let writing = tokio::spawn(async move {
        for number in 0..100_u32 {
            writer.push(&number.to_le_bytes()).await.unwrap();
        }
    });
    let mut count = 0;
    while take(&mut reader).await.is_some() {
        count += 1;
    }
    writing.await.unwrap();
    assert!(count >= 100 + fit, "{count}");
}

#[tokio::test]
async fn who_waits_for_room_hears_that_the_reader_has_gone() {
    let Spool { dir: _dir, room, mut writer, reader, .. } = spool(SMALL);
    fill(&mut writer).await;
    let waiting = tokio::spawn(async move { while writer.push(b"more").await.is_ok() {} });
    drop(reader);
    waiting.await.unwrap();
    assert_eq!(room.taken(), 0);
}

#[tokio::test]
async fn what_is_there_comes_before_more_is() {
    let Spool { dir: _dir, mut writer, mut reader, .. } = spool(LIMITS);
    let mut empty = std::pin::pin!(async { reader.next().await.map(std::result::Result::unwrap) });
    assert!(futures_util::poll!(empty.as_mut()).is_pending());
    writer.push(b"one").await.unwrap();
    assert_eq!(empty.await.as_deref(), Some(b"one".as_slice()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_is_faster_nothing_is_lost(
        items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..60),
        ahead in proptest::collection::vec(any::<bool>(), 120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let Spool { dir: _dir, mut writer, mut reader, .. } = spool(SMALL);
            let (mut put, mut got) = (items.iter(), Vec::new());
            for put_one in ahead {
                if put_one {
                    if let Some(item) = put.next() {
                        writer.push(item).await.unwrap();
                    }
                } else {
                    let mut next = std::pin::pin!(reader.next());
                    if let std::task::Poll::Ready(Some(item)) = futures_util::poll!(next.as_mut()) {
                        got.push(item.unwrap());
                    }
                }
            }
            for item in put {
                writer.push(item).await.unwrap();
            }
            drop(writer);
            while let Some(item) = reader.next().await {
                got.push(item.unwrap());
            }
            assert_eq!(got, items);
        });
    }
}
