//! Where a package's source is: from the path that the package names to a folder that may be read.
//!
//! A path is either absolute on this server, or a UNC path below a prefix of `[shares]`. Nothing that a
//! path says leads out of its share, by `..` or by a symbolic link, nor into the site's own data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::server::SiteOptions;

/// Components of a source path.
pub(crate) const DEPTH_MAX: usize = 64;

/// In the data folder: what archives of drivers were unpacked into, one folder for each archive's SHA-256.
pub(crate) const UNPACKED_FOLDER: &str = "drivers";

/// Why a path names no folder that may be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourcePathError {
    #[error("it is neither a UNC path (\\\\server\\share\\folder) nor an absolute path on the site server")]
    NotAbsolute,
    #[error("the part {0:?} is not allowed in a source path")]
    BadPart(String),
    #[error("it has more than {DEPTH_MAX} parts")]
    TooDeep,
    #[error("no entry of [shares] in haulier.toml covers this UNC path; add one for its server and share")]
    NoShare,
    #[error("the folder does not exist or cannot be reached: {0}")]
    Missing(String),
    #[error("it is not a folder")]
    NotAFolder,
    #[error("it is neither a folder nor a file")]
    NotAPlace,
    #[error("it leads out of its share through a symbolic link")]
    Escapes,
    #[error("it overlaps the site's own data folder")]
    OwnData,
    #[error("the folder does not answer; check the server and the mount behind it")]
    NoAnswer,
}

/// A source path, understood but not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourcePath {
    /// The folder that must contain it.
    root: PathBuf,
    /// Below the root.
    parts: Vec<String>,
    /// Whether the parts came from a UNC path, whose case does not matter.
    fold_case: bool,
}

impl SourcePath {
    /// Understands a path, without touching the disk.
    pub(crate) fn parse(path: &str, shares: &BTreeMap<String, PathBuf>) -> Result<Self, SourcePathError> {
        if is_unc(path) {
            return Self::parse_unc(path, shares);
        }
        let Some(rest) = path.strip_prefix('/') else { return Err(SourcePathError::NotAbsolute) };
        let parts = split(rest, &['/'])?;
        Ok(Self { root: PathBuf::from("/"), parts, fold_case: false })
    }

    fn parse_unc(path: &str, shares: &BTreeMap<String, PathBuf>) -> Result<Self, SourcePathError> {
        let parts = split(&path[2..], &['\\', '/'])?;
        let covers = |prefix: &str| -> Option<usize> {
            let prefix = split(prefix.get(2..)?, &['\\', '/']).ok()?;
            let same = |(a, b): (&String, &String)| a.to_lowercase() == b.to_lowercase();
            let all = prefix.len() <= parts.len() && prefix.iter().zip(&parts).all(same);
            (all && !prefix.is_empty()).then_some(prefix.len())
        };
        let candidates = shares.iter().filter(|(prefix, _)| is_unc(prefix));
        let longest =
            candidates.filter_map(|(prefix, folder)| Some((covers(prefix)?, folder))).max_by_key(|c| c.0);
        let (length, folder) = longest.ok_or(SourcePathError::NoShare)?;
        Ok(Self { root: folder.clone(), parts: parts[length..].to_vec(), fold_case: true })
    }

    /// What is dead or alive as one: the share, or the first two folders of a local path.
    pub(crate) fn place(&self) -> PathBuf {
        let own = if self.fold_case { 0 } else { 2 };
        self.root.join(self.parts.iter().take(own).collect::<PathBuf>())
    }

    /// Finds the folder on disk. Blocking, for ever on a dead mount: see `sources`.
    pub(crate) fn locate(&self, options: &SiteOptions) -> Result<PathBuf, SourcePathError> {
        let folder = self.resolve()?;
        if !folder.is_dir() {
            return Err(SourcePathError::NotAFolder);
        }
        refuse_own_data(&folder, options)?;
        Ok(folder)
    }

