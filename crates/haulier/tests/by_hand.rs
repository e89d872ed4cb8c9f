//! The commands as DESIGN spells them, typed one after another by an administrator; and what mistakes get.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, PASSWORD, fetch, succeed};
use serde_json::Value;

mod openmetrics;
mod processes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_goes_from_a_folder_to_distribution_points_and_on_to_its_next_version() {
    let hierarchy = Hierarchy::start(2).await;
    let source = hierarchy.folder.path().join("source");
    let spec = samples::PackSpec { seed: 1, drivers: 8, large_files: 1, large_file_bytes: 3_000_000 };
    samples::write_pack(&source, &spec).unwrap();
    std::fs::write(source.join("read me.txt"), "one").unwrap();

    let id = hierarchy.create_package("Latitude 7440", &source).await;
    assert_eq!(id, "PS100001");
    hierarchy.distribute("Latitude 7440").await;
    hierarchy.wait_for_version(&id, 1).await;

    std::fs::write(source.join("read me.txt"), "two").unwrap();
    hierarchy.text(&["package", "refresh", &id]).await;
    let states = hierarchy.wait_for_version(&id, 2).await;
    for state in &states {
        let (received, total) =
            (state["BytesReceived"].as_u64().unwrap(), state["BytesTotal"].as_u64().unwrap());
        assert!(received * 50 < total, "{received} of {total} bytes travelled for one changed line");
    }
    for point in &hierarchy.points {
        let (old, new) = (format!("{id}.1/Read%20Me.TXT"), format!("{id}/read%20me.txt"));
        assert_eq!(
            fetch(&point.address, &old).await.as_deref(),
            Some(&b"one"[..]),
            "the old version stays for its readers"
        );
        assert_eq!(fetch(&point.address, &new).await.as_deref(), Some(&b"two"[..]));
    }

    // Back to version 1, of which both hold everything: at most the manifest travels.
    let back = hierarchy.json(&["package", "rollback", &id, "--to", "1"]).await;
    assert_eq!((&back["SourceVersion"], &back["RolledBackTo"]), (&Value::from(3), &Value::from(1)));
    let states = hierarchy.wait_for_version(&id, 3).await;
    for state in &states {
        let received = state["BytesReceived"].as_u64().unwrap();
        assert!(received < 16 * 1024, "{received} bytes travelled for what is held: {state}");
        assert_eq!(state["Call"], back["Call"], "the call is found at its consequence");
    }
    for point in &hierarchy.points {
        let name = format!("{id}/read%20me.txt");
        assert_eq!(fetch(&point.address, &name).await.as_deref(), Some(&b"one"[..]));
    }
    let said = hierarchy.text(&["package", "rollback", &id, "--to", "2"]).await;
    assert!(said.contains("has version 4 now") && said.contains("next refresh publishes it again"), "{said}");
    let lines = hierarchy.text(&["status", &id, "--watch", "--json"]).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (done, before) = lines.split_last().unwrap();
    assert_eq!((&done["event"], done["states"].as_array().unwrap().len()), (&Value::from("done"), 2));
    assert!(
        before.iter().all(|line| ["state", "status"].contains(&line["event"].as_str().unwrap())),
        "{before:?}"
    );
    hierarchy.wait_for_version(&id, 4).await;

