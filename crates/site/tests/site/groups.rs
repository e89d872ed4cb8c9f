//! Groups of distribution points: what they demand of their members, whole or not at all.

use agent::{Event, Goal};
use futures_util::future::join_all;
use site::{DpGroup, DpGroupChange, NewDpGroup, Package, Role, State, Value};

use crate::stage::{Point, Stage, admin, code, failed, installed};

async fn group(stage: &Stage, name: &str) -> DpGroup {
    let new = NewDpGroup { name: name.to_owned(), ..NewDpGroup::default() };
    stage.site.create_dp_group(&admin(), new).await.unwrap()
}

/// A group with these members and no packages.
pub(crate) async fn group_of(stage: &Stage, name: &str, points: &[&Point]) -> DpGroup {
    let group = group(stage, name).await;
    stage.site.add_dp_group_members(&admin(), &group.group_id, &nals(points), true).await.unwrap();
    group
}

pub(crate) async fn send(stage: &Stage, group: &DpGroup, packages: &[&Package]) {
    stage.site.add_dp_group_packages(&admin(), &group.group_id, &ids(packages)).await.unwrap();
}

fn nals(points: &[&Point]) -> Vec<String> {
    points.iter().map(|point| point.nal.clone()).collect()
}

fn ids(packages: &[&Package]) -> Vec<String> {
    packages.iter().map(|package| package.package_id.clone()).collect()
}

/// The state of each package at each distribution point: `-` for none.
async fn states(stage: &Stage, packages: &[&Package], points: &[&Point]) -> String {
    let mut cells = Vec::new();
    for package in packages {
        for point in points {
            let status = stage.status(package, point).await;
            cells.push(status.map_or("-".to_owned(), |status| status.state.number().to_string()));
        }
    }
    cells.join(" ")
}

/// Every table that a group's change may touch.
async fn everything(stage: &Stage) -> Vec<Vec<Vec<String>>> {
    let mut tables = Vec::new();
    for sql in [
        "SELECT group_id, name, modified_by FROM dp_group ORDER BY 1",
        "SELECT group_id, CAST(dp_id AS TEXT) FROM dp_group_member ORDER BY 1, 2",
        "SELECT group_id, package_id FROM dp_group_package ORDER BY 1, 2",
        "SELECT package_id, CAST(dp_id AS TEXT), CAST(revision AS TEXT), CAST(state AS TEXT) FROM distribution ORDER BY 1, 2",
        "SELECT CAST(COUNT(*) AS TEXT) FROM status_message",
        "SELECT CAST(value AS TEXT) FROM counter WHERE name = 'revision'",
    ] {
        tables.push(stage.raw_sql(sql.to_owned()).await);
    }
    tables
}

/// Some columns of the rows of a class, in the order of the first column.
async fn shown(stage: &Stage, class: &str, columns: &[&str]) -> Vec<String> {
    let text = format!("SELECT {} FROM {class} ORDER BY {}", columns.join(", "), columns[0]);
    let rows =
        stage.site.query(&site::Actor::local(), class, &cim::wql::parse(&text).unwrap()).await.unwrap();
    let at: Vec<_> = columns
        .iter()
        .map(|name| rows.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)).unwrap())
        .collect();
    let cell = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        other => format!("{other:?}"),
    };
    rows.rows.iter().map(|row| at.iter().map(|at| cell(&row[*at])).collect::<Vec<_>>().join(" ")).collect()
}

async fn point_id(stage: &Stage, name: &str) -> String {
    let rows = stage.raw_sql(format!("SELECT CAST(id AS TEXT) FROM dp WHERE name = '{name}'")).await;
    rows[0][0].clone()
}

