use std::fs;
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::*;

/// Bytes that compress a little, and differ by `seed`.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"0123456789abcdef"[(state >> 60) as usize]
        })
        .collect()
}

fn cabinet(compression: cab::CompressionType, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(compression);
    for (name, _) in files {
        folder.add_file(*name);
    }
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    let mut contents = files.iter();
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(&contents.next().unwrap().1).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zip_of(method: CompressionMethod, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Files of a folder: relative paths and contents.
type Tree = Vec<(String, Vec<u8>)>;

fn unpack_bytes(bytes: &[u8], limits: &Limits) -> (Result<Unpacked, ArchiveError>, Tree) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    fs::write(&archive, bytes).unwrap();
    let into = dir.path().join("into");
    let result = unpack(&archive, &into, limits, &mut |_| ControlFlow::Continue(()));
    assert_eq!(into.is_dir(), result.is_ok());
    // Neither the partial folder nor anything beside it is left.
    let beside = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(beside, 1 + usize::from(result.is_ok()));
    let mut files = Vec::new();
    if result.is_ok() {
        collect(&into, "", &mut files);
    }
    (result, files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Tree) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

fn check_refused(bytes: &[u8], limits: &Limits, code: &str, text: &str) {
    let (result, _) = unpack_bytes(bytes, limits);
    let error = result.expect_err(text);
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

/// Several data blocks, an empty file, files that end inside and at the end of blocks.
fn tree() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Net\\E1D\\e1d.inf", content(1, 40_000)),
        ("Net\\E1D\\e1d.sys", content(2, 32_768 * 3)),
        ("Net\\empty.txt", Vec::new()),
        ("readme.txt", content(3, 70_001)),
    ]
}

fn expected() -> Tree {
    let mut files: Tree =
        tree().into_iter().map(|(name, content)| (name.replace('\\', "/"), content)).collect();
    files.sort();
    files
}

#[test]
fn cabinets_and_zips_unpack_to_the_same_tree() {
    for (format, bytes) in [
        (ArchiveFormat::Cabinet, cabinet(cab::CompressionType::None, &tree())),
        (ArchiveFormat::Cabinet, cabinet(cab::CompressionType::MsZip, &tree())),
        (ArchiveFormat::Zip, zip_of(CompressionMethod::Stored, &tree())),
        (ArchiveFormat::Zip, zip_of(CompressionMethod::Deflated, &tree())),
    ] {
        let (result, files) = unpack_bytes(&bytes, &Limits::default());
        assert_eq!(result.unwrap(), Unpacked { format, files: 4, bytes: 40_000 + 98_304 + 70_001 });
        assert!(files == expected(), "{format:?}");
    }
}

/// An LZX folder of uncompressed LZX blocks, written by MS-PATCH: one bit without E8 translation, then for each
/// block 3 bits of type, 24 bits of size, padding to 16 bits, three offsets, the bytes, a pad byte after odd ones.
fn lzx_cabinet(content: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    for (number, piece) in content.chunks(32 << 10).enumerate() {
        let size = u32::try_from(piece.len()).unwrap();
        // Words are little-endian, their bits are read from the top; only the first block has the E8 bit.
        let head = ((3 << 24) | size) << if number == 0 { 4 } else { 5 };
        let mut block = Vec::new();
        for word in [(head >> 16) as u16, head as u16] {
            block.extend_from_slice(&word.to_le_bytes());
        }
        for offset in [1_u32, 1, 1] {
            block.extend_from_slice(&offset.to_le_bytes());
        }
        block.extend_from_slice(piece);
        if piece.len() % 2 == 1 {
            block.push(0);
        }
        data.push((block, piece.len() as u16));
    }
    let mut bytes = cabinet(cab::CompressionType::None, &[("lzx.sys", content.to_vec())]);
    let offset = u32::from_le_bytes(bytes[36..40].try_into().unwrap()) as usize;
    bytes.truncate(offset);
    bytes[42..44].copy_from_slice(&(3_u16 | (15 << 8)).to_le_bytes());
    for (block, size) in data {
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(block.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes
}

#[test]
fn lzx_cabinets_unpack() {
    let bytes = content(7, 80_001);
    let (result, files) = unpack_bytes(&lzx_cabinet(&bytes), &Limits::default());
    assert_eq!(result.unwrap().bytes, 80_001);
    assert!(files == [("lzx.sys".to_owned(), bytes)]);
}

#[test]
fn each_data_block_of_a_cabinet_is_decoded_once() {
    // Two thousand files in one folder: decoding from the folder's start for each would read a gigabyte.
    let names: Vec<String> = (0..2000).map(|n| format!("f{n}.bin")).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), content(1, 500))).collect();
    let bytes = cabinet(cab::CompressionType::MsZip, &files);
    struct Counting<'a>(Cursor<&'a [u8]>, &'a std::cell::Cell<usize>);
    impl std::io::Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1.set(self.1.get() + read);
            Ok(read)
        }
    }
    impl Seek for Counting<'_> {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    let count = std::cell::Cell::new(0);
    let mut nothing = cabinet::OneFile::new(".inf", 1 << 20);
    cabinet::read(Counting(Cursor::new(&bytes), &count), &mut nothing).unwrap();
    assert!(count.get() <= bytes.len(), "{} of {}", count.get(), bytes.len());
}

