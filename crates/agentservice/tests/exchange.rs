//! The whole exchange with a real site: enrol, be told, fetch and verify every byte, report, be told again.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::collections::HashMap;

use agent::{Event, Fact, Facts};
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
        let path = format!("/content/v1/packs/{}", pack.id);
        let range = pack.index_offset..pack.index_offset + pack.index_bytes;
        let index = agent.client.get_range(&path, range).await.unwrap().read_all().await.unwrap();
        let id: PackId = pack.id.parse().unwrap();
        for entry in PackIndex::decode(&index, id).map_err(|e| e.to_string())?.entries {
            if matches!(entry.encoding, Encoding::Patch { .. }) {
                continue;
            }
            chunks.insert(entry.chunk, fetch_entry(agent, &path, &entry).await?);
        }
    }
    Ok(chunks)
}

async fn fetch_entry(agent: &Agent, path: &str, entry: &PackEntry) -> Result<Vec<u8>, String> {
    let range = entry.offset..entry.offset + u64::from(entry.stored_bytes);
    let stored = agent.client.get_range(path, range).await.unwrap().read_all().await.unwrap();
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
    Facts { facts: vec![Fact { package_id: package_id.to_owned(), generation, at, event }] }
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
    assert!(rig.stats.content_bytes() > 0);
    assert_eq!(agent.client.received_bytes() > rig.stats.content_bytes(), true, "content and JSON");

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
    let ((second, _, later), ()) = not_hanging(async { tokio::join!(waiting, refresh) }).await;
    assert_ne!(second, manifest);
    assert!(later > revision);
    assert!(fetch_all(&agent, &package_id, 2, &second).await > 5);
    assert_eq!(rig.stopped().await.cut, 0);
}

#[tokio::test]
async fn the_whole_exchange_on_plain_loopback() {
    whole_exchange(Transport::Plain).await;
}

#[tokio::test]
async fn the_whole_exchange_on_tls() {
    whole_exchange(Transport::Tls).await;
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

    let pack = agent.route(&package_id, 1).await.packs[0].clone();
    let key = content::ObjectKey::Pack(pack.id.parse().unwrap());
    for offset in [pack.index_offset + 3, pack.index_offset - 1] {
        flip_bit(&path_of(key), offset);
        let error = fetch_chunks(&agent, &package_id, 1).await.unwrap_err();
        assert!(!error.is_empty(), "{error}");
        flip_bit(&path_of(key), offset);
        fetch_chunks(&agent, &package_id, 1).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_that_is_cut_short_breaks_off_and_is_never_filled_up() {
    let rig = Rig::start(Transport::Plain).await;
    let agent = rig.enrol("dp1.example.test").await;
    let package_id = rig.package("dp1.example.test").await;
    agent.until_version(0, 1).await;
    let pack = agent.route(&package_id, 1).await.packs[0].clone();
    let path = format!("/content/v1/packs/{}", pack.id);
    let whole = agent.client.get_object(&path, 1 << 30).await.unwrap();

    // The range is granted while the object is whole, and the object shrinks before it is read to its end.
    let bytes = whole.len() as u64;
    let mut stream = agent.client.get_range(&path, 0..bytes).await.unwrap();
    assert_eq!(stream.object_bytes(), bytes);
    drop(stream.next().await.unwrap());
    let library = rig.site.library().await.unwrap();
    let file = library.store().local_path(content::ObjectKey::Pack(pack.id.parse().unwrap())).unwrap();
    std::fs::remove_file(&file).unwrap();
    let error = agent.client.get_range(&path, 0..bytes).await.unwrap_err();
    assert_eq!(rig::refused::<()>(Err(error)), (404, "object_not_found".to_owned()));
}
