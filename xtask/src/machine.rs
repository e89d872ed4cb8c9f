//! What the tests and benches need on the machine beyond the toolchain: looked for, installed when missing and
//! possible, else named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{command, output, succeeds};

/// Where files are kept in memory.
const MEMORY: &str = "/dev/shm";
/// What has to be free there: several times what a whole run takes.
const MEMORY_FREE_BYTES: u64 = 2 << 30;

/// Where short-lived files go whose durability nobody tests: in memory where there is room (a container often has 64 MB).
pub(crate) fn fast_folder() -> PathBuf {
    let df = output(command("df").args(["--block-size=1", "--output=avail", MEMORY])).unwrap_or_default();
    let free_bytes = df.lines().last().and_then(|text| text.trim().parse::<u64>().ok());
    match free_bytes {
        Some(bytes) if bytes >= MEMORY_FREE_BYTES => MEMORY.into(),
        _ => std::env::temp_dir(),
    }
}

/// Whether we may install packages.
pub(crate) fn is_root() -> bool {
    output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Where a program lies on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Servers lie here, and a plain user's path lacks it.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Makes sure that `program` is there, from Debian's `package` if need be.
pub(crate) fn need(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    install(package)?;
    find(program).with_context(|| format!("Debian's package {package} brought no program {program}"))
}

/// Makes sure that Debian's `package` is there, which brings no program to look for.
pub(crate) fn need_library(package: &str) -> Result<()> {
    let status = output(command("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
    if status.is_ok_and(|status| status == "installed") {
        return Ok(());
    }
    install(package)
}

/// Installs a Debian package, with fresh package lists when the ones at hand do not do.
pub(crate) fn install(package: &str) -> Result<()> {
    if find("apt-get").is_none() || !is_root() {
        bail!("{package} is missing; install it (on Debian: apt-get install {package}), or run this as root");
    }
    println!("Installing Debian's package {package}");
    if !apt_get(&["install", package])? {
        println!("Fetching fresh package lists");
        if !(apt_get(&["update"])? && apt_get(&["install", package])?) {
            bail!("apt-get could not install {package}; its messages are above");
        }
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<bool> {
    let mut apt_get = command("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    apt_get.args(["--quiet=2", "--yes", "--no-install-recommends"]).args(arguments);
    succeeds(&mut apt_get)
}

/// A Python of this minor version or a newer one, if the machine has one that runs: on the search path, or among those that
/// pyenv made. Its programs on the search path run only where a project chose their version.
pub(crate) fn python_since(minor: u32) -> Option<PathBuf> {
    let names =
        std::iter::once("python3".to_owned()).chain((minor..minor + 4).map(|n| format!("python3.{n}")));
    let test = format!("import sys; sys.exit(sys.version_info < (3, {minor}))");
    let home = |folder: &str| std::env::var_os("HOME").map(|home| Path::new(&home).join(folder));
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| home(".pyenv"));
    let made = root.map(|root| interpreters(&root.join("versions"))).unwrap_or_default();
    let found = names.filter_map(|name| find(&name)).chain(made);
    found.into_iter().find(|python| output(command(python).args(["-c", &test])).is_ok())
}

/// The Python of each folder of a folder.
fn interpreters(versions: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(versions).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| entry.path().join("bin/python3")).filter(|file| file.is_file()).collect();
    found.sort();
    found
}

/// A Python with the packages of this requirements file, made of `system` once and kept in the target folder.
pub(crate) fn python_with(system: &Path, requirements: &Path, venv: &Path) -> Result<PathBuf> {
    let python = venv.join("bin/python");
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let installed = venv.join("installed.txt");
    if python.is_file() && std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    println!("Making a Python environment with the clients of {}", requirements.display());
    if !make_venv(system, venv)? {
        install("python3-venv")?;
        if !make_venv(system, venv)? {
            bail!("python3 -m venv failed; its messages are above");
        }
    }
    let mut pip = command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    if !succeeds(&mut pip)? {
        bail!("pip could not install the clients; its messages are above");
    }
    std::fs::write(installed, wanted)?;
    Ok(python)
}

/// A folder with the packages of the `package-lock.json` in `declared`, installed once and kept in the target folder.
pub(crate) fn node_with(declared: &Path, folder: &Path) -> Result<PathBuf> {
    const LOCK: &str = "package-lock.json";
    let wanted = std::fs::read_to_string(declared.join(LOCK))
        .with_context(|| format!("cannot read {LOCK} in {}", declared.display()))?;
    need("node", "nodejs")?;
    let npm = need("npm", "npm")?;
    let installed = folder.join("installed.json");
    if std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(folder.to_owned());
    }
    println!("Installing the Node.js packages of {}", declared.display());
    std::fs::create_dir_all(folder)?;
    for file in ["package.json", LOCK] {
        std::fs::copy(declared.join(file), folder.join(file))?;
    }
    // What the lock file names, byte for byte, and none of the packages' own programs.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    if !succeeds(command(&npm).args(arguments).current_dir(folder))? {
        bail!("npm could not install the clients; its messages are above");
    }
    std::fs::write(installed, wanted)?;
    Ok(folder.to_owned())
}

fn make_venv(python: &Path, venv: &Path) -> Result<bool> {
    succeeds(command(python).args(["-m", "venv", "--clear"]).arg(venv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }

    #[test]
    fn interpreters_are_found_in_the_folders_of_their_versions() {
        let versions = tempfile::tempdir().unwrap();
        let python = |version: &str| versions.path().join(version).join("bin/python3");
        for version in ["3.13.0", "3.12.1"] {
            std::fs::create_dir_all(python(version).parent().unwrap()).unwrap();
            std::fs::write(python(version), "").unwrap();
        }
        std::fs::create_dir(versions.path().join("broken")).unwrap();
        assert_eq!(interpreters(versions.path()), [python("3.12.1"), python("3.13.0")]);
        assert!(interpreters(&versions.path().join("none")).is_empty());
    }
}