#[test]
fn one_file_of_a_cabinet_is_found_by_its_extension() {
    let bytes = cabinet(
        cab::CompressionType::MsZip,
        &[("readme.txt", content(1, 50_000)), ("Catalog.XML", b"<x/>".to_vec()), ("b.xml", b"<y/>".to_vec())],
    );
    assert_eq!(file_of_cabinet(&bytes, ".xml", 1 << 20).unwrap().unwrap(), b"<x/>");
    assert_eq!(file_of_cabinet(&bytes, ".json", 1 << 20).unwrap(), None);
    assert_eq!(file_of_cabinet(&bytes, ".xml", 3).unwrap_err().code(), "archive_limit");
}

#[test]
fn limits_hold_for_what_comes_and_not_only_for_what_is_declared() {
    let limits = Limits::default();
    let zip = zip_of(CompressionMethod::Deflated, &tree());
    let cab = cabinet(cab::CompressionType::MsZip, &tree());
    for bytes in [&zip, &cab] {
        check_refused(bytes, &Limits { entries_max: 3, ..limits }, "archive_limit", "3 entries");
        check_refused(
            bytes,
            &Limits { file_bytes_max: 90_000, ..limits },
            "archive_limit",
            "90000 bytes in one",
        );
        check_refused(
            bytes,
            &Limits { total_bytes_max: 200_000, ..limits },
            "archive_limit",
            "200000 unpacked",
        );
        check_refused(
            bytes,
            &Limits { name_bytes_max: 12, ..limits },
            "archive_limit",
            "bytes in an entry's name",
        );
        check_refused(bytes, &Limits { depth_max: 2, ..limits }, "archive_limit", "folders below");
    }
    // 2 MiB of zeros in some KiB; with the default they are below what the ratio looks at.
    let bomb = zip_of(CompressionMethod::Deflated, &[("zeros", vec![0; 2 << 20])]);
    assert_eq!(unpack_bytes(&bomb, &limits).0.unwrap().bytes, 2 << 20);
    let limits = Limits { ratio_free_bytes: 1 << 20, ..limits };
    let ratio = "200 unpacked bytes for each byte of the archive";
    check_refused(&bomb, &limits, "archive_limit", ratio);
    // The same, and its directory claims one byte.
    let mut liar = bomb;
    let at = find(&liar, b"PK\x01\x02");
    liar[at + 24..at + 28].copy_from_slice(&1_u32.to_le_bytes());
    let (result, _) = unpack_bytes(&liar, &limits);
    assert!(matches!(result, Err(ArchiveError::Limit { .. } | ArchiveError::Damaged(_))), "{result:?}");
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).rposition(|window| window == what).unwrap()
}

#[test]
fn folders_that_names_imply_count_as_entries() {
    let deep = (0..20).map(|n| format!("{n}/")).collect::<String>() + "x";
    let zip = zip_of(CompressionMethod::Stored, &[(&deep, Vec::new())]);
    check_refused(&zip, &Limits { entries_max: 20, ..Limits::default() }, "archive_limit", "20 entries");
    assert_eq!(unpack_bytes(&zip, &Limits { entries_max: 21, ..Limits::default() }).0.unwrap().files, 1);
}

