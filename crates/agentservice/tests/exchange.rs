//! The whole exchange with a real site: enrol, be told, fetch and verify every byte, report, be told again.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::collections::HashMap;

use agent::{Event, Fact, Facts, PackRef};
use content::format::decode_entry;
use content::{ChunkId, Encoding, FileHash, Manifest, ManifestRoot, PackEntry, PackId, PackIndex};
use samples::Step;
use site::State;

mod rig;

use rig::{Agent, Rig, Transport, flip_bit, not_hanging, until};

/// Fetches a manifest's root; the id is the check.
async fn fetch_root(agent: &Agent, manifest: &str) -> Result<ManifestRoot, String> {
    let path = format!("/content/v1/manifests/{manifest}");
    let bytes = agent.client.get_object(&path, 1 << 20).await.map_err(|e| e.code().to_owned())?;
    ManifestRoot::decode(&bytes, manifest.parse().unwrap()).map_err(|e| e.to_string())
}

/// Fetches the full chunks of a version, by the indexes of the packs on its route.
async fn fetch_chunks(
    agent: &Agent,
    package_id: &str,
    version: u32,
) -> Result<HashMap<ChunkId, Vec<u8>>, String> {
    let mut chunks = HashMap::new();
    for pack in agent.route(package_id, version).await.packs {
        for entry in full_entries(agent, &pack).await? {
            chunks.insert(entry.chunk, fetch_entry(agent, &pack, &entry).await?);
        }
    }
    Ok(chunks)
}

/// The entries of a pack that need no base.
async fn full_entries(agent: &Agent, pack: &PackRef) -> Result<Vec<PackEntry>, String> {
    let range = pack.index_offset..pack.index_offset + pack.index_bytes;
    let index = agent.client.get_range(&path(pack), range).await.unwrap().read_all().await.unwrap();
    let index = PackIndex::decode(&index, pack.id.parse().unwrap()).map_err(|e| e.to_string())?;
    Ok(index.entries.into_iter().filter(|entry| !matches!(entry.encoding, Encoding::Patch { .. })).collect())
}

fn path(pack: &PackRef) -> String {
    format!("/content/v1/packs/{}", pack.id)
}

async fn fetch_entry(agent: &Agent, pack: &PackRef, entry: &PackEntry) -> Result<Vec<u8>, String> {
    let range = entry.offset..entry.offset + u64::from(entry.stored_bytes);
    let stored = agent.client.get_range(&path(pack), range).await.unwrap().read_all().await.unwrap();
    decode_entry(entry, &stored, &[]).map_err(|e| e.to_string())
}

/// Every file of the version, whole and with the right hash; how many.
async fn fetch_all(agent: &Agent, package_id: &str, version: u32, manifest: &str) -> usize {
    let root = fetch_root(agent, manifest).await.unwrap();
    let chunks = fetch_chunks(agent, package_id, version).await.unwrap();
    let stream: Vec<u8> = root.chunks.iter().flat_map(|chunk| chunks[&chunk.id].clone()).collect();
    let manifest = Manifest::decode(&stream, &root).unwrap();
    let mut files = 0;
    for file in manifest.files() {
        let bytes: Vec<u8> = file.chunks.iter().flat_map(|chunk| chunks[&chunk.id].clone()).collect();
        assert_eq!(FileHash::of(&bytes), file.hash, "{}", file.path);
        files += 1;
    }
    files
}

fn installed(package_id: &str, generation: i64, version: u32) -> Facts {
    let event =
        Event::Installed { version, files: 9, bytes_total: 100, bytes_received: 40, files_verified: 9 };
    let at = "2026-11-22T16:05:00Z".to_owned();
    Facts { facts: vec![Fact { package_id: package_id.to_owned(), generation, at, serial: None, event }] }
}

