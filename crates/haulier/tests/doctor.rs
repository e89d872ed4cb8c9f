//! `haulier doctor` with real processes: who is silent, who cannot sign in, what does not come from other sites.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::faketime::FakeClock;
use processes::{Hierarchy, PASSWORD, program, wait_until};
use serde_json::Value;

mod processes;

/// What the doctor says is wrong, by what was looked at.
async fn problems(site: &Hierarchy, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut command = program();
    command.args(["doctor", "--json"]).envs(variables.iter().copied());
    command.env("HAULIER_SITE", &site.site.address).env("HAULIER_PASSWORD", PASSWORD);
    let output = command.output().await.unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let problem = |finding: &Value| {
        Some((finding["what"].as_str()?.to_owned(), finding["problem"].as_str()?.to_owned()))
    };
    let problems: Vec<_> = findings.iter().filter_map(problem).collect();
    assert_eq!(output.status.success(), problems.is_empty(), "{findings:?}");
    problems
}

/// Waits until the doctor finds this and nothing else.
async fn finds(site: &Hierarchy, what: &str, texts: &[&str]) {
    wait_until(&format!("the doctor finds {texts:?}"), || async {
        match problems(site, &[]).await.as_slice() {
            [(found, problem)] => found == what && texts.iter().all(|text| problem.contains(text)),
            _ => false,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_who_is_silent_and_who_is_not_enrolled() {
    let parent = Hierarchy::start_central(2).await;
    let child = parent.child("S01", "primary", 0).await;
    let heard = || async {
        let sites = child.json(&["site", "list"]).await;
        sites.as_array().unwrap().iter().filter(|site| site["LastHeard"].is_string()).count() == 1
    };
    wait_until("the child has written down that it heard its parent", heard).await;
    for site in [&parent, &child] {
        wait_until("nothing is wrong", || async { problems(site, &[]).await.is_empty() }).await;
    }
    let shown = parent.text(&["site", "show", "S01"]).await;
    let joined = parent.json(&["site", "show", "S01"]).await["Joined"].as_str().unwrap().to_owned();
    assert!(shown.contains(&joined) && shown.contains("LastHeard"), "{shown}");

    parent.text(&["dp", "revoke", "dp2.example.test"]).await;
    let next = ["dp2.example.test", "haulier dp token --data DATA NAME"];
    finds(&parent, "every distribution point is enrolled", &next).await;
    let listed = parent.text(&["dp", "list"]).await;
    let of = |name: &str| listed.lines().find(|line| line.contains(name)).unwrap().contains("not enrolled");
    assert_eq!((of("dp1.example.test"), of("dp2.example.test")), (false, true), "{listed}");
    let seen = child.json(&["dp", "list"]).await;
    assert!(seen.as_array().unwrap().iter().all(|point| point["IsEnrolled"].is_null()), "{seen}");

    // Everybody is silent for whoever looks ten minutes later.
    let Some(later) = FakeClock::new(parent.folder.path(), "later") else {
        eprintln!("NOT RUN: silence: Debian's libfaketime is missing; `cargo xtask test` installs it");
        return;
    };
    later.set("+10m");
    let found = problems(&parent, &later.variables()).await;
    let of = |what: &str| found.iter().find(|(found, _)| found == what).map(|(_, problem)| problem.as_str());
    let points = of("every distribution point is heard").unwrap();
    assert!(points.starts_with("dp1.example.test last heard ") && !points.contains("dp2"), "{points}");
    let sites = of("every neighbor site is heard").unwrap();
    assert!(
        sites.starts_with("the child site S01 last heard ") && sites.contains("haulier site run"),
        "{sites}"
    );
    let found = problems(&child, &later.variables()).await;
    assert!(found.len() == 1 && found[0].1.starts_with("the parent site PS1 last heard "), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_of_a_version_that_was_refused_until_it_comes() {
    let mut parent = Hierarchy::start_central(0).await;
    let child = parent.child("S01", "primary", 1).await;
    let source = parent.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("driver.inf"), "one").unwrap();
    let package = parent.create_package("Drivers", &source).await;
    parent.knows_point("dp1.s01.example.test").await;
    parent.text(&["package", "distribute", &package, "dp1.s01.example.test"]).await;
    parent.wait_for_version(&package, 1).await;
    assert_eq!(problems(&child, &[]).await, []);

    // A key that nobody vouches for.
    assert!(parent.site.terminate().await);
    let key = parent.at_data(&["site", "key", "rotate", "--lost", "--json"]).await;
    let key: Value = serde_json::from_str(&key).unwrap();
    parent.site.start().await;
    std::fs::write(source.join("driver.inf"), "two").unwrap();
    parent.text(&["package", "refresh", &package]).await;
    let says = ["Version 2", &package, "signer_unknown", "since 2"];
    finds(&child, "versions of other sites come", &says).await;

    let key =
        key.as_object().unwrap().values().find_map(|value| value.as_str().filter(|text| text.len() == 64));
    child.at_data(&["site", "key", "trust", "PS1", key.unwrap()]).await;
    let is_over =
        |found: &[(String, String)]| found.iter().all(|(what, _)| what != "versions of other sites come");
    wait_until("it came", || async { is_over(&problems(&child, &[]).await) }).await;
    assert_eq!(child.json(&["package", "show", &package]).await["package"]["StoredPkgVersion"], 2);
}