#[test]
fn names_links_and_encryption_are_refused_before_anything_is_written() {
    let limits = Limits::default();
    for (names, code) in [
        (["../evil", "b"], "archive_name"),
        (["a/../../evil", "b"], "archive_name"),
        (["C:\\evil", "b"], "archive_name"),
        (["a.inf", "A.INF"], "archive_duplicate"),
        (["a", "a/b"], "archive_duplicate"),
        (["sub/nul.inf", "b"], "archive_name"),
    ] {
        let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, b"x".to_vec())).collect();
        check_refused(&zip_of(CompressionMethod::Stored, &files), &limits, code, "in the archive");
        check_refused(&cabinet(cab::CompressionType::None, &files), &limits, code, "in the archive");
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    check_refused(&zip.finish().unwrap().into_inner(), &limits, "archive_link", "`link`");

    let mut encrypted = zip_of(CompressionMethod::Stored, &[("secret.inf", b"x".to_vec())]);
    for (mark, flags) in [(b"PK\x01\x02", 8), (b"PK\x03\x04", 6)] {
        let at = find(&encrypted, mark);
        encrypted[at + flags] |= 1;
    }
    check_refused(&encrypted, &limits, "archive_encrypted", "`secret.inf`");

    let mut method = zip_of(CompressionMethod::Stored, &[("a.inf", b"x".to_vec())]);
    for (mark, field) in [(b"PK\x01\x02", 10), (b"PK\x03\x04", 8)] {
        let at = find(&method, mark);
        method[at + field] = 12;
    }
    check_refused(&method, &limits, "archive_method", "again with deflate");

    let mut quantum = cabinet(cab::CompressionType::None, &[("a.inf", b"x".to_vec())]);
    quantum[42..44].copy_from_slice(&0x1472_u16.to_le_bytes());
    check_refused(&quantum, &limits, "archive_method", "Quantum");

    let mut part = cabinet(cab::CompressionType::None, &[("a.inf", b"x".to_vec())]);
    part[30] |= 2;
    check_refused(&part, &limits, "archive_multi_part", "part of a set");
}

#[test]
fn damage_is_found_by_checksums_and_counts() {
    for bytes in [
        zip_of(CompressionMethod::Stored, &tree()),
        cabinet(cab::CompressionType::None, &tree()),
        cabinet(cab::CompressionType::MsZip, &tree()),
    ] {
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        check_refused(&flipped, &Limits::default(), "archive_damaged", "fetch it again");
        check_refused(&bytes[..bytes.len() - 3000], &Limits::default(), "archive_damaged", "fetch it again");
    }
    check_refused(b"MSCF", &Limits::default(), "archive_damaged", "fetch it again");
    check_refused(b"PK\x03\x04", &Limits::default(), "archive_damaged", "fetch it again");
}