/// Makes the database refuse every new assignment of one package.
async fn refuse_rows_of(stage: &Stage, package: &Package) {
    let id = &package.package_id;
    let sql = if stage.is_postgres() {
        format!("ALTER TABLE distribution ADD CONSTRAINT injected CHECK (package_id <> '{id}')")
    } else {
        format!(
            "CREATE TRIGGER injected BEFORE INSERT ON distribution WHEN NEW.package_id = '{id}' \
             BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
    };
    stage.raw_sql(sql).await;
}

on_both! {
    async fn a_group_is_made_renamed_and_deleted(stage: &Stage) {
        let made = group(stage, "Branches").await;
        assert!(made.group_id.len() == 38 && made.group_id.starts_with('{'), "{}", made.group_id);
        assert_eq!((made.source_site.as_str(), made.created_by.as_str()), ("PS1", "admin"));
        let create = async |name: &str, description: &str| {
            let new = NewDpGroup { name: name.to_owned(), description: description.to_owned() };
            stage.site.create_dp_group(&admin(), new).await
        };
        assert_eq!(code(create("BRANCHES", "").await), "already_exists");
        assert_eq!(code(create(" ", "").await), "invalid_field");
        assert_eq!(code(create("a\nb", "").await), "invalid_field");
        assert_eq!(code(create(&"x".repeat(257), "").await), "invalid_field");
        assert_eq!(code(create("y", &"x".repeat(513)).await), "invalid_field");
        let other = create("Other", "of the south").await.unwrap();
        let rename = async |name: &str| {
            let change = DpGroupChange { name: Some(name.to_owned()), ..DpGroupChange::default() };
            stage.site.update_dp_group(&admin(), &other.group_id, change).await
        };
        assert_eq!(code(rename("branches").await), "already_exists");
        let renamed = rename("OTHER").await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.description.as_str()), ("OTHER", "of the south"));
        assert_eq!(stage.site.dp_group(&other.group_id).await.unwrap(), renamed);
        stage.site.delete_dp_group(&admin(), &made.group_id).await.unwrap();
        assert_eq!(code(stage.site.delete_dp_group(&admin(), &made.group_id).await), "group_not_found");
        assert_eq!(stage.site.dp_groups().await.unwrap(), [renamed]);
        let audits = stage.message_ids().await.into_iter().filter(|id| (39050..39060).contains(id));
        assert_eq!(audits.collect::<Vec<_>>(), [39050, 39050, 39051, 39052]);
    }

    async fn packages_go_to_every_member_and_to_whoever_joins(stage: &Stage) {
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let (one, two, late) = (stage.point("dp1").await, stage.point("dp2").await, stage.point("dp3").await);
        let all = [&one, &two, &late];
        // What a member has already is left as it is.
        stage.assign(&dell, &[&one]).await;
        stage.report(&dell, &one, installed(1)).await;
        let group = group_of(stage, "Branches", &[&one, &two]).await;
        send(stage, &group, &[&dell, &hp]).await;
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "0 1 - 1 1 -");
        let (_, goal) = stage.goal(&hp, &two).await;
        assert!(matches!(goal, Goal::Hold { version: 1, verify: false, .. }), "{goal:?}");

        let add = async |point: &Point, packages: bool| {
            stage.site.add_dp_group_members(&admin(), &group.group_id, &nals(&[point]), packages).await.unwrap();
        };
        add(&late, false).await;
        assert_eq!(states(stage, &[&dell, &hp], &[&late]).await, "- -");
        add(&late, true).await;
        assert_eq!(states(stage, &[&dell, &hp], &[&late]).await, "1 1");
        // All of it again changes nothing that stands.
        send(stage, &group, &[&dell, &hp]).await;
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "0 1 1 1 1 1");
        // The next version reaches members like any other distribution point.
        stage.source("dell", &[("driver.inf", "new")]);
        stage.site.refresh_package(&admin(), &dell.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "7 1 1");
    }

    async fn a_package_leaves_members_unless_another_group_wants_it(stage: &Stage) {
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let (one, shared, two) = (stage.point("dp1").await, stage.point("shared").await, stage.point("dp2").await);
        let all = [&one, &shared, &two];
        let north = group_of(stage, "North", &[&one, &shared]).await;
        let south = group_of(stage, "South", &[&shared, &two]).await;
        send(stage, &north, &[&dell, &hp]).await;
        send(stage, &south, &[&dell]).await;
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "1 1 1 1 1 -");
        let remove = async |group: &DpGroup, package: &Package, from: bool| {
            stage.site.remove_dp_group_packages(&admin(), &group.group_id, &ids(&[package]), from).await
        };
        remove(&north, &dell, true).await.unwrap();
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "4 1 1 1 1 -");
        assert_eq!(code(remove(&north, &dell, true).await), "not_in_group");
        // An administrator's own word counts more than a group's.
        stage.site.remove_from_distribution_point(&admin(), &dell.package_id, &shared.nal).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "4 4 1");
        stage.site.refresh_dp_group(&admin(), &south.group_id).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "4 1 1");
        remove(&south, &dell, false).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "4 1 1");
        remove(&north, &hp, true).await.unwrap();
        assert_eq!(states(stage, &[&hp], &all).await, "4 4 -");
        stage.report(&hp, &one, Event::Removed).await;
        assert_eq!(states(stage, &[&hp], &all).await, "- 4 -");
    }

    async fn members_leave_with_or_without_their_packages(stage: &Stage) {
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        let all = [&one, &two];
        let north = group_of(stage, "North", &all).await;
        let south = group_of(stage, "South", &[&two]).await;
        send(stage, &north, &[&dell, &hp]).await;
        send(stage, &south, &[&hp]).await;
        let leave = async |points: &[&Point], packages: bool| {
            stage.site.remove_dp_group_members(&admin(), &north.group_id, &nals(points), packages).await
        };
        leave(&[&one], false).await.unwrap();
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "1 1 1 1");
        let before = everything(stage).await;
        assert_eq!(code(leave(&[&two, &one], true).await), "not_in_group");
        assert_eq!(everything(stage).await, before, "all or none");
        leave(&[&two, &two], true).await.unwrap();
        assert_eq!(states(stage, &[&dell, &hp], &all).await, "1 4 1 1");
    }

    async fn what_is_gone_leaves_its_groups(stage: &Stage) {
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let (one, two) = (stage.point("dp1").await, stage.point("dp2").await);
        let group = group_of(stage, "Branches", &[&one, &two]).await;
        send(stage, &group, &[&dell, &hp]).await;
        stage.site.delete_package(&admin(), &dell.package_id).await.unwrap();
        stage.site.remove_dp(&admin(), "dp1").await.unwrap();
        let tables = everything(stage).await;
        assert_eq!(tables[1], [[group.group_id.clone(), point_id(stage, "dp2").await]]);
        assert_eq!(tables[2], [[group.group_id.clone(), hp.package_id.clone()]]);
        let again = stage.site.add_dp_group_packages(&admin(), &group.group_id, &ids(&[&dell])).await;
        assert_eq!(code(again), "package_not_found");
        // A group that goes takes nothing from its members.
        stage.site.delete_dp_group(&admin(), &group.group_id).await.unwrap();
        assert_eq!(states(stage, &[&hp], &[&two]).await, "1");
        assert_eq!(everything(stage).await[1..3], [Vec::<Vec<String>>::new(), Vec::new()]);
    }

    async fn redistribution_verifies_and_refresh_repairs_what_is_missing_or_failed(stage: &Stage) {
        let dell = stage.package("dell").await;
        let points = [stage.point("dp1").await, stage.point("dp2").await, stage.point("dp3").await, stage.point("dp4").await];
        let [done, removed, broken, busy] = &points;
        let all = [done, removed, broken, busy];
        let group = group_of(stage, "Branches", &all).await;
        send(stage, &group, &[&dell]).await;
        stage.report(&dell, done, installed(1)).await;
        stage.report(&dell, broken, failed(10)).await;
        stage.report(&dell, busy, Event::Started { version: 1, attempt: 1 }).await;
        stage.site.remove_from_distribution_point(&admin(), &dell.package_id, &removed.nal).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "0 4 3 1");
        let (under_way, _) = stage.goal(&dell, busy).await;
        stage.site.refresh_dp_group(&admin(), &group.group_id).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "0 1 1 1");
        assert_eq!(stage.goal(&dell, busy).await.0, under_way, "a transfer goes on undisturbed");
        assert_eq!(stage.status(&dell, broken).await.unwrap().attempts, 0);

        let redistribute = async |id: &str| {
            stage.site.redistribute_dp_group_packages(&admin(), &group.group_id, &[id.to_owned()]).await
        };
        redistribute(&dell.package_id.to_lowercase()).await.unwrap();
        assert_eq!(states(stage, &[&dell], &all).await, "7 1 1 1");
        for point in all {
            let (_, goal) = stage.goal(&dell, point).await;
            assert!(matches!(goal, Goal::Hold { verify: true, .. }), "{goal:?}");
        }
        assert_eq!(code(redistribute("PS1FFFFF").await), "package_not_found");
        let hp = stage.package("hp").await;
        assert_eq!(code(redistribute(&hp.package_id).await), "not_in_group");
    }

    async fn the_classes_show_groups_as_they_are(stage: &Stage) {
        const GROUP: [&str; 6] = ["Name", "MemberCount", "HasMember", "ContentCount", "ContentInSync", "OutOfSyncContentCount"];
        const POINT: [&str; 6] = ["Name", "MessageState", "NumberInstalled", "NumberInProgress", "NumberErrors", "NumberUnknown"];
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let (one, two, free) = (stage.point("dp1").await, stage.point("dp2").await, stage.point("dp3").await);
        let north = group_of(stage, "North", &[&one, &two]).await;
        group(stage, "South").await;
        let groups = async || shown(stage, "SMS_DistributionPointGroup", &GROUP).await;
        assert_eq!(groups().await, ["North 2 true 0 true 0", "South 0 false 0 true 0"]);
        send(stage, &north, &[&dell, &hp]).await;
        assert_eq!(groups().await[0], "North 2 true 2 false 2");
        for point in [&one, &two] {
            stage.report(&dell, point, installed(1)).await;
        }
        assert_eq!(groups().await[0], "North 2 true 2 false 1");
        stage.report(&hp, &one, installed(1)).await;
        stage.report(&hp, &two, failed(1)).await;
        assert_eq!(groups().await[0], "North 2 true 2 false 1");
        let points = async || shown(stage, "SMS_DPStatusInfo", &POINT).await;
        assert_eq!(points().await, [r"\\dp1\ 1 2 0 0 0", r"\\dp2\ 3 1 0 1 0", r"\\dp3\ 1 0 0 0 0"]);
        stage.report(&hp, &two, installed(1)).await;
        assert_eq!(groups().await[0], "North 2 true 2 true 0");
        // What is verified again is there; what another version is published of is not.
        stage.site.redistribute(&admin(), &dell.package_id, &one.nal).await.unwrap();
        assert_eq!(groups().await[0], "North 2 true 2 true 0");
        stage.source("hp", &[("driver.inf", "new")]);
        stage.clock.advance(std::time::Duration::from_secs(1));
        stage.site.refresh_package(&admin(), &hp.package_id).await.unwrap();
        stage.site.run_due_snapshots().await.unwrap();
        assert_eq!(groups().await[0], "North 2 true 2 false 1");
        stage.report(&hp, &two, Event::Started { version: 2, attempt: 1 }).await;
        assert_eq!(points().await[..2], [r"\\dp1\ 2 0 1 0 1", r"\\dp2\ 2 1 1 0 0"]);
        let infos = shown(stage, "SMS_DistributionPointInfo", &["ServerName", "GroupCount", "HasRelationship"]).await;
        assert_eq!(infos, ["dp1 1 true", "dp2 1 true", "dp3 0 false"]);

        stage.assign(&dell, &[&free]).await;
        stage.site.remove_from_distribution_point(&admin(), &hp.package_id, &one.nal).await.unwrap();
        let servers = shown(stage, "SMS_PackageContentServerInfo", &["Name", "ContentServerType", "ObjectTypeID", "ObjectID"]).await;
        let expect = [r"\\dp1\ 1 42 D", r"\\dp2\ 1 42 D", r"\\dp2\ 1 42 H", r"\\dp3\ 1 42 D", "North 2 43 D", "North 2 43 H"];
        let expect = expect.map(|row| row.replace('D', &dell.package_id).replace('H', &hp.package_id));
        assert_eq!(servers, expect);
        let contents = shown(stage, "SMS_DPContentInfo", &["NALPath", "Name", "ObjectTypeID", "SourceSize"]).await;
        let expect = [&one.nal, &two.nal, &two.nal, &free.nal].into_iter().zip(["dell", "dell", "hp", "dell"]);
        assert_eq!(contents, expect.map(|(nal, name)| format!("{nal} {name} 23 1")).collect::<Vec<_>>());
        assert_eq!(shown(stage, "SMS_DPGroupMembers", &["DPNALPath", "GroupID"]).await.len(), 2);
        assert_eq!(shown(stage, "SMS_DPGroupPackages", &["PkgID", "GroupID"]).await.len(), 2);
    }

    async fn site_control_shows_the_roles_of_servers(stage: &Stage) {
        stage.point("dp1").await;
        let rows = shown(stage, "SMS_SCI_SysResUse", &["ItemName", "NetworkOSPath", "FileType", "SslState"]).await;
        let srv = r#"["Display=\\srv.example.test\"]MSWNET:["SMS_SITE=PS1"]\\srv.example.test\"#;
        let expect = [
            (&srv.replace("srv.example.test", "dp1"), "SMS Distribution Point", r"\\dp1", 0),
            (&srv.to_owned(), "SMS Provider", r"\\srv.example.test", 2),
            (&srv.to_owned(), "SMS Site Server", r"\\srv.example.test", 2),
        ];
        assert_eq!(rows, expect.map(|(nal, role, path, ssl)| format!("{nal},{role} {path} 2 {ssl}")));
        assert_eq!(shown(stage, "SMS_SCI_Address", &["ItemName", "DesSiteCode"]).await, Vec::<String>::new());
    }

    async fn who_may_not_is_refused_and_nothing_is_changed(stage: &Stage) {
        let dell = stage.package("dell").await;
        let one = stage.point("dp1").await;
        let group = group_of(stage, "Branches", &[&one]).await;
        let (id, site) = (group.group_id.as_str(), &stage.site);
        let before = everything(stage).await;
        for role in [Role::Operator, Role::Author, Role::Reader] {
            let actor = stage.actor(role);
            assert_eq!(code(site.create_dp_group(&actor, NewDpGroup { name: "x".to_owned(), ..NewDpGroup::default() }).await), "access_denied");
            assert_eq!(code(site.update_dp_group(&actor, id, DpGroupChange::default()).await), "access_denied");
            assert_eq!(code(site.delete_dp_group(&actor, id).await), "access_denied");
            assert_eq!(code(site.add_dp_group_members(&actor, id, &nals(&[&one]), false).await), "access_denied");
            assert_eq!(code(site.remove_dp_group_members(&actor, id, &nals(&[&one]), false).await), "access_denied");
            if role != Role::Operator {
                assert_eq!(code(site.add_dp_group_packages(&actor, id, &ids(&[&dell])).await), "access_denied");
                assert_eq!(code(site.remove_dp_group_packages(&actor, id, &ids(&[&dell]), true).await), "access_denied");
                assert_eq!(code(site.redistribute_dp_group_packages(&actor, id, &ids(&[&dell])).await), "access_denied");
                assert_eq!(code(site.refresh_dp_group(&actor, id).await), "access_denied");
            }
        }
        let missing = "{00000000-0000-0000-0000-000000000000}";
        assert_eq!(code(site.add_dp_group_packages(&admin(), missing, &ids(&[&dell])).await), "group_not_found");
        assert_eq!(code(site.add_dp_group_packages(&admin(), id, &[]).await), "invalid_field");
        assert_eq!(code(site.add_dp_group_packages(&admin(), id, &vec![dell.package_id.clone(); 1001]).await), "invalid_field");
        assert_eq!(code(site.add_dp_group_packages(&admin(), id, &[dell.package_id.clone(), "PS1FFFFF".to_owned()]).await), "package_not_found");
        assert_eq!(code(site.add_dp_group_members(&admin(), id, &[one.nal.replace("dp1", "dp9")], true).await), "dp_not_found");
        assert_eq!(code(site.add_dp_group_members(&admin(), id, &["dp1".to_owned()], true).await), "invalid_field");
        assert_eq!(everything(stage).await, before);
        site.add_dp_group_packages(&stage.actor(Role::Operator), id, &ids(&[&dell])).await.unwrap();
        assert_eq!(stage.state(&dell, &one).await, State::InstallPending);
    }

    /// The second package's rows are refused: the first one's, and the group's, go with them.
    async fn a_failure_in_the_middle_rolls_all_back(stage: &Stage) {
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let one = stage.point("dp1").await;
        let group = group_of(stage, "Branches", &[&one]).await;
        let before = everything(stage).await;
        refuse_rows_of(stage, &hp).await;
        let error = stage.site.add_dp_group_packages(&admin(), &group.group_id, &ids(&[&dell, &hp])).await.unwrap_err();
        assert_eq!(error.code(), "database_failed");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("injected"), "the fault fired: {cause}");
        assert_eq!(everything(stage).await, before);
        send(stage, &group, &[&dell]).await;
        assert_eq!(states(stage, &[&dell, &hp], &[&one]).await, "1 -");
    }

    async fn packages_and_members_added_at_once_all_meet(stage: &Stage) {
        let mut packages = Vec::new();
        for number in 0..6 {
            packages.push(stage.package(&format!("package{number}")).await);
        }
        let mut points = Vec::new();
        for number in 0..6 {
            points.push(stage.point(&format!("dp{number}")).await);
        }
        let group = group(stage, "Branches").await;
        let other = stage.reopen().await;
        let id = group.group_id.as_str();
        let added = packages.iter().zip(&points).enumerate().map(|(number, (package, point))| {
            // Half of them through another process of the same site.
            let site = if number % 2 == 0 { &stage.site } else { &other };
            async move {
                let (packages, members) = (ids(&[package]), nals(&[point]));
                let sent = async { site.add_dp_group_packages(&admin(), id, &packages).await.unwrap() };
                let joined = async { stage.site.add_dp_group_members(&admin(), id, &members, true).await.unwrap() };
                futures_util::join!(sent, joined);
            }
        });
        join_all(added).await;
        let (packages, points): (Vec<_>, Vec<_>) = (packages.iter().collect(), points.iter().collect());
        assert_eq!(states(stage, &packages, &points).await, ["1"; 36].join(" "));
        other.close().await;
    }

    async fn a_large_group_is_sent_to_in_one_step_and_too_much_is_refused(stage: &Stage) {
        const FLEET: usize = 900;
        let (dell, hp) = (stage.package("dell").await, stage.package("hp").await);
        let point = stage.point("dp0").await;
        let rows: Vec<_> = (1..FLEET).map(|number| {
            let nal = point.nal.replace("dp0", &format!("dp{number}"));
            format!("('dp{number}', 'dp{number}', '{nal}', '{number}', 0, 'PS1')")
        }).collect();
        stage.raw_sql(format!("INSERT INTO dp (name, name_key, nal_path, identity_guid, created_at, site_code) VALUES {}", rows.join(", "))).await;
        let fleet: Vec<_> = (0..FLEET).map(|number| point.nal.replace("dp0", &format!("dp{number}"))).collect();
        let group = group(stage, "Fleet").await;
        let (id, site) = (group.group_id.as_str(), &stage.site);
        site.add_dp_group_members(&admin(), id, &fleet, true).await.unwrap();
        send(stage, &group, &[&dell, &hp]).await;
        let pairs = stage.raw_sql("SELECT CAST(COUNT(*) AS TEXT), CAST(COUNT(DISTINCT revision) AS TEXT) FROM distribution WHERE state = 1".to_owned()).await;
        assert_eq!(pairs, [["1800", "2"]]);
        site.remove_dp_group_members(&admin(), id, &fleet[1..], true).await.unwrap();
        let left = stage.raw_sql("SELECT CAST(COUNT(*) AS TEXT) FROM distribution WHERE state = 1".to_owned()).await;
        assert_eq!(left, [["2"]]);
        site.add_dp_group_members(&admin(), id, &fleet, false).await.unwrap();
        let many = vec![dell.package_id.clone(); 56];
        assert_eq!(code(site.add_dp_group_packages(&admin(), id, &many).await), "invalid_field");
    }

    async fn a_refresh_of_too_many_assignments_is_refused_whole(stage: &Stage) {
        let package = stage.package("dell").await;
        let group = group(stage, "g").await;
        send(stage, &group, &[&package]).await;
        let many = "INSERT INTO dp (name, name_key, nal_path, identity_guid, created_at) \
                    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50001) \
                    SELECT 'm', 'm' || CAST(i AS TEXT), 'm', '', 0 FROM n";
        stage.raw_sql(many.to_owned()).await;
        let join = format!("INSERT INTO dp_group_member SELECT '{}', id FROM dp", group.group_id);
        stage.raw_sql(join).await;
        let before = everything(stage).await;
        assert_eq!(code(stage.site.refresh_dp_group(&admin(), &group.group_id).await), "conflict");
        assert_eq!(everything(stage).await, before);
    }
}
