//! Paths that are typed here and read by the site.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

/// A path as the site server reads it: UNC paths as they are, others made absolute from where the command is typed,
/// without `.` and `..`, which the site refuses.
pub(super) fn as_the_site_sees(typed: &str) -> Result<String> {
    if typed.starts_with(r"\\") || typed.starts_with("//") {
        return Ok(typed.to_owned());
    }
    let path = std::path::absolute(typed).with_context(|| format!("{typed:?} is no path"))?;
    let path = folded(&path);
    path.into_os_string().into_string().ok().with_context(|| format!("{typed:?} is no readable name"))
}

fn folded(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(folded.pop()),
            Component::CurDir => {}
            other => folded.push(other),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_unc_paths_left_alone() {
        let here = std::env::current_dir().unwrap();
        for (typed, expect) in [
            (r"\\files\drivers\x", r"\\files\drivers\x".to_owned()),
            ("/srv/drivers", "/srv/drivers".to_owned()),
            ("/srv/../etc/./x/", "/etc/x".to_owned()),
            ("drivers/x", here.join("drivers/x").to_str().unwrap().to_owned()),
            ("../x", here.parent().unwrap().join("x").to_str().unwrap().to_owned()),
        ] {
            assert_eq!(as_the_site_sees(typed).unwrap(), expect);
        }
    }
}
