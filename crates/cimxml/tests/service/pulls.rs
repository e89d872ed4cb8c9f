//! Enumerations in pieces: whole, bounded, and nobody else's.

use std::path::PathBuf;
use std::time::Duration;

use cimxml::{CONTEXTS_OF_USER_MAX, OPERATION_TIMEOUT, OPERATION_TIMEOUT_MAX};
use site::{Actor, Role, UserChange};
use stage::{PACKAGE, Stage};

use crate::harness::{Answer, SITE, Service, class, package, parameter, text, texts};

const ROWS: usize = 5_000;
/// More than a connection takes before its client reads.
const LONG: usize = 20_000;
const MESSAGES: &str = "SMS_StatusMessage";

impl Answer {
    /// The context of an enumeration that has more; the answer must say which it is.
    fn context(&self) -> Option<String> {
        let (context, end) =
            (self.value("EnumerationContext").unwrap(), self.value("EndOfSequence").unwrap());
        match end {
            "TRUE" => assert_eq!(context, "", "no context is left behind the end"),
            "FALSE" => assert_eq!(context.len(), 32, "{context}"),
            other => panic!("{other}: {}", self.body),
        }
        (end == "FALSE").then(|| context.to_owned())
    }
}

fn pulled(context: &str, count: usize) -> String {
    [text("EnumerationContext", context), text("MaxObjectCount", &count.to_string())].concat()
}

async fn open(service: &Service, more: &str) -> Answer {
    service.call("OpenEnumerateInstances", &[class(MESSAGES), more.to_owned()].concat()).await
}

#[tokio::test]
pub(crate) async fn pieces_are_the_whole_list() {
    let service = Service::start().await;
    service.fill_status_messages(ROWS).await;
    for (operation, pull, element, pieces) in [
        ("OpenEnumerateInstances", "PullInstancesWithPath", "VALUE.INSTANCEWITHPATH", 1_700),
        ("OpenEnumerateInstancePaths", "PullInstancePaths", "INSTANCEPATH", 999),
    ] {
        let first = [class(MESSAGES), text("MaxObjectCount", "3")].concat();
        let mut answer = service.call(operation, &first).await.good();
        assert_eq!(answer.count(element), 3);
        let mut bodies = answer.body.clone();
        while let Some(context) = answer.context() {
            answer = service.call(pull, &pulled(&context, pieces)).await.good();
            assert!(answer.count(element) <= pieces);
            bodies.push_str(&answer.body);
        }
        assert_eq!(bodies.matches(&format!("<{element}>")).count(), ROWS);
        // Each once, in the order of the list.
        let list = service.call("EnumerateInstanceNames", &class(MESSAGES)).await.good();
        let keys = |text: &str| {
            text.split("<KEYVALUE")
                .skip(1)
                .map(|one| one.split("</").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&bodies), keys(&list.body));
    }
}

#[tokio::test]
pub(crate) async fn every_kind_of_enumeration_has_its_pull() {
    let service = Service::start().await;
    let instance = parameter("InstanceName", &package(PACKAGE));
    let query =
        [text("FilterQueryLanguage", "WQL"), text("FilterQuery", "SELECT Name FROM SMS_DriverPackage")]
            .concat();
    for (operation, given, pull, element) in [
        (
            "OpenEnumerateInstances",
            class("SMS_DriverPackage"),
            "PullInstancesWithPath",
            "VALUE.INSTANCEWITHPATH",
        ),
        ("OpenEnumerateInstancePaths", class("SMS_DriverPackage"), "PullInstancePaths", "INSTANCEPATH"),
        ("OpenQueryInstances", query, "PullInstances", "INSTANCE"),
        ("OpenAssociatorInstances", instance.clone(), "PullInstancesWithPath", "VALUE.INSTANCEWITHPATH"),
        ("OpenAssociatorInstancePaths", instance.clone(), "PullInstancePaths", "INSTANCEPATH"),
        ("OpenReferenceInstances", instance.clone(), "PullInstancesWithPath", "VALUE.INSTANCEWITHPATH"),
        ("OpenReferenceInstancePaths", instance, "PullInstancePaths", "INSTANCEPATH"),
    ] {
        // Without a count nothing comes yet.
        let opened = service.call(operation, &given).await.good();
        assert_eq!(opened.count(element), 0, "{operation}");
        let context = opened.context().unwrap_or_else(|| panic!("{operation} finds something"));
        for wrong in ["PullInstancesWithPath", "PullInstancePaths", "PullInstances"] {
            if wrong != pull {
                assert_eq!(service.call(wrong, &pulled(&context, 1)).await.code(), 21, "{operation} {wrong}");
            }
        }
        assert_eq!(
            service.call(pull, &pulled(&context, 0)).await.good().context().as_deref(),
            Some(context.as_str())
        );
        let rest = service.call(pull, &pulled(&context, 1_000)).await.good();
        assert!(rest.count(element) > 0 && rest.context().is_none(), "{operation}: {}", rest.body);
        assert_eq!(service.call(pull, &pulled(&context, 1)).await.code(), 21);
    }
    let interop = service
        .call_as(
            "admin",
            "interop",
            "OpenEnumerateInstances",
            &[class("CIM_Namespace"), text("MaxObjectCount", "2")].concat(),
        )
        .await
        .good();
    let context = interop.context().unwrap();
    let rest =
        service.call_as("admin", "interop", "PullInstancesWithPath", &pulled(&context, 10)).await.good();
    assert_eq!((rest.count("INSTANCE"), rest.context()), (2, None));
}