async fn whole_exchange(transport: Transport) {
    let rig = Rig::start(transport).await;
    let agent = rig.enrol("dp1.example.test").await;
    assert_eq!(agent.reply.site_code, "PS1");
    assert_eq!(agent.reply.certificate_pem.is_some(), transport == Transport::Tls);
    assert!(agent.desired(0, 0).await.unwrap().packages.is_empty());

    let package_id = rig.package("dp1.example.test").await;
    let (manifest, generation, revision) = agent.until_version(0, 1).await;
    assert!(fetch_all(&agent, &package_id, 1, &manifest).await > 5);
    assert!(rig.stats.dp_content_bytes() > 0);
    assert!(agent.client.received_bytes() > rig.stats.dp_content_bytes(), "content and JSON");

    agent.client.post("/agent/v1/facts", &installed(&package_id, generation, 1)).await.unwrap();
    let status = rig.site.distribution_status(Some(&package_id)).await.unwrap();
    assert_eq!((status[0].state, status[0].installed_version), (State::Installed, 1));
    assert_eq!((status[0].bytes_total, status[0].bytes_received), (100, 40));
    assert_eq!(rig.stats.facts(), 1);

    // The agent already waits when the source changes and the refresh comes.
    let waits = rig.stats.waits();
    let waiting = async { agent.until_version(revision, 2).await };
    let refresh = async {
        until(|| rig.stats.waits() > waits).await;
        samples::apply_step(&rig.source(), 8, Step::Fix).unwrap();
        rig.site.refresh_package(&rig.admin, &package_id).await.unwrap();
    };
    let ((second, _, later), ()) = Box::pin(not_hanging(async { tokio::join!(waiting, refresh) })).await;
    assert_ne!(second, manifest);
    assert!(later > revision);
    assert!(fetch_all(&agent, &package_id, 2, &second).await > 5);
    assert_eq!(rig.stopped().await.cut, 0);
}

#[tokio::test]
async fn the_whole_exchange_on_plain_loopback() {
    Box::pin(whole_exchange(Transport::Plain)).await;
}

#[tokio::test]
async fn the_whole_exchange_on_tls() {
    Box::pin(whole_exchange(Transport::Tls)).await;
}

#[tokio::test]
async fn altered_objects_are_served_as_they_are_and_refused_by_their_hash() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol("dp1.example.test").await;
    let package_id = rig.package("dp1.example.test").await;
    let (manifest, ..) = agent.until_version(0, 1).await;
    let library = rig.site.library().await.unwrap();
    let path_of = |key| library.store().local_path(key).unwrap();

    let root = content::ObjectKey::Manifest(manifest.parse().unwrap());
    flip_bit(&path_of(root), 20);
    assert!(fetch_root(&agent, &manifest).await.unwrap_err().len() > 5, "the root is refused");
    flip_bit(&path_of(root), 20);
    fetch_root(&agent, &manifest).await.unwrap();

    let pack = agent.largest_pack(&package_id, 1).await;
    let entry = full_entries(&agent, &pack).await.unwrap().remove(0);
    let file = path_of(content::ObjectKey::Pack(pack.id.parse().unwrap()));
    for offset in [pack.index_offset + 3, entry.offset, entry.offset + u64::from(entry.stored_bytes) - 1] {
        flip_bit(&file, offset);
        let refused = fetch_chunks(&agent, &package_id, 1).await.map(|chunks| chunks.len());
        assert!(refused.is_err(), "at {offset}");
        flip_bit(&file, offset);
        assert!(fetch_chunks(&agent, &package_id, 1).await.is_ok(), "whole again");
    }
}

#[tokio::test]
async fn an_object_that_is_cut_short_breaks_off_and_is_never_filled_up() {
    const OBJECT_BYTES: usize = 24 << 20;
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol("dp1.example.test").await;
    let library = rig.site.library().await.unwrap();
    let id = PackId::of(b"any");
    let key = content::ObjectKey::Pack(id);
    library.store().put_bytes(key, &vec![7; OBJECT_BYTES]).unwrap();
    let path = format!("/content/v1/packs/{id}");

    // Granted while the object is whole; cut while most of it waits for the agent to take it.
    let mut stream = agent.client.get_range(&path, 0..OBJECT_BYTES as u64).await.unwrap();
    let mut received = stream.next().await.unwrap().unwrap().len();
    let file = std::fs::File::options().write(true).open(library.store().local_path(key).unwrap()).unwrap();
    file.set_len(OBJECT_BYTES as u64 - 10).unwrap();
    let end = not_hanging(async {
        loop {
            match stream.next().await {
                Ok(Some(bytes)) => received += bytes.len(),
                end => return end,
            }
        }
    })
    .await;
    assert!(end.is_err(), "{received} bytes are not the range");
    assert!(received < OBJECT_BYTES);

    library.store().delete(key).unwrap();
    let gone = agent.client.get_range(&path, 0..10).await;
    assert_eq!(rig::refused(gone), (404, "object_not_found".to_owned()));
}