#[test]
fn canceling_leaves_nothing_and_the_next_try_starts_clean() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, into) = (dir.path().join("a.zip"), dir.path().join("into"));
    fs::write(&archive, zip_of(CompressionMethod::Deflated, &tree())).unwrap();
    // A call that was killed half-way left this.
    fs::create_dir_all(dir.path().join("into.partial/old")).unwrap();
    let mut steps = 0;
    let mut last = Progress::default();
    unpack(&archive, &into, &Limits::default(), &mut |progress| {
        steps += 1;
        assert!(progress.bytes >= last.bytes && progress.bytes_declared == 208_305);
        last = progress;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((last.files, last.bytes), (4, 208_305));
    let again = unpack(&archive, &into, &Limits::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(again.unwrap_err().code(), "archive_folder_in_use");
    fs::remove_dir_all(&into).unwrap();
    fs::create_dir(&into).unwrap();
    // Every point at which the caller is asked is one at which it may stop, the sync included.
    for stop in 0..steps {
        let mut step = 0;
        let result = unpack(&archive, &into, &Limits::default(), &mut |_| {
            step += 1;
            if step > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(result.unwrap_err().code(), "archive_canceled", "step {stop} of {steps}");
        assert!(!dir.path().join("into.partial").exists());
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    }
    unpack(&archive, &into, &Limits::default(), &mut |_| ControlFlow::Continue(())).unwrap();
}

#[test]
fn what_the_disk_says_is_told_apart() {
    use std::io::{Error, ErrorKind};
    assert_eq!(ArchiveError::writing(ErrorKind::StorageFull.into()).code(), "archive_no_space");
    assert_eq!(ArchiveError::writing(ErrorKind::QuotaExceeded.into()).code(), "archive_no_space");
    assert_eq!(ArchiveError::writing(ErrorKind::PermissionDenied.into()).code(), "archive_unwritable");
    assert_eq!(ArchiveError::reading(Error::from_raw_os_error(5)).code(), "archive_unreadable");
    assert_eq!(ArchiveError::reading(ErrorKind::UnexpectedEof.into()).code(), "archive_damaged");
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.zip");
    let error = unpack(&missing, dir.path(), &Limits::default(), &mut |_| ControlFlow::Continue(()));
    let error = error.unwrap_err();
    assert_eq!(error.code(), "archive_unreadable");
    assert!(!error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_written_zip_is_deterministic_and_unpacks() {
    let write = |zip64_from_bytes: Option<u64>| {
        let mut zip = ZipWriter::new(Vec::new());
        zip.set_zip64_from(zip64_from_bytes);
        for (name, content) in tree() {
            zip.add(name, content.len() as u64, &mut content.as_slice()).unwrap();
        }
        zip.add("Grafik/Übersicht.inf", 1, &mut b"x".as_slice()).unwrap();
        zip.finish().unwrap()
    };
    let bytes = write(None);
    assert!(bytes == write(None));
    let zip64 = write(Some(0));
    assert!(zip64 != bytes);
    for bytes in [bytes, zip64] {
        let (result, mut files) = unpack_bytes(&bytes, &Limits::default());
        assert_eq!(result.unwrap().files, 5);
        files.retain(|(name, _)| !name.contains('Ü'));
        assert!(files == expected());
    }
}

/// Takes `room` bytes.
struct Narrow {
    room: usize,
}

impl Write for Narrow {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if data.len() > self.room {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        self.room -= data.len();
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_zip_that_fails_is_cut_off_and_never_looks_whole() {
    let sizes = [(3, "zip_size"), (5, "zip_size")];
    for (size, code) in sizes {
        let mut bytes = Vec::new();
        let mut zip = ZipWriter::new(&mut bytes);
        zip.add("whole.inf", 4, &mut b"1234".as_slice()).unwrap();
        assert_eq!(zip.add("WHOLE.inf", 4, &mut b"1234".as_slice()).unwrap_err().code(), "archive_duplicate");
        assert_eq!(zip.add("../up", 4, &mut b"1234".as_slice()).unwrap_err().code(), "archive_name");
        assert_eq!(zip.add("changed.inf", size, &mut b"1234".as_slice()).unwrap_err().code(), code);
        assert_eq!(zip.add("later.inf", 4, &mut b"1234".as_slice()).unwrap_err().code(), "zip_write");
        assert_eq!(zip.finish().unwrap_err().code(), "zip_write");
        assert_eq!(unpack_bytes(&bytes, &Limits::default()).0.unwrap_err().code(), "archive_damaged");
    }
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(&mut bytes);
    zip.add("whole.inf", 4, &mut b"1234".as_slice()).unwrap();
    drop(zip);
    assert_eq!(unpack_bytes(&bytes, &Limits::default()).0.unwrap_err().code(), "archive_damaged");

    for room in [0, 20, 60, 100, 2000] {
        let mut zip = ZipWriter::new(Narrow { room });
        let big = content(5, 100_000);
        assert_eq!(zip.add("a", 100_000, &mut big.as_slice()).unwrap_err().code(), "zip_write", "{room}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_archives_are_unpacked_or_refused_but_never_panic_or_stay(
        which in 0_usize..4, at in 0_usize..300_000, with: [u8; 2], tail: bool,
    ) {
        let mut bytes = match which {
            0 => zip_of(CompressionMethod::Deflated, &tree()),
            1 => cabinet(cab::CompressionType::MsZip, &tree()),
            2 => cabinet(cab::CompressionType::None, &tree()),
            _ => lzx_cabinet(&content(9, 40_000)),
        };
        // Headers, where most is decided, get most of the damage.
        let length = bytes.len();
        let at = if tail { length - 2 - at % 300.min(length - 2) } else { at % 300.min(length - 2) };
        bytes[at..at + 2].copy_from_slice(&with);
        let _ = unpack_bytes(&bytes, &Limits { total_bytes_max: 4 << 20, ..Limits::default() });
    }
}
