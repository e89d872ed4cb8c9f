//! The proof: every file of the source, fetched from a distribution point as a client fetches it, and
//! compared by SHA-256.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::sources::files_below;

/// Characters that stay as they are in a path of a URL.
const PATH_ESCAPE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
const READ_BYTES: usize = 256 * 1024;

/// What was compared on one distribution point.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Checked {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Fetches every file of `source` by its versioned address and compares the hashes.
pub(super) async fn compare(dp_url: &str, package_id: &str, version: u64, source: &Path) -> Result<Checked> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut checked = Checked::default();
    for file in files_below(source)? {
        let relative = file.strip_prefix(source).expect("listed below this folder");
        let path = relative.to_str().context("the demo's file names are UTF-8")?;
        let url = format!(
            "{dp_url}/SMS_DP_SMSPKG$/{package_id}.{version}/{}",
            utf8_percent_encode(path, PATH_ESCAPE)
        );
        let (served, bytes) = hash_of_url(&http, &url).await?;
        ensure!(served == hash_of_file(&file)?, "{url} does not have the bytes of the source");
        checked.files += 1;
        checked.bytes += bytes;
    }
    Ok(checked)
}

async fn hash_of_url(http: &reqwest::Client, url: &str) -> Result<(String, u64)> {
    let mut reply = http.get(url).send().await?.error_for_status()?;
    let mut digest = Digest::new(&SHA256);
    let mut bytes = 0;
    while let Some(part) = reply.chunk().await? {
        digest.update(&part);
        bytes += part.len() as u64;
    }
    Ok((hex::encode(digest.finish()), bytes))
}

fn hash_of_file(file: &Path) -> Result<String> {
    let mut reader = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut digest = Digest::new(&SHA256);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok(hex::encode(digest.finish()));
        }
        digest.update(&buffer[..length]);
    }
}
