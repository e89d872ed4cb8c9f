//! Security scopes: what is outside of somebody's scopes does not exist for them.

use cim::query::Query;
use site::{
    Actor, DeviceIds, DriverChange, Duplicate, ImportRequest, ImportSource, MatchRequest, NewToken, NewUser,
    Os, PackageChange, PartnerData, Role, Scopes, SecuredType, StatusFilter, UserChange, Value,
};

use crate::groups::{group_of, send};
use crate::inf::driver_folder;
use crate::stage::{PASSWORD, Stage, admin, code, with_source};

/// Somebody who works in these scopes, as signing in shows them.
async fn somebody(stage: &Stage, name: &str, role: Role, scopes: &[&str]) -> Actor {
    let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
    let new = NewUser { name, password: PASSWORD, role, scopes: &scopes, allow_ntlm: false };
    stage.site.add_user(&admin(), new).await.unwrap();
    stage.site.authenticate_password(name, PASSWORD, None).await.unwrap()
}

async fn scopes(stage: &Stage, names: &[&str]) {
    for name in names {
        stage.site.create_security_scope(&admin(), name, "").await.unwrap();
    }
}

/// The keys of a class's rows that exist for an actor.
pub(crate) async fn seen(stage: &Stage, actor: &Actor, wql: &str) -> Vec<String> {
    let query = cim::wql::parse(wql).unwrap();
    let rows = stage.site.query(actor, query.class(), &query).await.unwrap();
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::TextList(list) => list.join(","),
        other => panic!("{other:?}"),
    };
    rows.rows.iter().map(|row| text(&row[0])).collect()
}

fn package(id: &str) -> [(SecuredType, String); 1] {
    [(SecuredType::Package, id.to_owned())]
}

