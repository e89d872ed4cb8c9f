//! The examples of `docs/clients.md`, run as an administrator would type them.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::Path;

use processes::Hierarchy;
use stage::NotRun;
use tokio::process::Command;

mod processes;

/// Of a user who may refresh; nothing in it needs quoting in a URL.
const PASSWORD: &str = "a-long-password-1";
/// How long one example may take.
const EXAMPLE_TIME_S: &str = "60";

/// An example, with what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Example {
    /// `sh` or `python`.
    language: String,
    text: String,
    prints: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_does_what_the_page_says() {
    let examples = examples(include_str!("../../../docs/clients.md"));
    assert!(examples.len() >= 6, "{examples:#?}");
    let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
        let reason = "HAULIER_TEST_PYTHON names no folder; `cargo xtask test` makes one";
        println!("{}", NotRun::new("the examples of docs/clients.md", reason));
        return;
    };
    let hierarchy = Hierarchy::start(1).await;
    let source = hierarchy.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("driver.inf"), "one").unwrap();
    let package = hierarchy.create_package("Latitude 7440", &source).await;
    let password = hierarchy.folder.path().join("operator");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let create = ["user", "create", "operator1", "--role", "operator", "--ntlm", "--password-file"];
    hierarchy.text(&[&create[..], &[password.to_str().unwrap()]].concat()).await;
    for (number, example) in examples.iter().enumerate() {
        // Each example has something to do, and it is seen that it was done.
        std::fs::write(source.join("driver.inf"), format!("changed for example {number}")).unwrap();
        let before = version(&hierarchy, &package).await;
        let printed = run(example, &hierarchy, Path::new(&python), &package).await;
        for line in example.prints.lines() {
            assert!(printed.contains(line), "{}\nprinted\n{printed}\nand not\n{line}", example.text);
        }
        processes::wait_until("the refresh is published", || async {
            version(&hierarchy, &package).await == before + 1
        })
        .await;
    }
}

#[test]
fn only_what_cannot_run_here_is_left_out() {
    let page = include_str!("../../../docs/clients.md");
    let left: Vec<&str> = page.lines().filter(|line| line.starts_with("```") && line.len() > 3).collect();
    assert!(
        left.iter().all(|fence| ["```sh", "```python", "```text", "```powershell"].contains(fence)),
        "{left:?}"
    );
    let (_, after) = page.split_once("## PowerShell").unwrap();
    assert!(after.contains("**not run by the tests**"), "the page says what was not run");
}

async fn version(hierarchy: &Hierarchy, package: &str) -> u64 {
    let wql = format!("SELECT SourceVersion FROM SMS_DriverPackage WHERE PackageID = '{package}'");
    hierarchy.json(&["query", &wql]).await[0]["SourceVersion"].as_u64().unwrap()
}

async fn run(example: &Example, hierarchy: &Hierarchy, python: &Path, package: &str) -> String {
    let folders = [python.parent().unwrap(), Path::new(env!("CARGO_BIN_EXE_haulier")).parent().unwrap()];
    let path = std::env::var_os("PATH").unwrap();
    let folders = folders.into_iter().map(Path::to_owned).chain(std::env::split_paths(&path));
    let (interpreter, options) = match example.language.as_str() {
        "python" => (python.to_owned(), vec!["-c"]),
        _ => ("bash".into(), vec!["-euo", "pipefail", "-c"]),
    };
    let mut command = Command::new("timeout");
    command.arg(EXAMPLE_TIME_S).arg(interpreter).args(options).arg(&example.text);
    command
        .current_dir(hierarchy.folder.path())
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("SITE", hierarchy.site.address.trim_start_matches("http://"))
        .env("WHO", "operator1")
        .env("PASSWORD", PASSWORD)
        .env("PACKAGE", package)
        .env("no_proxy", "*")
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nended with {}:\n{printed}\n{errors}", example.text, output.status);
    printed
}

/// The blocks marked `sh` and `python`, each with the block marked `text` that follows.
fn examples(page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    // Every other part is a block: the language, then the lines.
    for block in page.split("```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        match (language, found.last_mut()) {
            ("sh" | "python", _) => found.push(Example {
                language: language.to_owned(),
                text: text.to_owned(),
                prints: String::new(),
            }),
            ("text", Some(example)) => example.prints = text.to_owned(),
            _ => {}
        }
    }
    found
}