#[tokio::test]
pub(crate) async fn filters_are_queries_on_the_class() {
    let service = Service::start().await;
    let filtered = |language: &str, query: &str| {
        [
            class("SMS_DriverPackage"),
            text("FilterQueryLanguage", language),
            text("FilterQuery", query),
            text("MaxObjectCount", "9"),
        ]
        .concat()
    };
    let none = filtered("WQL", "SELECT * FROM SMS_DriverPackage WHERE Name = 'x'");
    let none = service.call("OpenEnumerateInstances", &none).await.good();
    assert_eq!((none.count("INSTANCE"), none.context()), (0, None));
    let one = filtered("WQL", "SELECT * FROM SMS_DriverPackage WHERE Name LIKE 'Drivers%'");
    assert_eq!(service.call("OpenEnumerateInstances", &one).await.good().count("INSTANCE"), 1);
    assert_eq!(service.call("OpenEnumerateInstancePaths", &one).await.good().count("INSTANCEPATH"), 1);
    for (language, query, expect) in [
        ("DMTF:FQL", "Name = 'x'", 14),
        ("WQL", "Name = 'x'", 15),
        ("WQL", "SELECT * FROM SMS_Driver", 15),
        ("WQL", "ASSOCIATORS OF {SMS_DriverPackage.PackageID='PS100001'}", 15),
    ] {
        assert_eq!(
            service.call("OpenEnumerateInstances", &filtered(language, query)).await.code(),
            expect,
            "{query}"
        );
    }
    let alone = [class("SMS_DriverPackage"), text("FilterQuery", "SELECT * FROM SMS_DriverPackage")].concat();
    assert_eq!(service.call("OpenEnumerateInstances", &alone).await.code(), 4);
    let path = [
        parameter("InstanceName", &package(PACKAGE)),
        text("FilterQueryLanguage", "WQL"),
        text("FilterQuery", "x"),
    ]
    .concat();
    assert_eq!(service.call("OpenAssociatorInstances", &path).await.code(), 25);
}

#[tokio::test]
pub(crate) async fn an_enumeration_ends_when_nobody_asks_for_it() {
    let clock = Stage::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    service.fill_status_messages(10).await;
    let context = open(&service, "").await.good().context().unwrap();
    // Each pull begins the time anew.
    for _ in 0..2 {
        clock.advance(OPERATION_TIMEOUT - Duration::from_secs(1));
        service.call("PullInstancesWithPath", &pulled(&context, 1)).await.good();
    }
    clock.advance(OPERATION_TIMEOUT);
    assert_eq!(service.call("PullInstancesWithPath", &pulled(&context, 1)).await.code(), 21);
    let short = open(&service, &text("OperationTimeout", "5")).await.good().context().unwrap();
    clock.advance(Duration::from_secs(5));
    assert_eq!(service.call("CloseEnumeration", &text("EnumerationContext", &short)).await.code(), 21);
    for (seconds, expect) in
        [(0, 22), (OPERATION_TIMEOUT_MAX.as_secs() + 1, 22), (OPERATION_TIMEOUT_MAX.as_secs(), 0)]
    {
        assert_eq!(
            open(&service, &text("OperationTimeout", &seconds.to_string())).await.code(),
            expect,
            "{seconds}"
        );
    }
    assert_eq!(open(&service, &text("ContinueOnError", "TRUE")).await.code(), 26);
}

#[tokio::test]
pub(crate) async fn contexts_are_one_users_in_one_namespace_and_cannot_be_guessed() {
    let service = Service::start().await;
    service.fill_status_messages(10).await;
    let context = open(&service, "").await.good().context().unwrap();
    let pull = pulled(&context, 1);
    assert_eq!(service.call_as("operator", SITE, "PullInstancesWithPath", &pull).await.code(), 21);
    assert_eq!(
        service
            .call_as("operator", SITE, "CloseEnumeration", &text("EnumerationContext", &context))
            .await
            .code(),
        21
    );
    assert_eq!(service.call_as("admin", "root/sms", "PullInstancesWithPath", &pull).await.code(), 21);
    for guess in ["", "0", "x", &context[1..], &context.to_uppercase(), &"0".repeat(32), &"a".repeat(100_000)]
    {
        if guess != context {
            assert_eq!(
                service.call("PullInstancesWithPath", &pulled(guess, 1)).await.code(),
                21,
                "{guess:.40}"
            );
        }
    }
    // After all that it is still there, until it is closed.
    service.call("PullInstancesWithPath", &pull).await.good();
    service.call("CloseEnumeration", &text("EnumerationContext", &context)).await.good();
    assert_eq!(service.call("PullInstancesWithPath", &pull).await.code(), 21);
    assert_eq!(service.call("CloseEnumeration", &text("EnumerationContext", &context)).await.code(), 21);
}