    /// Finds a folder of drivers, or a file, on disk: as [`Self::locate`], but the folder in which the site keeps
    /// unpacked archives is such a place too.
    pub(crate) fn locate_drivers(&self, options: &SiteOptions) -> Result<PathBuf, SourcePathError> {
        let place = self.resolve()?;
        if !(place.is_dir() || place.is_file()) {
            return Err(SourcePathError::NotAPlace);
        }
        let unpacked = options.data_dir.join(UNPACKED_FOLDER).canonicalize();
        let inside = |unpacked: PathBuf| place.starts_with(&unpacked) && place != unpacked;
        if !unpacked.is_ok_and(inside) {
            refuse_own_data(&place, options)?;
        }
        Ok(place)
    }

    /// Whether one is the other or lies in it, as far as the paths say.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = self.comparable(other);
        one.starts_with(&two) || two.starts_with(&one)
    }

    /// Whether one is the other, as far as the paths say.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (one, two) = self.comparable(other);
        one == two
    }

    fn comparable(&self, other: &Self) -> (PathBuf, PathBuf) {
        let path = |source: &Self| {
            let path = source.root.join(source.parts.iter().collect::<PathBuf>());
            let fold_case = self.fold_case || other.fold_case;
            if fold_case { PathBuf::from(path.to_string_lossy().to_lowercase()) } else { path }
        };
        (path(self), path(other))
    }

    fn resolve(&self) -> Result<PathBuf, SourcePathError> {
        let root = self.root.canonicalize().map_err(|error| missing(&error))?;
        let mut folder = root.clone();
        for part in &self.parts {
            folder = self.step(&folder, part);
        }
        let folder = folder.canonicalize().map_err(|error| missing(&error))?;
        if !folder.starts_with(&root) {
            return Err(SourcePathError::Escapes);
        }
        Ok(folder)
    }

    fn step(&self, folder: &Path, part: &str) -> PathBuf {
        let exact = folder.join(part);
        if !self.fold_case || exact.symlink_metadata().is_ok() {
            return exact;
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut same =
            entries.filter(|e| e.file_name().to_string_lossy().to_lowercase() == part.to_lowercase());
        match (same.next(), same.next()) {
            (Some(entry), None) => entry.path(),
            _ => exact,
        }
    }
}

fn missing(error: &std::io::Error) -> SourcePathError {
    SourcePathError::Missing(error.kind().to_string())
}

fn refuse_own_data(place: &Path, options: &SiteOptions) -> Result<(), SourcePathError> {
    let own = options.data_dir.canonicalize().map_err(|error| missing(&error))?;
    if place.starts_with(&own) || own.starts_with(place) {
        return Err(SourcePathError::OwnData);
    }
    Ok(())
}

/// Whether the path begins as a UNC path.
pub(crate) fn is_unc(path: &str) -> bool {
    let mut chars = path.chars();
    matches!((chars.next(), chars.next()), (Some('\\'), Some('\\')) | (Some('/'), Some('/')))
}

