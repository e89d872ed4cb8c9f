//! Where the Kerberos library finds the site's keys: it is told by the environment, and that must be so when the process
//! begins.

use std::ffi::OsString;

use anyhow::Result;
use signin::SignIn;

use crate::args::SiteRun;
use crate::config::{self, SiteConfig};

/// What names the keytab.
const VARIABLE: &str = "KRB5_KTNAME";

/// What must stand in the environment of the process that runs a site.
///
/// Errors: the configuration has a mistake, or asks for what this program was built without.
pub(crate) fn environment(args: &SiteRun) -> Result<Option<(&'static str, OsString)>> {
    let value = value(&config::load(&args.data)?);
    anyhow::ensure!(
        value.is_none() || cfg!(feature = "kerberos"),
        "haulier.toml names a keytab, but this program was built without Kerberos; take `keytab` out of it, or use a \
         program that was built with: cargo build --release --features kerberos"
    );
    Ok(value.map(|value| (VARIABLE, value)))
}

fn value(config: &SiteConfig) -> Option<OsString> {
    let keytab = config.kerberos.keytab.as_ref()?;
    let mut value = OsString::from("FILE:");
    value.push(keytab);
    Some(value)
}

/// Lets tickets in, where the site has a keytab.
#[cfg(not(feature = "kerberos"))]
#[allow(clippy::unnecessary_wraps, reason = "with Kerberos the keytab may be missing")]
pub(super) fn taking_tickets(sign_in: SignIn, _: &SiteConfig) -> Result<SignIn> {
    Ok(sign_in)
}

/// Lets tickets in, where the site has a keytab.
#[cfg(feature = "kerberos")]
pub(super) fn taking_tickets(sign_in: SignIn, config: &SiteConfig) -> Result<SignIn> {
    use anyhow::Context;
    let (Some(keytab), Some(value)) = (&config.kerberos.keytab, value(config)) else { return Ok(sign_in) };
    // Keys of somebody else must not be used by accident.
    anyhow::ensure!(
        std::env::var_os(VARIABLE) == Some(value),
        "the process could not be started anew with {VARIABLE} in its environment; set it to FILE:{}",
        keytab.display()
    );
    let kerberos = signin::Kerberos::from_environment().with_context(|| {
        format!(
            "no key can be read from the keytab {}; write one on the KDC's machine and let only this process's user read it",
            keytab.display()
        )
    })?;
    Ok(sign_in.with_kerberos(kerberos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ListenerArgs;

    fn run(toml: &str) -> Result<Option<(&'static str, OsString)>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(config::FILE_NAME), toml).unwrap();
        let listeners = ListenerArgs { wsman: None, wsman_tls: None, cimxml: None, cimxml_tls: None };
        environment(&SiteRun { data: folder.path().to_owned(), listen: None, parent: None, listeners })
    }

    #[test]
    fn a_keytab_is_for_the_environment_or_an_error_that_says_what_to_do() {
        assert_eq!(run("").unwrap(), None);
        let configured = run("[kerberos]\nkeytab = \"/etc/haulier/http.keytab\"\n");
        if cfg!(feature = "kerberos") {
            let expect = Some((VARIABLE, OsString::from("FILE:/etc/haulier/http.keytab")));
            assert_eq!(configured.unwrap(), expect);
        } else {
            let text = configured.unwrap_err().to_string();
            assert!(text.contains("--features kerberos") && text.contains("haulier.toml"), "{text}");
        }
        assert!(run("[kerberos]\nkeytabs = \"x\"\n").is_err());
    }
}