#[tokio::test]
pub(crate) async fn who_may_less_than_before_does_not_go_on() {
    let service = Service::start().await;
    let opened =
        service.call_as("operator", SITE, "OpenEnumerateInstances", &class("SMS_DriverPackage")).await;
    let context = opened.good().context().unwrap();
    let less = UserChange { role: Some(Role::Reader), ..UserChange::default() };
    service.site.change_user(&Actor::local(), "operator", less).await.unwrap();
    for (operation, given) in [
        ("PullInstancesWithPath", pulled(&context, 1)),
        ("CloseEnumeration", text("EnumerationContext", &context)),
    ] {
        assert_eq!(service.call_as("operator", SITE, operation, &given).await.code(), 21, "{operation}");
    }
}

#[tokio::test]
pub(crate) async fn nobody_opens_more_than_so_many() {
    let service = Service::start().await;
    service.fill_status_messages(2).await;
    let mut last = String::new();
    for _ in 0..CONTEXTS_OF_USER_MAX {
        last = open(&service, "").await.good().context().unwrap();
    }
    assert_eq!(open(&service, "").await.code(), 27);
    let other =
        service.call_as("operator", SITE, "OpenEnumerateInstances", &class("SMS_DriverPackage")).await;
    assert_eq!(other.code(), 0, "another user is not held up");
    service.call("CloseEnumeration", &text("EnumerationContext", &last)).await.good();
    assert_eq!(open(&service, &texts("PropertyList", &[])).await.code(), 0);
}

#[tokio::test]
pub(crate) async fn an_enumeration_goes_on_at_each_address_of_the_site() {
    let mut service = Service::start().await;
    let context = open(&service, "").await.good().context().unwrap();
    let elsewhere = service.listen(service.cimxml.router()).await;
    let before = std::mem::replace(&mut service.at, elsewhere);
    service.call("PullInstancesWithPath", &pulled(&context, 0)).await.good();
    service.call("CloseEnumeration", &text("EnumerationContext", &context)).await.good();
    service.at = before;
    assert_eq!(service.call("PullInstancesWithPath", &pulled(&context, 0)).await.code(), 21);
}

/// What is on its way to a client takes its room, even when the client closes it meanwhile.
#[tokio::test]
pub(crate) async fn what_a_slow_client_reads_counts() {
    let service = Service::start().await;
    service.fill_status_messages(LONG).await;
    let context = open(&service, "").await.good().context().unwrap();
    let mut slow = service.begin("PullInstancesWithPath", &pulled(&context, LONG)).await;
    assert_eq!(service.call("PullInstancesWithPath", &pulled(&context, 1)).await.code(), 1);
    service.call("CloseEnumeration", &text("EnumerationContext", &context)).await.good();
    assert_eq!(service.call("PullInstancesWithPath", &pulled(&context, 1)).await.code(), 21);
    for _ in 1..CONTEXTS_OF_USER_MAX {
        service.call("OpenEnumerateInstances", &class("SMS_DriverPackage")).await.good();
    }
    assert_eq!(open(&service, "").await.code(), 27);
    let mut body = Vec::new();
    while let Some(piece) = slow.chunk().await.unwrap() {
        body.extend(piece);
    }
    let elements = String::from_utf8(body).unwrap().matches("<VALUE.INSTANCEWITHPATH>").count();
    assert_eq!(elements, LONG, "what was begun is told to its end");
    open(&service, "").await.good();
}

/// What a broken connection took may not have arrived: to go on behind it would leave a gap.
#[tokio::test]
pub(crate) async fn a_pull_that_is_broken_off_ends_the_enumeration() {
    let service = Service::start().await;
    service.fill_status_messages(LONG).await;
    let context = open(&service, "").await.good().context().unwrap();
    drop(service.begin("PullInstancesWithPath", &pulled(&context, LONG)).await);
    // Until the connection's end is seen, the pull is being answered.
    let code = async {
        loop {
            match service.call("PullInstancesWithPath", &pulled(&context, 1)).await.code() {
                1 => tokio::task::yield_now().await,
                code => break code,
            }
        }
    };
    assert_eq!(code.await, 21);
}

#[tokio::test]
pub(crate) async fn what_nobody_asks_for_frees_its_room_by_itself() {
    let clock = Stage::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    service.fill_status_messages(ROWS).await;
    open(&service, "").await.good();
    waits_in_files(&service, 1).await;
    clock.advance(OPERATION_TIMEOUT);
    waits_in_files(&service, 0).await;
}

/// Waits until so many answers wait in files of the site's folder, which have no names any more.
async fn waits_in_files(service: &Service, wanted: usize) {
    let folder = service.site_folder();
    let is_of_site =
        |target: PathBuf| target.starts_with(&folder) && target.to_string_lossy().contains("waiting-");
    loop {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        if targets.filter(|target| is_of_site(target.clone())).count() == wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
}