fn split(path: &str, separators: &[char]) -> Result<Vec<String>, SourcePathError> {
    let parts: Vec<&str> = path.split(separators).filter(|part| !part.is_empty()).collect();
    if parts.len() > DEPTH_MAX {
        return Err(SourcePathError::TooDeep);
    }
    match parts.iter().find(|part| matches!(**part, "." | "..") || part.contains(['\0', '/'])) {
        Some(bad) => Err(SourcePathError::BadPart((*bad).to_owned())),
        None => Ok(parts.into_iter().map(str::to_owned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Result<(&str, &str), SourcePathError>) {
        let shares = [
            ("\\\\srv.example.test\\src", "/srv/src"),
            ("\\\\srv.example.test\\src\\special", "/mnt/special"),
            ("//other/drivers/", "/srv/other"),
            ("not a prefix", "/etc"),
        ];
        let shares = shares.into_iter().map(|(k, v)| (k.to_owned(), PathBuf::from(v))).collect();
        let got = SourcePath::parse(path, &shares).map(|p| (p.root.display().to_string(), p.parts.join("/")));
        assert_eq!(got, expect.map(|(root, rest)| (root.to_owned(), rest.to_owned())), "{path}");
    }

    #[test]
    fn unc_paths_take_the_longest_prefix() {
        check("\\\\srv.example.test\\src\\Dell\\7440", Ok(("/srv/src", "Dell/7440")));
        check("\\\\SRV.example.test\\SRC\\", Ok(("/srv/src", "")));
        check("\\\\srv.example.test\\src\\Special\\a", Ok(("/mnt/special", "a")));
        check("\\\\srv.example.test\\src\\specialist", Ok(("/srv/src", "specialist")));
        check("//Other/Drivers/x", Ok(("/srv/other", "x")));
        check("\\\\srv.example.test\\source", Err(SourcePathError::NoShare));
        check("\\\\srv.example.test", Err(SourcePathError::NoShare));
        check("\\\\", Err(SourcePathError::NoShare));
    }

    #[test]
    fn local_paths_are_absolute_and_plain() {
        check("/srv/src/dell", Ok(("/", "srv/src/dell")));
        check("srv/src", Err(SourcePathError::NotAbsolute));
        check("", Err(SourcePathError::NotAbsolute));
        check("C:\\src", Err(SourcePathError::NotAbsolute));
        check("/srv/../etc", Err(SourcePathError::BadPart("..".to_owned())));
        check("\\\\srv.example.test\\src\\..\\..\\etc", Err(SourcePathError::BadPart("..".to_owned())));
        check(&format!("/{}", "a/".repeat(65)), Err(SourcePathError::TooDeep));
    }

    #[test]
    fn a_link_does_not_lead_out_of_its_share() {
        let folder = tempfile::tempdir().unwrap();
        let (share, outside, data) =
            (folder.path().join("share"), folder.path().join("out"), folder.path().join("data"));
        for made in [&share.join("Inside"), &outside, &data] {
            std::fs::create_dir_all(made).unwrap();
        }
        std::os::unix::fs::symlink(&outside, share.join("link")).unwrap();
        std::fs::write(share.join("file"), "x").unwrap();
        let mut options = SiteOptions { data_dir: data.clone(), ..SiteOptions::default() };
        options.shares.insert("\\\\srv\\s".to_owned(), share.clone());
        let locate = |path: &str| SourcePath::parse(path, &options.shares).unwrap().locate(&options);
        assert_eq!(locate("\\\\srv\\s\\inside"), Ok(share.join("Inside").canonicalize().unwrap()));
        assert_eq!(locate("\\\\srv\\s\\link"), Err(SourcePathError::Escapes));
        assert_eq!(locate("\\\\srv\\s\\file"), Err(SourcePathError::NotAFolder));
        assert!(matches!(locate("\\\\srv\\s\\none"), Err(SourcePathError::Missing(_))));
        assert_eq!(locate(data.to_str().unwrap()), Err(SourcePathError::OwnData));
        // Drivers may also be files, and lie where their archives were unpacked.
        let unpacked = data.join(UNPACKED_FOLDER);
        for made in [&unpacked.join("a"), &data.join("content")] {
            std::fs::create_dir_all(made).unwrap();
        }
        let drivers = |path: &Path| {
            SourcePath::parse(path.to_str().unwrap(), &options.shares).unwrap().locate_drivers(&options)
        };
        assert_eq!(
            drivers(&unpacked.join("a")),
            unpacked.join("a").canonicalize().map_err(|_| unreachable!())
        );
        assert_eq!(locate(unpacked.join("a").to_str().unwrap()), Err(SourcePathError::OwnData));
        for own in [&data, &unpacked, &data.join("content"), &folder.path().to_path_buf()] {
            assert_eq!(drivers(own), Err(SourcePathError::OwnData), "{own:?}");
        }
        assert!(drivers(&share.join("file")).is_ok());
        assert_eq!(locate(folder.path().to_str().unwrap()), Err(SourcePathError::OwnData));
    }
}