on_both! {
    async fn a_scope_is_made_and_deleted_by_whoever_has_all(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        assert_eq!(code(site.create_security_scope(&admin(), "LAB", "").await), "already_exists");
        for bad in ["", " Lab2", "a\tb", &"x".repeat(65)] {
            assert_eq!(code(site.create_security_scope(&admin(), bad, "").await), "invalid_option", "{bad}");
        }
        let within = somebody(stage, "lab-admin", Role::FullAdministrator, &["lab"]).await;
        assert_eq!(within.scopes, Scopes::Only(vec![2]));
        assert_eq!(code(site.create_security_scope(&within, "Mine", "").await), "all_scopes_needed");
        assert_eq!(code(site.create_user(&within, "x", PASSWORD, Role::Reader).await), "all_scopes_needed");
        assert_eq!(code(site.delete_security_scope(&within, "Lab").await), "all_scopes_needed");
        assert_eq!(code(site.create_dp_token(&within, "dp9", None).await), "all_scopes_needed");
        assert_eq!(code(site.delete_security_scope(&admin(), "Lab").await), "conflict", "somebody works in it");
        assert_eq!(code(site.delete_security_scope(&admin(), "Default").await), "conflict");
        assert_eq!(code(site.delete_security_scope(&admin(), "Nowhere").await), "scope_not_found");
        site.delete_user(&admin(), "lab-admin").await.unwrap();
        site.delete_security_scope(&admin(), "lab").await.unwrap();
        scopes(stage, &["Next"]).await;
        let ids: Vec<_> = site.security_scopes().await.unwrap().iter().map(|scope| scope.id).collect();
        assert_eq!(ids, [1, 3], "an id is never used again");
    }

    async fn packages_exist_for_their_scopes_only(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab", "Office"]).await;
        let point = stage.point("dp1").await;
        let (open, lab) = (stage.package("open").await, stage.package("lab").await);
        stage.assign(&open, &[&point]).await;
        stage.assign(&lab, &[&point]).await;
        site.assign_scope(&admin(), "lab", &package(&lab.package_id)).await.unwrap();
        site.unassign_scope(&admin(), "default", &package(&lab.package_id)).await.unwrap();

        let in_lab = somebody(stage, "l", Role::Author, &["Lab"]).await;
        let in_default = somebody(stage, "d", Role::Author, &["Default"]).await;
        let in_office = somebody(stage, "o", Role::Author, &["Office"]).await;
        let both = somebody(stage, "b", Role::Author, &["Default", "Lab"]).await;
        let (open_id, lab_id) = (open.package_id.as_str(), lab.package_id.as_str());
        for class in [
            "SMS_DriverPackage",
            "SMS_DistributionPoint",
            "SMS_PackageStatusDistPointsSummarizer",
            "Haulier_PackageState",
            "Haulier_PackageVersion",
            "Haulier_DistributionState",
        ] {
            let wql = format!("SELECT PackageID FROM {class} ORDER BY PackageID");
            for (actor, expect) in [
                (&admin(), vec![open_id, lab_id]),
                (&both, vec![open_id, lab_id]),
                (&in_default, vec![open_id]),
                (&in_lab, vec![lab_id]),
                (&in_office, vec![]),
            ] {
                assert_eq!(seen(stage, actor, &wql).await, expect, "{class} for {}", actor.name);
            }
        }
        let names = "SELECT SecuredScopeNames FROM SMS_DriverPackage ORDER BY PackageID";
        assert_eq!(seen(stage, &both, names).await, ["Default", "Lab"]);
        let of_lab = "SELECT PackageID FROM SMS_DriverPackage WHERE SecuredScopeNames = 'LAB'";
        assert_eq!(seen(stage, &both, of_lab).await, [lab_id]);
        let count = Query { count: true, ..Query::all("SMS_DriverPackage") };
        assert_eq!(site.query(&in_lab, "SMS_DriverPackage", &count).await.unwrap().count, Some(1));

        let messages = "SELECT PackageID FROM Haulier_StatusMessage WHERE PackageID <> ''";
        let heard = seen(stage, &in_lab, messages).await;
        assert!(!heard.is_empty() && heard.iter().all(|id| id == lab_id), "{heard:?}");
        assert_eq!(seen(stage, &in_office, messages).await, [""; 0]);
    }

    async fn what_does_not_exist_cannot_be_changed_and_says_no_more(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let point = stage.point("dp1").await;
        let hidden = stage.package("hidden").await;
        stage.assign(&hidden, &[&point]).await;
        let before = site.package(&hidden.package_id).await.unwrap();
        let messages = site.status_messages(&StatusFilter::default()).await.unwrap().len();
        let actor = somebody(stage, "l", Role::FullAdministrator, &["Lab"]).await;
        let path = r"\\srv\src\elsewhere";
        for id in [hidden.package_id.as_str(), "PS1FFFFF"] {
            let missing = format!("there is no package {id}");
            let dps = [("PS1".to_owned(), point.nal.clone())];
            let answers: Vec<(&str, Result<(), site::SiteError>)> = vec![
                ("update", site.update_package(&actor, id, PackageChange::default()).await.map(drop)),
                ("delete", site.delete_package(&actor, id).await),
                ("refresh", site.refresh_package(&actor, id).await),
                ("add", site.add_distribution_points(&actor, id, &dps).await),
                ("redistribute", site.redistribute(&actor, id, &point.nal).await),
                ("validate", site.validate(&actor, id, &point.nal).await),
                ("remove", site.remove_from_distribution_point(&actor, id, &point.nal).await),
                ("notify", site.add_change_notification(&actor, id).await),
                ("give", site.set_source_site(&actor, id, "PS2").await),
                ("unlock", site.unlock(&actor, id).await),
                ("content", site.add_driver_content(&actor, id, &[1], &[], false).await),
                ("no content", site.remove_driver_content(&actor, id, &[1], false).await),
                ("rebuild", site.rebuild_package(&actor, id, None).await.map(drop)),
                ("source", site.validate_new_package_source(&actor, id, path).await),
            ];
            for (what, answer) in answers {
                assert_eq!(answer.unwrap_err().to_string(), missing, "{what}");
            }
        }
        assert_eq!(site.package(&hidden.package_id).await.unwrap(), before);
        // Only that the user was made was written.
        assert_eq!(site.status_messages(&StatusFilter::default()).await.unwrap().len(), messages + 1);
    }

    async fn new_objects_belong_to_their_makers_scopes(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab", "Office"]).await;
        let actor = somebody(stage, "l", Role::Author, &["Office", "Lab"]).await;
        stage.source("own", &[("a.inf", "x")]);
        let made = site.create_package(&actor, with_source("own")).await.unwrap();
        site.update_package(&actor, &made.package_id, PackageChange::default()).await.unwrap();
        let names = "SELECT SecuredScopeNames FROM SMS_DriverPackage";
        assert_eq!(seen(stage, &actor, names).await, ["Lab,Office"]);
        stage.site.run_due_snapshots().await.unwrap();
        let open = stage.package("open").await;
        assert_eq!(seen(stage, &admin(), &format!("{names} WHERE PackageID = '{}'", open.package_id)).await, ["Default"]);
        // Two in one folder: who sees one is not told of the other.
        let change = PackageChange { pkg_source_path: Some(r"\\srv\src\own".to_owned()), ..PackageChange::default() };
        site.update_package(&admin(), &open.package_id, change).await.unwrap();
        let refused = site.add_driver_content(&actor, &made.package_id, &[1], &[], false).await.unwrap_err();
        assert!(refused.to_string().contains("also used by another package"), "{refused}");
        let nothing = Actor { scopes: Scopes::Only(Vec::new()), ..actor };
        assert_eq!(code(site.create_package(&nothing, with_source("own")).await), "conflict");
        assert_eq!(seen(stage, &nothing, names).await, [""; 0]);
    }

    async fn moving_objects_is_all_or_nothing_and_leaves_none_outside(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let id = stage.package("p").await.package_id;
        assert_eq!(code(site.unassign_scope(&admin(), "Default", &package(&id)).await), "conflict");
        let mixed = [package(&id), package("PS1FFFFF")].concat();
        assert_eq!(code(site.assign_scope(&admin(), "Lab", &mixed).await), "package_not_found");
        let names = "SELECT SecuredScopeNames FROM SMS_DriverPackage";
        assert_eq!(seen(stage, &admin(), names).await, ["Default"]);
        site.assign_scope(&admin(), "Lab", &package(&id.to_lowercase())).await.unwrap();
        assert_eq!(seen(stage, &admin(), names).await, ["Default,Lab"]);
        assert_eq!(code(site.delete_security_scope(&admin(), "Lab").await), "conflict", "something is in it");
        let operator = Actor::new("o", Role::Operator);
        assert_eq!(code(site.assign_scope(&operator, "Lab", &package(&id)).await), "access_denied");
        assert_eq!(code(site.assign_scope(&admin(), "Nowhere", &package(&id)).await), "scope_not_found");
        assert_eq!(code(site.assign_scope(&admin(), "Lab", &[]).await), "invalid_field");
        site.unassign_scope(&admin(), "Lab", &package(&id)).await.unwrap();
        site.delete_security_scope(&admin(), "Lab").await.unwrap();
        // The rows of a package that is gone stay with a scope that is gone.
        assert_eq!(seen(stage, &admin(), names).await, ["Default"]);
    }

    async fn a_scope_stays_while_an_import_brings_drivers_into_it(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let author = somebody(stage, "a", Role::Author, &["Lab"]).await;
        let request = ImportRequest {
            sources: vec![ImportSource::Path(driver_folder(stage, "nic", "VEN_1"))],
            ..ImportRequest::default()
        };
        let import = site.start_import(&author, request).await.unwrap();
        site.delete_user(&admin(), "a").await.unwrap();
        assert_eq!(code(site.delete_security_scope(&admin(), "Lab").await), "conflict");
        site.cancel_import(&admin(), import).await.unwrap();
        site.delete_security_scope(&admin(), "Lab").await.unwrap();
    }

    async fn drivers_exist_for_their_scopes_only(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let folder = driver_folder(stage, "nic", "VEN_1");
        let author = somebody(stage, "a", Role::Author, &["Lab"]).await;
        let open = somebody(stage, "o", Role::Author, &["Default"]).await;
        let request = || ImportRequest {
            sources: vec![ImportSource::Path(folder.clone())],
            enable: true,
            ..ImportRequest::default()
        };
        let import = site.start_import(&author, request()).await.unwrap();
        site.run_due_imports().await.unwrap();
        let ids = seen(stage, &author, "SELECT CI_ID FROM SMS_Driver").await;
        assert_eq!(ids.len(), 1);
        let ci_id: i64 = ids[0].parse().unwrap();
        for class in ["SMS_Driver", "SMS_CIToContent", "SMS_DriverModel", "Haulier_DriverDetail"] {
            let wql = format!("SELECT CI_ID FROM {class}");
            assert!(!seen(stage, &author, &wql).await.is_empty(), "{class}");
            assert_eq!(seen(stage, &open, &wql).await, [""; 0], "{class}");
        }
        for class in ["Haulier_DriverImport", "Haulier_DriverImportItem"] {
            let wql = format!("SELECT ImportID FROM {class}");
            assert_eq!(seen(stage, &author, &wql).await, [import.to_string()], "{class}");
            assert_eq!(seen(stage, &open, &wql).await, [""; 0], "{class}");
        }
        assert_eq!(code(site.cancel_import(&open, import).await), "import_not_found");
        assert_eq!(code(site.update_driver(&open, ci_id, DriverChange::default()).await), "driver_not_found");
        assert_eq!(code(site.delete_driver(&open, ci_id).await), "driver_not_found");

        // Who has the same files hears that they cannot come in, and nothing of the driver that is there.
        let drafted = site.analyze_inf(&open, &folder, "nic.inf").await.unwrap_err();
        assert_eq!(drafted.code(), "driver_out_of_scope");
        let second = site.start_import(&open, ImportRequest { duplicates: site::Duplicates::OverwriteCategories, ..request() }).await.unwrap();
        site.run_due_imports().await.unwrap();
        let items = format!("SELECT Reason FROM Haulier_DriverImportItem WHERE ImportID = {second}");
        assert_eq!(seen(stage, &open, &items).await, [drafted.to_string()]);
        let linked = format!("SELECT CI_ID FROM Haulier_DriverImportItem WHERE ImportID = {second} AND CI_ID > 0");
        assert_eq!(seen(stage, &admin(), &linked).await, [""; 0]);

        // Nor does its content go into a package, or to a machine.
        let content = seen(stage, &author, "SELECT ContentID FROM SMS_CIToContent").await[0].parse().unwrap();
        stage.source("of-open", &[]);
        let package = site.create_package(&open, with_source("of-open")).await.unwrap();
        let added = site.add_driver_content(&open, &package.package_id, &[content], &[], false).await;
        assert_eq!(added.unwrap_err().to_string(), site::SiteError::ContentNotFound { content_id: content }.to_string());
        let ids = DeviceIds { hardware_ids: vec![r"PCI\VEN_1".to_owned()], compatible_ids: Vec::new() };
        let os = Os::parse("10.0.22631", "x64", 1, 0).unwrap();
        let machine = || MatchRequest { os, devices: vec![ids.clone()] };
        let best = async |actor: &Actor| site.match_drivers(actor, machine()).await.unwrap().ci_ids();
        assert_eq!(best(&author).await, [ci_id]);
        assert!(best(&open).await.is_empty());
        assert!(site.driver_files(&author, &[ci_id]).await.is_ok());
        assert_eq!(code(site.driver_files(&open, &[ci_id]).await), "driver_not_found");

        // An administrator gives it to both, by its unique id.
        let unique = seen(stage, &author, "SELECT CI_UniqueID FROM SMS_Driver").await.remove(0);
        site.assign_scope(&admin(), "Default", &[(SecuredType::Driver, unique.to_lowercase())]).await.unwrap();
        assert_eq!(best(&open).await, [ci_id]);
        assert_eq!(seen(stage, &open, "SELECT SecuredScopeNames FROM SMS_Driver").await, ["Default,Lab"]);
    }

    async fn scopes_of_users_and_tokens_hold_at_once(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab", "Office"]).await;
        let both = somebody(stage, "b", Role::Author, &["Lab", "Office"]).await;
        let life = std::time::Duration::from_secs(3600);
        let token = |scopes: &'static [&'static str], role| (scopes.iter().map(|&scope| scope.to_owned()).collect::<Vec<_>>(), role);
        let make = async |actor: &Actor, (scopes, role): (Vec<String>, Option<Role>)| {
            site.make_token(actor, NewToken { user: "b", label: "t", life, role, scopes: &scopes }).await
        };
        let lab = make(&both, token(&["Lab"], Some(Role::Reader))).await.unwrap();
        let whole = make(&both, token(&[], None)).await.unwrap();
        let signed = async |secret: &str| site.authenticate_token(secret, None).await.unwrap();
        let as_lab = signed(&lab.secret).await;
        assert_eq!((as_lab.role, &as_lab.scopes), (Role::Reader, &Scopes::Only(vec![2])));
        let as_whole = signed(&whole.secret).await;
        assert_eq!((as_whole.role, &as_whole.scopes), (both.role, &both.scopes));
        // Nobody makes a token that may more than its maker.
        let maker = Actor { sign_in: both.sign_in.clone(), ..Actor { role: as_lab.role, ..both.clone() } };
        assert_eq!(code(make(&maker, token(&[], None)).await), "invalid_credentials", "the role is not the user's");
        assert_eq!(code(make(&both, token(&["Default"], None)).await), "invalid_option");
        assert_eq!(code(make(&both, token(&[], Some(Role::Operator))).await), "invalid_option");
        assert_eq!(code(make(&both, token(&["Nowhere"], None)).await), "scope_not_found");
        let office = UserChange { scopes: Some(vec!["Office".to_owned()]), ..UserChange::default() };
        site.change_user(&admin(), "b", office).await.unwrap();
        assert_eq!(signed(&whole.secret).await.scopes, Scopes::Only(vec![3]));
        assert_eq!(signed(&lab.secret).await.scopes, Scopes::Only(Vec::new()), "not everything");
        let all = UserChange { scopes: Some(Vec::new()), ..UserChange::default() };
        site.change_user(&admin(), "b", all).await.unwrap();
        assert_eq!(signed(&whole.secret).await.scopes, Scopes::All);
        let scoped = UserChange { scopes: Some(vec!["Lab".to_owned()]), ..UserChange::default() };
        assert_eq!(code(site.change_user(&admin(), "admin", scoped).await), "conflict", "somebody must have all");
    }

    async fn a_group_moves_only_packages_that_exist_for_whoever_asks(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let (first, second) = (stage.point("dp1").await, stage.point("dp2").await);
        let (open, hidden) = (stage.package("open").await, stage.package("hidden").await);
        let group = group_of(stage, "g", &[&first]).await;
        send(stage, &group, &[&open, &hidden]).await;
        site.assign_scope(&admin(), "Lab", &package(&hidden.package_id)).await.unwrap();
        site.unassign_scope(&admin(), "Default", &package(&hidden.package_id)).await.unwrap();
        let actor = somebody(stage, "d", Role::FullAdministrator, &["Default"]).await;
        let (id, nal) = (group.group_id.as_str(), std::slice::from_ref(&second.nal));

        site.add_dp_group_members(&actor, id, nal, true).await.unwrap();
        assert!(stage.status(&open, &second).await.is_some());
        assert!(stage.status(&hidden, &second).await.is_none(), "not sent");
        site.refresh_dp_group(&actor, id).await.unwrap();
        assert!(stage.status(&hidden, &second).await.is_none(), "not refreshed");
        site.refresh_dp_group(&admin(), id).await.unwrap();
        let before = stage.state(&hidden, &second).await;
        site.remove_dp_group_members(&actor, id, nal, true).await.unwrap();
        assert_eq!(stage.state(&hidden, &second).await, before, "not withdrawn");
        assert_eq!(stage.state(&open, &second).await, site::State::RemovalPending);
        let said = site.status_messages(&StatusFilter::default()).await.unwrap();
        let said = said.iter().filter(|message| message.text.contains("(1 of the group's packages")).count();
        assert_eq!(said, 3);
    }

    async fn what_is_asked_of_the_class_names_no_package_of_others(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let mut new = with_source("hp");
        new.share_name = "HP$".to_owned();
        let hidden = site.create_package(&admin(), new).await.unwrap();
        let reader = somebody(stage, "l", Role::Reader, &["Lab"]).await;
        let source = r"\\srv\src\hp";
        assert_eq!(site.package_with_share(&reader, "hp$", "").await.unwrap(), Some(Duplicate::Hidden));
        assert_eq!(site.package_with_source(&reader, source, "").await.unwrap(), Some(Duplicate::Hidden));
        assert_eq!(site.package_with_share(&reader, "x$", "").await.unwrap(), None);
        for id in [hidden.package_id.as_str(), "PS1FFFFF"] {
            assert_eq!(code(site.package_for(&reader, id).await), "package_not_found");
        }
        // Of two with one source, the one that may be named is named.
        let second = site.create_package(&admin(), with_source("hp")).await.unwrap();
        site.assign_scope(&admin(), "Lab", &package(&second.package_id)).await.unwrap();
        let shown = site.package_with_source(&reader, source, "").await.unwrap();
        assert!(matches!(shown, Some(Duplicate::Package { package_id, .. }) if package_id == second.package_id));
        assert!(site.package_for(&reader, &second.package_id).await.is_ok());
    }

    async fn what_partners_keep_is_as_closed_as_its_package(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let point = stage.point("dp1").await;
        let hidden = stage.package("hidden").await;
        stage.assign(&hidden, &[&point]).await;
        let actor = somebody(stage, "l", Role::FullAdministrator, &["Lab"]).await;
        let (id, nal) = (hidden.package_id.as_str(), point.nal.as_str());
        let change = PartnerData { text: Some("mine".to_owned()), bytes: None };
        assert_eq!(code(site.set_partner_data(&actor, id, nal, &change).await), "package_not_found");
        assert_eq!(code(site.partner_data(&actor, id, nal).await), "package_not_found");
        assert_eq!(code(site.redistribute_with(&actor, id, nal, &change).await), "package_not_found");
        assert_eq!(site.partner_data(&admin(), id, nal).await.unwrap(), PartnerData::default());
    }

    async fn the_catalog_of_drivers_is_of_the_whole_site(stage: &Stage) {
        let site = &stage.site;
        scopes(stage, &["Lab"]).await;
        let author = somebody(stage, "l", Role::Author, &["Lab"]).await;
        let localized = vec![site::LocalizedName { locale_id: 1033, name: "Net".to_owned() }];
        let new = site::NewCategory { localized, ..site::NewCategory::default() };
        let category = site.create_category(&author, new.clone()).await.unwrap().category_id;
        let change = || site::CategoryChange { localized: Some(new.localized.clone()) };
        assert_eq!(code(site.update_category(&author, category, change()).await), "all_scopes_needed");
        assert_eq!(code(site.delete_category(&author, category).await), "all_scopes_needed");
        let platform = site::PlatformKey {
            name: "Win NT".to_owned(),
            platform: "x64".to_owned(),
            min_version: String::new(),
            max_version: String::new(),
        };
        assert_eq!(code(site.set_platform_supported(&author, &platform, true).await), "all_scopes_needed");
        let everywhere = Actor::new("a", Role::Author);
        site.update_category(&everywhere, category, change()).await.unwrap();
        site.delete_category(&everywhere, category).await.unwrap();
    }
}
