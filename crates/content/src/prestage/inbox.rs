//! A folder through which a running server is handed prestaged files: it has its content open, so nobody else can
//! take one in. Whoever hands one over waits for the answer beside it; a server that does not run takes it in when
//! it starts.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::{EXTENSION, Imported, Label};

/// The folder within a data folder.
const FOLDER: &str = "import";
const ANSWER: &str = "answer";
const REFUSED: &str = "refused";
/// What is half written, and goes at the next start.
const HALF: &str = "half";
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// How long an answer, and a file that was refused, wait for somebody to look.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What became of a prestaged file that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `taken_in`, `already_held`, or the code of the error.
    pub code: String,
    /// What happened and what to do, for people.
    pub text: String,
}

impl Answer {
    /// What is said of an import.
    #[must_use]
    pub fn of(label: &Label, imported: &Imported) -> Answer {
        let Label { package_id, version, .. } = label;
        let Imported { already_held, files, bytes, taken_bytes } = imported;
        let (code, text) = if *already_held {
            ("already_held", format!("{package_id} version {version} was here already; nothing was done"))
        } else {
            let text = format!(
                "{package_id} version {version} is here: {files} files of {bytes} bytes, {taken_bytes} bytes taken from \
                 the file"
            );
            ("taken_in", text)
        };
        Answer { code: code.to_owned(), text }
    }

    /// Whether the version is here now.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.code.as_str(), "taken_in" | "already_held")
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Inbox {
    folder: PathBuf,
}

/// A file that was handed over.
#[derive(Debug)]
pub struct Ticket {
    file: PathBuf,
}

impl Inbox {
    /// The inbox of a site's or distribution point's data folder.
    #[must_use]
    pub fn of(data_dir: &Path) -> Inbox {
        Inbox { folder: data_dir.join(FOLDER) }
    }

    /// Hands a file over: by another name for it, or a copy where that cannot be.
    pub fn put(&self, file: &Path) -> io::Result<Ticket> {
        fs::create_dir_all(&self.folder)?;
        let name = self.folder.join(uuid::Uuid::new_v4().to_string());
        let (half, whole) = (name.with_extension(HALF), name.with_extension(EXTENSION));
        let put = fs::hard_link(file, &half).or_else(|_| fs::copy(file, &half).map(drop));
        put.and_then(|()| fs::rename(&half, &whole)).inspect_err(|_| {
            // Room may be what is missing.
            let _ = fs::remove_file(&half);
        })?;
        Ok(Ticket { file: whole })
    }

    /// Makes the folder; what nobody waits for any more goes. For the server, when it starts.
    pub fn open(&self, now: Timestamp) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let oldest = SystemTime::from(now).checked_sub(KEPT).unwrap_or(SystemTime::UNIX_EPOCH);
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let goes = match path.extension().and_then(|extension| extension.to_str()) {
                Some(HALF) => true,
                Some(ANSWER | REFUSED) => fs::symlink_metadata(&path)?.modified()? < oldest,
                _ => false,
            };
            if goes {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// A file that waits; `None` if none does.
    pub fn next(&self) -> io::Result<Option<PathBuf>> {
        let mut first: Option<PathBuf> = None;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let waits = path.extension().is_some_and(|extension| extension == EXTENSION);
            if waits && first.as_ref().is_none_or(|first| path < *first) {
                first = Some(path);
            }
        }
        Ok(first)
    }

    /// Says what became of a file that [`Inbox::next`] gave. One that was refused stays for a week under another
    /// name, because it may be somebody's only copy.
    pub fn answer(&self, file: &Path, answer: &Answer) -> io::Result<()> {
        let (half, whole) = (file.with_extension(HALF), file.with_extension(ANSWER));
        let mut text = File::create(&half)?;
        writeln!(text, "{}\n{}", answer.code, answer.text)?;
        fs::rename(&half, &whole)?;
        if answer.is_good() { fs::remove_file(file) } else { fs::rename(file, file.with_extension(REFUSED)) }
    }
}

impl Ticket {
    /// The answer, once there is one; it is taken away with all that was handed over.
    pub fn answer(&self) -> io::Result<Option<Answer>> {
        let path = self.file.with_extension(ANSWER);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
        if self.file.exists() {
            // The server is about to remove it.
            return Ok(None);
        }
        for path in [path, self.file.with_extension(REFUSED)] {
            // The server sweeps what this cannot remove.
            let _ = fs::remove_file(path);
        }
        let (code, text) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Some(Answer { code: code.to_owned(), text: text.trim_end().to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str) -> Answer {
        Answer { code: code.to_owned(), text: "two\nlines".to_owned() }
    }

    #[test]
    fn what_is_handed_over_is_answered_once_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.file");
        fs::write(&file, b"bytes").unwrap();
        let inbox = Inbox::of(folder.path());
        inbox.open(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(inbox.next().unwrap(), None);
        for code in ["taken_in", "format_hash"] {
            let ticket = inbox.put(&file).unwrap();
            assert_eq!(ticket.answer().unwrap(), None);
            let waiting = inbox.next().unwrap().unwrap();
            assert_eq!(fs::read(&waiting).unwrap(), b"bytes");
            inbox.answer(&waiting, &answer(code)).unwrap();
            assert_eq!(inbox.next().unwrap(), None);
            assert_eq!(ticket.answer().unwrap(), Some(answer(code)));
            assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 0);
        }
        assert_eq!(fs::read(&file).unwrap(), b"bytes", "the file itself stays");
    }

    #[test]
    fn leftovers_go_when_nobody_can_want_them_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::of(folder.path());
        inbox.open(Timestamp::UNIX_EPOCH).unwrap();
        let path = |name: &str| folder.path().join(FOLDER).join(name);
        for name in ["a.half", "b.answer", "c.refused", "d.hcp", "e.txt"] {
            fs::write(path(name), b"x").unwrap();
        }
        let now = clock::Clock::now(&clock::SystemClock);
        inbox.open(now).unwrap();
        let left = |name: &&str| path(name).exists();
        let names = ["a.half", "b.answer", "c.refused", "d.hcp", "e.txt"];
        assert_eq!(names.iter().filter(|name| left(name)).count(), 4);
        inbox.open(now + Duration::from_secs(8 * 24 * 3600)).unwrap();
        let left: Vec<&&str> = names.iter().filter(|name| left(name)).collect();
        assert_eq!(left, [&"d.hcp", &"e.txt"]);
    }
}