    let history = hierarchy.json(&["package", "history", &id]).await;
    let versions: Vec<_> =
        history.as_array().unwrap().iter().map(|row| row["SourceVersion"].clone()).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    let gone = hierarchy.haulier(&["package", "rollback", &id, "--to", "1"]).await;
    let why = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && why.contains("no longer kept; these are: 2, 3, 4"), "{why}");
    assert_eq!(hierarchy.json(&["package", "show", &id]).await["package"]["SourceVersion"], 4);

    for address in [&hierarchy.site.address, &hierarchy.points[0].address] {
        let reply = reqwest::get(format!("{address}/metrics")).await.unwrap();
        let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        openmetrics::check(&reply.text().await.unwrap());
    }
    let reply =
        reqwest::get(format!("{}/metrics", hierarchy.site.address)).await.unwrap().text().await.unwrap();
    for line in [
        "haulier_site_distributions{state=\"installed\"} 2",
        "haulier_site_distribution_points{state=\"heard\"} 2",
    ] {
        assert!(reply.lines().any(|found| found == line), "{line} is not in {reply}");
    }
    let listed =
        hierarchy.json(&["query", "SELECT Name FROM SMS_DriverPackage WHERE PackageID = 'ps100001'"]).await;
    assert_eq!(listed[0]["Name"], "Latitude 7440");
    assert!(hierarchy.text(&["doctor"]).await.lines().all(|line| line.starts_with("ok")));

    hierarchy.text(&["package", "remove", &id, &hierarchy.points[0].name]).await;
    hierarchy.wait_for_states(&id, |states| states.len() == 1).await;
    assert_eq!(fetch(&hierarchy.points[0].address, &format!("{id}/read%20me.txt")).await, None);
    hierarchy.text(&["package", "delete", &id]).await;
    processes::wait_until("the content leaves the last distribution point", || async {
        fetch(&hierarchy.points[1].address, &format!("{id}/read%20me.txt")).await.is_none()
    })
    .await;
    assert_eq!(hierarchy.haulier(&["package", "show", &id]).await.status.code(), Some(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redistribution_repairs_what_was_damaged_on_a_distribution_point_without_a_new_version() {
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a.sys"), vec![7; 100_000]).unwrap();
    let id = hierarchy.create_package("Damaged", &source).await;
    hierarchy.distribute(&id).await;
    hierarchy.wait_for_version(&id, 1).await;

    let point = &hierarchy.points[0];
    let stored = find_file(&point.data, 100_000);
    std::fs::write(&stored, vec![8; 100_000]).unwrap();
    hierarchy.text(&["package", "redistribute", &id, &point.name]).await;
    processes::wait_until("the file is whole again", || async {
        fetch(&point.address, &format!("{id}/a.sys")).await == Some(vec![7; 100_000])
    })
    .await;
    hierarchy.wait_for_version(&id, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_decide_who_may_do_what() {
    let hierarchy = Hierarchy::start(0).await;
    let source = hierarchy.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a.inf"), "[Version]").unwrap();
    let id = hierarchy.create_package("Guarded", &source).await;
    let password_file = hierarchy.folder.path().join("pw");
    let password_file = password_file.to_str().unwrap();
    for (user, role) in [("reader1", "reader"), ("operator1", "operator"), ("author1", "author")] {
        hierarchy.text(&["user", "create", user, "--role", role, "--password-file", password_file]).await;
    }
    let source_text = source.to_str().unwrap();
    for (user, list, refresh, create, add_user) in
        [("reader1", 0, 4, 4, 4), ("operator1", 0, 0, 4, 4), ("author1", 0, 0, 0, 4)]
    {
        let exit =
            async |arguments: &[&str]| hierarchy.haulier_as(user, PASSWORD, arguments).await.status.code();
        assert_eq!(exit(&["package", "list"]).await, Some(list), "{user} lists");
        assert_eq!(exit(&["package", "refresh", &id]).await, Some(refresh), "{user} refreshes");
        assert_eq!(
            exit(&["package", "create", user, "--source", source_text]).await,
            Some(create),
            "{user} creates"
        );
        let add = ["user", "create", "x", "--role", "reader", "--password-file", password_file];
        assert_eq!(exit(&add).await, Some(add_user), "{user} adds a user");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_sign_in_until_they_are_revoked_and_every_change_is_on_record() {
    let hierarchy = Hierarchy::start(0).await;
    let token = hierarchy.text(&["token", "create", "admin", "--label", "nightly"]).await.trim().to_owned();
    let list_with = async |token: &str| {
        let mut command = processes::program();
        command.args(["package", "list"]).env("HAULIER_SITE", &hierarchy.site.address);
        command.env("HAULIER_API_TOKEN", token).output().await.unwrap().status.code()
    };
    assert_eq!(list_with(&token).await, Some(0));
    assert_eq!(list_with("made-up").await, Some(4));
    let tokens = hierarchy.json(&["token", "list"]).await;
    assert_eq!(
        (&tokens[0]["Label"], &tokens[0]["UserName"]),
        (&"nightly".into(), &"admin".into()),
        "{tokens}"
    );
    hierarchy.text(&["token", "revoke", &tokens[0]["TokenID"].to_string()]).await;
    assert_eq!(list_with(&token).await, Some(4));

    let password_file = hierarchy.folder.path().join("pw");
    let password_file = password_file.to_str().unwrap();
    let create = ["user", "create", "bob", "--role", "author", "--password-file", password_file];
    hierarchy.text(&create).await;
    assert_eq!(hierarchy.haulier(&create).await.status.code(), Some(1), "nobody is replaced by accident");
    hierarchy.text(&["user", "set", "bob", "--role", "operator"]).await;
    let bobs = hierarchy.text(&["token", "create", "bob", "--label", "bob's"]).await;
    assert_eq!(list_with(bobs.trim()).await, Some(0), "an administrator makes tokens for others");
    assert_eq!(hierarchy.json(&["user", "list"]).await[1]["Role"], "operator");
    let messages = hierarchy.json(&["status", "--messages"]).await;
    let texts: Vec<&str> =
        messages.as_array().unwrap().iter().filter_map(|row| row["Text"].as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("admin") && text.contains("bob")), "{texts:#?}");
}

#[tokio::test]
async fn what_a_site_stores_is_for_its_own_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let hierarchy = Hierarchy::start(1).await;
    let mut looked_at = 0;
    for data in [&hierarchy.site.data, &hierarchy.points[0].data] {
        let mut folders = vec![data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
                assert_eq!(mode, 0, "{} is open to others", entry.path().display());
                looked_at += 1;
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
    assert!(looked_at > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_get_an_exit_code_and_a_sentence_that_helps() {
    let hierarchy = Hierarchy::start(1).await;
    let folder = hierarchy.folder.path().to_str().unwrap().to_owned();
    for (arguments, code, says) in [
        (vec!["package", "show", "PS1FFFFF"], 5, "haulier package list"),
        (vec!["package", "refresh", "no such name"], 5, "haulier package list"),
        (vec!["package", "create", "x", "--source", "relative/path"], 1, "path"),
        (vec!["dp", "show", "dp9.example.test"], 5, "haulier dp list"),
        (vec!["query", "DELETE FROM SMS_DriverPackage"], 1, "WQL"),
        (vec!["query", "SELECT * FROM NoSuchClass"], 5, "NoSuchClass"),
        (vec!["site", "init", "--data", &format!("{folder}/ps1"), "--site-code", "PS1"], 1, "already"),
        (vec!["site", "init", "--data", &format!("{folder}/bad"), "--site-code", "P!"], 1, "site code"),
        (vec!["site", "run", "--data", &format!("{folder}/nowhere")], 1, "site init"),
        (vec!["dp", "run", "--data", &format!("{folder}/new")], 1, "haulier dp token"),
        (
            vec!["dp", "run", "--data", &format!("{folder}/new"), "--name", "x", "--token", "nonsense"],
            1,
            "token",
        ),
    ] {
        let output = hierarchy.haulier(&arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(
            errors.to_lowercase().contains(&says.to_lowercase()),
            "{arguments:?} says {errors:?}, not {says:?}"
        );
    }
    let wrong = hierarchy.haulier_as("admin", "wrong", &["package", "list"]).await;
    assert_eq!(wrong.status.code(), Some(4));
    let json = hierarchy.haulier(&["package", "show", "nope", "--json"]).await;
    let error: Value = serde_json::from_slice(&json.stderr).expect("errors are JSON too");
    assert_eq!(error["exit_code"], 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_enrols_one_distribution_point_once() {
    let hierarchy = Hierarchy::start(0).await;
    let token = hierarchy.token("dp1.example.test").await;
    let run = async |folder: &str, token: &str, name: &str| {
        let data = hierarchy.folder.path().join(folder);
        let mut command = processes::program();
        command.args(["dp", "run", "--site", &hierarchy.site.address, "--token", token, "--name", name]);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
        tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut line).await.unwrap();
        let listens = line.starts_with("listening on http://127.0.0.1:");
        child.kill().await.unwrap();
        listens
    };
    let never_made = format!("hdp1.{}", "0".repeat(64));
    assert!(!run("never", &never_made, "dp1.example.test").await, "a token that nobody made");
    assert!(!run("other", &token, "dp2.example.test").await, "a token for another name");
    assert!(run("first", &token, "dp1.example.test").await, "the token as it should be used");
    assert!(!run("second", &token, "dp1.example.test").await, "the same token again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolled_distribution_point_moves_by_the_command_line_alone() {
    let mut hierarchy = Hierarchy::start(1).await;
    assert!(hierarchy.points[0].terminate().await);
    let data = &hierarchy.points[0].data;
    let known_site = || {
        let identity = std::fs::read(data.join("identity.json")).unwrap();
        serde_json::from_slice::<Value>(&identity).unwrap()["site_url"].as_str().unwrap().to_owned()
    };
    let elsewhere = "http://127.0.0.1:9";
    let started = async |arguments: &[&str]| {
        let mut command = processes::program();
        command.args(["dp", "run", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        command.env("HAULIER_SITE", elsewhere).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
        tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut line).await.unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        child.kill().await.unwrap();
    };
    let enrolled_at = known_site();
    started(&[]).await;
    assert_eq!(known_site(), enrolled_at, "the environment may be meant for other commands");
    started(&["--site", elsewhere]).await;
    assert_eq!(known_site(), elsewhere);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_stop_cleanly_on_sigterm() {
    let mut hierarchy = Hierarchy::start(1).await;
    assert!(hierarchy.points[0].terminate().await);
    assert!(hierarchy.site.terminate().await);
}

#[tokio::test]
async fn every_command_explains_itself() {
    for command in [
        &["--help"][..],
        &["site", "init", "--help"],
        &["dp", "run", "--help"],
        &["package", "create", "--help"],
        &["status", "--help"],
        &["user", "create", "--help"],
        &["demo", "--help"],
    ] {
        let help = succeed(command).await;
        assert!(
            command.len() == 1 || help.contains("Example: haulier "),
            "{command:?} has no example:\n{help}"
        );
    }
    assert!(succeed(&["completions", "bash"]).await.contains("haulier"));
}

/// The one stored file of this size below a distribution point's data folder.
fn find_file(folder: &std::path::Path, bytes: u64) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.len() == bytes {
                return entry.path();
            }
        }
    }
    panic!("no stored file has {bytes} bytes");
}
