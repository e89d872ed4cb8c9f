use cim::Value;
use site::VerificationState;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_ContentLibrary`: sizes, health and clearing of the site's content library.
pub(crate) struct ContentLibrary;

/// The most problems that one reply lists; the counts are whole.
const PROBLEMS_MAX: usize = 100;

impl ClassHandler for ContentLibrary {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "GetStatistics" => statistics(call).await?,
                "Verify" => {
                    call.site.verify_content(call.actor).await?;
                    Vec::new()
                }
                "GetVerification" => verification(call),
                "Collect" => collect(call).await?,
                method => return Err(not_implemented(call, method)),
            };
            let out = out.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}

type Out = Vec<(&'static str, Value)>;

async fn statistics(call: Call<'_>) -> Result<Out, Fault> {
    let stats = call.site.content_stats().await?;
    Ok(vec![
        ("Manifests", count(stats.manifests)),
        ("FileBytes", count(stats.logical_bytes)),
        ("Chunks", count(stats.chunks)),
        ("Packs", count(stats.packs)),
        ("PackBytes", count(stats.pack_bytes)),
        ("RetiredPacks", count(stats.retired_packs)),
        ("RetiredPackBytes", count(stats.retired_pack_bytes)),
    ])
}

/// How far it is; the figures of the report once it is done, zero before.
fn verification(call: Call<'_>) -> Out {
    let (state, mut packs_checked, report) = match call.site.content_verification() {
        VerificationState::Never => ("never", 0, None),
        VerificationState::Running { packs_checked, .. } => ("running", packs_checked, None),
        VerificationState::Failed { .. } => ("failed", 0, None),
        VerificationState::Done { report, .. } => ("done", 0, Some(report)),
    };
    let report = report.unwrap_or_default();
    packs_checked = packs_checked.max(report.packs_checked);
    let problems = report.lost.iter().take(PROBLEMS_MAX).map(|lost| {
        let what = lost.file.as_deref().unwrap_or("the manifest itself");
        Value::String(format!("manifest {}: {what}", lost.manifest))
    });
    vec![
        ("State", Value::text(state)),
        ("PacksChecked", count(packs_checked)),
        ("EntriesChecked", count(report.entries_checked)),
        ("PacksDamaged", count(report.packs_damaged.len() as u64)),
        ("ChunksRepaired", count(report.chunks_repaired)),
        ("ManifestsRepaired", count(report.manifests_repaired.len() as u64)),
        ("FilesLost", count(report.lost.len() as u64)),
        ("Problems", Value::Array(problems.collect())),
    ]
}

async fn collect(call: Call<'_>) -> Result<Out, Fault> {
    let report = call.site.collect_content(call.actor).await?;
    Ok(vec![
        ("ManifestsRemoved", count(report.manifests_removed)),
        ("PacksRemoved", count(report.packs_removed)),
        ("FreedBytes", count(report.bytes_removed)),
        ("PacksRewritten", count(report.packs_rewritten)),
        ("MoreToDo", Value::Boolean(report.more)),
    ])
}

fn count(number: u64) -> Value {
    Value::Integer(number.into())
}
