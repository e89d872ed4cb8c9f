//! Users, roles, tokens and security scopes on the command line, against a site that runs.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use processes::{Hierarchy, PASSWORD};
use serde_json::{Value, json};

mod processes;

/// The exit code of a command with a bearer token.
async fn with_token(hierarchy: &Hierarchy, token: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = processes::program();
    command.args(arguments).env("HAULIER_SITE", &hierarchy.site.address).env("HAULIER_API_TOKEN", token);
    let output = command.output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn exit_as(hierarchy: &Hierarchy, user: &str, password: &str, arguments: &[&str]) -> Option<i32> {
    hierarchy.haulier_as(user, password, arguments).await.status.code()
}

fn password_file(hierarchy: &Hierarchy, name: &str, password: &str) -> String {
    let file = hierarchy.folder.path().join(name);
    std::fs::write(&file, format!("{password}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_made_changed_shut_out_and_deleted() {
    let hierarchy = Hierarchy::start(0).await;
    let file = password_file(&hierarchy, "pw1", PASSWORD);
    hierarchy.text(&["user", "create", "op1", "--role", "operator", "--password-file", &file]).await;
    let shown = hierarchy.json(&["user", "show", "op1"]).await;
    assert_eq!((&shown["Role"], &shown["IsEnabled"]), (&json!("operator"), &json!(true)));
    assert_eq!((&shown["AllScopes"], &shown["ScopeNames"]), (&json!(true), &json!([])));
    assert_eq!(shown["Password"], Value::Null);
    let lists = async |password: &str| exit_as(&hierarchy, "op1", password, &["package", "list"]).await;
    assert_eq!(lists(PASSWORD).await, Some(0));

    let token = hierarchy.text(&["token", "create", "op1", "--label", "x"]).await.trim().to_owned();
    assert_eq!(with_token(&hierarchy, &token, &["package", "list"]).await.0, Some(0));
    hierarchy.text(&["user", "disable", "op1"]).await;
    assert_eq!(lists(PASSWORD).await, Some(4));
    hierarchy.text(&["user", "enable", "op1"]).await;
    assert_eq!(lists(PASSWORD).await, Some(0));
    assert_eq!(with_token(&hierarchy, &token, &["package", "list"]).await.0, Some(4), "disabling ended it");

    let second = password_file(&hierarchy, "pw2", "another horse");
    let own = ["user", "change-own-password", "--password-file", &second];
    assert_eq!(exit_as(&hierarchy, "op1", PASSWORD, &own).await, Some(0));
    assert_eq!((lists(PASSWORD).await, lists("another horse").await), (Some(4), Some(0)));
    hierarchy.text(&["user", "set-password", "op1", "--password-file", &file]).await;
    assert_eq!((lists("another horse").await, lists(PASSWORD).await), (Some(4), Some(0)));
    hierarchy.text(&["user", "set-role", "op1", "reader"]).await;
    assert_eq!(hierarchy.json(&["user", "show", "op1"]).await["Role"], "reader");

    for (arguments, code) in [
        (vec!["user", "set-role", "op1", "owner"], 1),
        (vec!["user", "show", "nobody"], 5),
        (vec!["user", "delete", "admin"], 1),
        (vec!["user", "disable", "admin"], 1),
        (vec!["user", "scopes", "admin", "Default"], 1),
        (vec!["user", "scopes", "op1"], 2),
        (vec!["user", "unlock"], 2),
        (vec!["token", "create", "op1", "--label", "x", "--expires", "1w"], 2),
        (vec!["role", "show", "owner"], 5),
    ] {
        assert_eq!(hierarchy.haulier(&arguments).await.status.code(), Some(code), "{arguments:?}");
    }
    let short = password_file(&hierarchy, "pw3", "short");
    let refused = hierarchy.haulier(&["user", "set-password", "op1", "--password-file", &short]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("at least 8 characters"));
    hierarchy.text(&["user", "delete", "op1"]).await;
    assert_eq!(lists(PASSWORD).await, Some(4));
    let roles = hierarchy.json(&["role", "list"]).await;
    let names: Vec<&str> =
        roles.as_array().unwrap().iter().filter_map(|role| role["Name"].as_str()).collect();
    assert_eq!(names, ["administrator", "author", "operator", "reader"]);
    assert!(hierarchy.text(&["role", "show", "operator"]).await.contains("refresh packages"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_is_locked_out_until_an_administrator_unlocks() {
    let hierarchy = Hierarchy::start(0).await;
    let file = password_file(&hierarchy, "pw1", PASSWORD);
    hierarchy.text(&["user", "create", "op1", "--role", "operator", "--password-file", &file]).await;
    let attempt = async |password: &str| {
        let output = hierarchy.haulier_as("op1", password, &["package", "list"]).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for _ in 0..5 {
        assert_eq!(attempt("guessed it").await.0, Some(4));
    }
    let (code, text) = attempt(PASSWORD).await;
    assert!(code == Some(4) && text.contains("too many failed sign-ins"), "{text}");
    assert_ne!(hierarchy.json(&["user", "show", "op1"]).await["LockedUntil"], Value::Null);
    hierarchy.text(&["user", "unlock", "op1"]).await;
    assert_eq!(attempt(PASSWORD).await.0, Some(0));
    assert_eq!(hierarchy.json(&["user", "show", "op1"]).await["LockedUntil"], Value::Null);
    // Who holds the data folder needs no sign-in, and the running site hears of it.
    for _ in 0..5 {
        assert_eq!(attempt("guessed it").await.0, Some(4));
    }
    assert_eq!(attempt("another guess").await.0, Some(4));
    let data = hierarchy.site.data.to_str().unwrap();
    let mut unlock = processes::program();
    unlock.args(["user", "unlock", "op1", "--data", data]);
    assert_eq!(unlock.output().await.unwrap().status.code(), Some(0));
    assert_eq!(attempt(PASSWORD).await.0, Some(0));
    let messages = hierarchy.json(&["status", "--messages"]).await;
    let of = |id: u64| messages.as_array().unwrap().iter().filter(|row| row["MessageID"] == id).count();
    assert_eq!(of(39055), 2, "{messages:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_and_tokens_leave_what_they_are_for_and_nothing_else() {
    let hierarchy = Hierarchy::start(0).await;
    let source = |name: &str| {
        let source = hierarchy.folder.path().join(name);
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("a.inf"), "[Version]").unwrap();
        source
    };
    let open = hierarchy.create_package("Open", &source("one")).await;
    let lab = hierarchy.create_package("Secret", &source("two")).await;
    hierarchy.text(&["scope", "create", "Lab", "--description", "Machines under test"]).await;
    assert_eq!(hierarchy.json(&["scope", "list"]).await[1]["Name"], "Lab");
    hierarchy.text(&["scope", "assign", "Lab", "--package", "Secret"]).await;
    hierarchy.text(&["scope", "unassign", "Default", "--package", &lab]).await;
    let file = password_file(&hierarchy, "pw1", PASSWORD);
    for (user, scope) in [("lab1", "Lab"), ("open1", "Default")] {
        let create = ["user", "create", user, "--role", "author", "--password-file", &file, "--scope", scope];
        hierarchy.text(&create).await;
    }
    for (user, sees, misses) in [("lab1", &lab, &open), ("open1", &open, &lab)] {
        let output = hierarchy.haulier_as(user, PASSWORD, &["package", "list", "--json"]).await;
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids: Vec<&str> =
            rows.as_array().unwrap().iter().filter_map(|row| row["PackageID"].as_str()).collect();
        assert_eq!(ids, [sees.as_str()], "{user}");
        let exit = async |arguments: &[&str]| exit_as(&hierarchy, user, PASSWORD, arguments).await;
        assert_eq!(exit(&["package", "show", misses]).await, Some(5));
        assert_eq!(exit(&["package", "refresh", misses]).await, Some(5));
        assert_eq!(exit(&["package", "refresh", sees]).await, Some(0));
        assert_eq!(exit(&["scope", "create", "Mine"]).await, Some(4));
    }
    let messages = hierarchy.haulier_as("open1", PASSWORD, &["status", "--messages", "--json"]).await;
    assert!(!String::from_utf8_lossy(&messages.stdout).contains(&lab));

    // A token that only reads, only there, and only for a second.
    let create =
        ["token", "create", "lab1", "--label", "ci", "--role", "reader", "--scope", "Lab", "--expires", "1h"];
    let made = hierarchy.json(&create).await;
    let token = made["Token"].as_str().unwrap();
    assert!(token.starts_with("haulier_"), "{token}");
    let (code, listed) = with_token(&hierarchy, token, &["package", "list", "--json"]).await;
    assert!(code == Some(0) && listed.contains(&lab) && !listed.contains(&open), "{listed}");
    assert_eq!(with_token(&hierarchy, token, &["package", "refresh", &lab]).await.0, Some(4));
    let tokens = hierarchy.json(&["token", "list"]).await;
    assert_eq!((&tokens[0]["Role"], &tokens[0]["ScopeNames"]), (&json!("reader"), &json!(["Lab"])));
    assert_ne!(tokens[0]["LastUsed"], Value::Null);
    let own = with_token(&hierarchy, token, &["token", "list", "--json"]).await.1;
    assert_eq!(serde_json::from_str::<Value>(&own).unwrap().as_array().unwrap().len(), 1);
    let beyond = ["token", "create", "lab1", "--label", "x", "--role", "administrator"];
    assert_eq!(hierarchy.haulier(&beyond).await.status.code(), Some(1));
    let short = hierarchy.text(&["token", "create", "lab1", "--label", "x", "--expires", "1s"]).await;
    processes::wait_until("the token ends", || async {
        with_token(&hierarchy, short.trim(), &["package", "list"]).await.0 == Some(4)
    })
    .await;
    assert_eq!(hierarchy.haulier(&["scope", "delete", "Lab"]).await.status.code(), Some(1));
    hierarchy.text(&["user", "scopes", "lab1", "--all"]).await;
    hierarchy.text(&["scope", "assign", "Default", "--package", &lab]).await;
    hierarchy.text(&["scope", "unassign", "Lab", "--package", &lab]).await;
    hierarchy.text(&["scope", "delete", "Lab"]).await;
}
