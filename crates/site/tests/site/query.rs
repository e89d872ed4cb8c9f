//! Queries: the same question has the same answer on both back ends.

use cim::query::{ElementTest, Expr, LikePattern, LikePiece, Operator, PropertyRef, Query, Scalar};
use site::{ImportRequest, NewPackage, PackageChange, Value, views};

use crate::drivers::category;
use crate::folders::folder;
use crate::groups::{group_of, send};
use crate::imports::request;
use crate::inf::driver_folder;
use crate::stage::{Stage, admin, code, installed};

/// Package names, in the order in which they are made.
const NAMES: [&str; 8] =
    ["Dell 7440", "dell 7450", "HP 100%", "HP_840", "Lenovo [T14]", "Müller^-]", "a*b?c\\d", "O'Neil \"x\""];

/// Views with more than one row where there is one of each thing, and those without any.
const SEVERAL_ROWS: [&str; 13] = [
    "Haulier_PackageState",
    "Haulier_Role",
    "Haulier_StatusMessage",
    "SMS_ObjectContentExtraInfo",
    "SMS_ObjectContentInfo",
    "SMS_PackageBaseclass",
    "SMS_PackageContentServerInfo",
    "SMS_PackageStatus",
    "SMS_PackageStatusDetailSummarizer",
    "SMS_PackageStatusRootSummarizer",
    "SMS_SCI_SysResUse",
    "SMS_SiteControlItem",
    "SMS_SupportedPlatforms",
];
const NO_ROWS: [&str; 2] = ["Haulier_Route", "SMS_SCI_Address"];

async fn make_packages(stage: &Stage) {
    for (number, name) in NAMES.into_iter().enumerate() {
        let new = NewPackage {
            name: name.to_owned(),
            version: format!("1.{number}"),
            pkg_flags: if number == 0 { u32::MAX } else { u32::try_from(number).unwrap() },
            isv_string: if number % 2 == 0 { String::new() } else { format!("isv {number}") },
            ignore_address_schedule: number == 3,
            ..NewPackage::default()
        };
        stage.site.create_package(&admin(), new).await.unwrap();
    }
}

/// The indexes into [`NAMES`] of what a condition selects.
async fn selected(stage: &Stage, condition: &str) -> Result<Vec<usize>, site::SiteError> {
    let text = format!("SELECT Name FROM SMS_DriverPackage WHERE {condition} ORDER BY PackageID");
    let query = cim::wql::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = stage.site.query(&site::Actor::local(), query.class(), &query).await?;
    assert_eq!(rows.columns.iter().map(|column| column.name).collect::<Vec<_>>(), ["Name"]);
    let index =
        |row: &Vec<Value>| NAMES.iter().position(|name| row[0] == Value::Text((*name).to_owned())).unwrap();
    Ok(rows.rows.iter().map(index).collect())
}

async fn check(stage: &Stage, condition: &str, expect: &[usize]) {
    assert_eq!(selected(stage, condition).await.unwrap(), expect, "{condition}");
}

async fn names_of(stage: &Stage, query: &Query) -> Vec<Value> {
    let rows = stage.site.query(&site::Actor::local(), query.class(), query).await.unwrap();
    let at = rows.columns.iter().position(|column| column.name == "Name").unwrap();
    rows.rows.into_iter().map(|mut row| row.swap_remove(at)).collect()
}

/// Whether a lower-case text matches, read off the pattern without any database.
fn reads_as(pieces: &[LikePiece], text: &str) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
    let after_one = |fits: &dyn Fn(char) -> bool| {
        let mut chars = text.chars();
        chars.next().is_some_and(fits) && reads_as(rest, chars.as_str())
    };
    match piece {
        LikePiece::Text(plain) => {
            text.strip_prefix(&plain.to_ascii_lowercase()).is_some_and(|text| reads_as(rest, text))
        }
        LikePiece::Any => (0..=text.len()).any(|at| text.is_char_boundary(at) && reads_as(rest, &text[at..])),
        LikePiece::One => after_one(&|_| true),
        LikePiece::Set { negated, ranges } => after_one(&|c| {
            let inside = |c: char| ranges.iter().any(|range| (range.first..=range.last).contains(&c));
            (inside(c) || inside(c.to_ascii_uppercase())) != *negated
        }),
    }
}

on_both! {
    async fn conditions(stage: &Stage) {
        make_packages(stage).await;
        let all = [0, 1, 2, 3, 4, 5, 6, 7];
        for (condition, expect) in [
            ("Name = 'DELL 7440'", &[0][..]),
            ("name = \"dell 7450\"", &[1]),
            ("Name <> 'dell 7440'", &[1, 2, 3, 4, 5, 6, 7]),
            ("Name < 'dell 7445'", &[0, 6]),
            ("Name = 'Müller^-]'", &[5]),
            ("Name = 'mÜLLER^-]'", &[]),
            ("PkgFlags = 4294967295", &[0]),
            ("PkgFlags = '3'", &[3]),
            ("PkgFlags >= 2 AND PkgFlags < 4", &[2, 3]),
            ("PkgFlags > 99999999999999999999", &[]),
            ("PkgFlags < 99999999999999999999 AND PkgFlags > -99999999999999999999", &all),
            ("PkgFlags <> 99999999999999999999", &all),
            ("IgnoreAddressSchedule = TRUE", &[3]),
            ("IgnoreAddressSchedule = 1", &[3]),
            ("NOT IgnoreAddressSchedule = 'true'", &[0, 1, 2, 4, 5, 6, 7]),
            ("PackageID = 'ps100001' OR Name LIKE 'HP%'", &[0, 2, 3]),
            ("ISVString IS NULL", &[0, 2, 4, 6]),
            ("ISVString IS NOT NULL AND Version > '1.3'", &[5, 7]),
            ("ISVString = 'ISV 1'", &[1]),
            ("NOT (Name LIKE '%e%' OR Name LIKE 'HP%')", &[6]),
            ("Name LIKE 'dell%'", &[0, 1]),
            ("Name LIKE 'HP 100[%]'", &[2]),
            ("Name LIKE 'HP[_]840'", &[3]),
            ("Name LIKE 'HP_840'", &[3]),
            ("Name LIKE 'HP_8%'", &[3]),
            ("Name LIKE '%[[]T14]'", &[4]),
            ("Name LIKE 'a*b?c%'", &[6]),
            ("Name LIKE '%\\\\d'", &[6]),
            ("Name LIKE 'dell 74[45]0'", &[0, 1]),
            ("Name LIKE 'DELL 74[^4]0'", &[1]),
            ("Name LIKE '[C-E]ell%'", &[0, 1]),
            ("Name LIKE '[^c-e]%'", &[2, 3, 4, 5, 6, 7]),
            ("Name LIKE '%r[x^]%'", &[5]),
            ("Name LIKE '%[x-]]'", &[5]),
            ("Name LIKE '_[^a]_[*-?]_[?]c%'", &[]),
            ("Name LIKE '[a][*]b[?]c%'", &[6]),
            ("LastRefreshTime IS NULL", &all),
        ] {
            check(stage, condition, expect).await;
        }
        for refused in ["PkgFlags = 'many'", "IgnoreAddressSchedule = 'perhaps'", "SourceDate = 'yesterday'", "Nothing = 1", "PkgFlags LIKE '1%'"] {
            assert_eq!(code(selected(stage, refused).await), "invalid_query", "{refused}");
        }
        assert_eq!(code(stage.site.query(&site::Actor::local(), "SMS_Nothing", &Query::all("SMS_Nothing")).await), "unknown_class");
    }

    async fn text_parts_are_plain_text(stage: &Stage) {
        make_packages(stage).await;
        let name = || Scalar::property("name");
        let starts = |text: &str| Expr::StartsWith { item: name(), text: text.to_owned() };
        let ends = |text: &str| Expr::EndsWith { item: name(), text: text.to_owned() };
        let contains = |text: &str| Expr::Contains { item: name(), text: text.to_owned() };
        for (filter, expect) in [
            (starts("DELL"), &[0, 1][..]),
            (starts("HP_"), &[3]),
            (starts("%"), &[]),
            (ends("%"), &[2]),
            (ends("C\\d"), &[6]),
            (contains("[t"), &[4]),
            (contains("*"), &[6]),
            (contains("'"), &[7]),
            (contains(""), &[0, 1, 2, 3, 4, 5, 6, 7]),
        ] {
            let mut query = Query::all("sms_driverpackage");
            query.filter = Some(filter.clone());
            let expect: Vec<_> = expect.iter().map(|&index: &usize| Value::Text(NAMES[index].to_owned())).collect();
            assert_eq!(names_of(stage, &query).await, expect, "{filter:?}");
        }
    }

    async fn lists_order_and_pages(stage: &Stage) {
        make_packages(stage).await;
        let parse = |text: &str| cim::wql::parse(text).unwrap();
        let mut query = parse("SELECT Name, ISVString FROM SMS_DriverPackage ORDER BY ISVString DESC");
        query.count = true;
        (query.top, query.skip) = (Some(3), Some(1));
        let rows = stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await.unwrap();
        assert_eq!(rows.count, Some(8));
        let text = |row: &Vec<Value>| row[1].clone();
        let isv = |number: u32| Value::Text(format!("isv {number}"));
        assert_eq!(rows.rows.iter().map(text).collect::<Vec<_>>(), [isv(5), isv(3), isv(1)]);
        // Null sorts lowest, and the key decides among equals.
        query.order[0].1 = cim::query::Direction::Ascending;
        (query.top, query.skip) = (None, Some(3));
        let names = names_of(stage, &query).await;
        assert_eq!(names[..2], [Value::Text(NAMES[6].to_owned()), Value::Text(NAMES[1].to_owned())]);
        query.top = Some(0);
        let none = stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await.unwrap();
        assert_eq!((none.rows.len(), none.count), (0, Some(8)));
        (query.top, query.skip) = (Some(u64::MAX), Some(u64::MAX));
        assert_eq!(stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await.unwrap().rows.len(), 0);
        let mut listed = Query::all("SMS_DriverPackage");
        let values = ["PS100002", "ps100004", "nothing"].map(cim::Value::from).to_vec();
        listed.filter = Some(Expr::In { item: Scalar::property("PackageID"), values });
        assert_eq!(names_of(stage, &listed).await.len(), 2);
        let values = vec![cim::Value::Integer(i128::MAX)];
        listed.filter = Some(Expr::In { item: Scalar::property("PkgFlags"), values });
        assert_eq!(names_of(stage, &listed).await.len(), 0);
    }

    async fn limits_hold(stage: &Stage) {
        let one = || Expr::compare("Name", Operator::Eq, "x");
        let mut deep = one();
        for _ in 0..100 {
            deep = deep.not();
        }
        let many = Expr::Or((0..1001).map(|_| one()).collect());
        let values = vec![cim::Value::from("x"); 1001];
        let list = Expr::In { item: Scalar::property("Name"), values };
        let long = Expr::compare("Name", Operator::Eq, "x".repeat(5000));
        let null = Expr::compare("Name", Operator::Eq, "a\0b");
        let array = Expr::Any { property: PropertyRef::new("Unknown"), test: ElementTest::Compare(Operator::Eq, "x".into()) };
        for filter in [deep, many, list, long, null, Expr::And(Vec::new()), array] {
            let mut query = Query::all("SMS_DriverPackage");
            query.filter = Some(filter);
            assert_eq!(code(stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await), "invalid_query");
        }
        let mut query = Query::all("SMS_DriverPackage");
        query.filter = Some(Expr::Or((0..1000).map(|_| one()).collect()));
        stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await.unwrap();
    }

    async fn patterns_match_as_they_read(stage: &Stage) {
        // Texts and patterns from an alphabet in which nearly every character is special somewhere.
        let alphabet: Vec<char> = "aB%_[]^-*?\\.c".chars().collect();
        let mut rng = samples::Rng::new(7);
        let mut word = |length_max: usize| -> String {
            let length = rng.below(length_max);
            (0..length).map(|_| *rng.pick(&alphabet)).collect()
        };
        let names: Vec<String> = (0..40).map(|_| format!("a{}", word(6))).collect();
        for name in &names {
            let new = NewPackage { name: name.clone(), ..NewPackage::default() };
            stage.site.create_package(&admin(), new).await.unwrap();
        }
        let mut matched = 0;
        for _ in 0..300 {
            let pattern = LikePattern::parse(&format!("a{}", word(7)));
            let mut query = Query::all("SMS_DriverPackage");
            query.filter = Some(Expr::Like { item: Scalar::property("Name"), pattern: pattern.clone() });
            let got = names_of(stage, &query).await;
            let expect = names.iter().filter(|name| reads_as(&pattern.pieces, &name.to_ascii_lowercase()));
            let expect: Vec<_> = expect.map(|name| Value::Text(name.clone())).collect();
            matched += expect.len();
            assert_eq!(got, expect, "{pattern:?}");
        }
        assert!(matched > 300, "patterns that match nothing prove nothing: {matched}");
    }

    async fn times_compare_in_every_spelling(stage: &Stage) {
        let package = stage.package("dell").await;
        for (condition, matches) in [
            ("SourceDate >= '20260101000000.000000+***'", true),
            ("SourceDate > '20260101000000.000000+000'", false),
            ("SourceDate = '2026-01-01T00:00:00Z'", true),
            ("SourceDate < '2026-01-01 00:00:01'", true),
            ("SourceDate = '20260101010000.000000+060'", true),
        ] {
            let query = cim::wql::parse(&format!("SELECT * FROM SMS_DriverPackage WHERE {condition}")).unwrap();
            let rows = stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &query).await.unwrap();
            assert_eq!(rows.rows.len() == 1, matches, "{condition}");
        }
        assert_eq!(package.source_version, 1);
    }

    async fn every_view_has_exactly_its_columns(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let group = group_of(stage, "Branches", &[&point]).await;
        send(stage, &group, &[&package]).await;
        let (kind, data) = (site::PackageType::Regular, site::PackageData::default());
        let plain = NewPackage { name: "plain".to_owned(), ..NewPackage::default() };
        stage.site.create_package_of(&admin(), kind, plain, data, &[]).await.unwrap();
        let shelf = folder(stage, "shelf", 23, 0).await;
        let keys = std::slice::from_ref(&package.package_id);
        stage.site.move_members(&admin(), 23, keys, 0, shelf.folder_id).await.unwrap();
        let life = std::time::Duration::from_secs(60);
        stage.site.create_token(&admin(), "admin", "test", life).await.unwrap();
        let net = category(stage, "Net").await;
        let import = request(&[&driver_folder(stage, "nic", "VEN_1")]);
        stage.site.start_import(&admin(), ImportRequest { categories: vec![net], ..import }).await.unwrap();
        stage.site.run_due_imports().await.unwrap();
        let held = "VALUES ('PS100001', 16777217, 'hash', 'unique', 'folder', 1, 1, 1, 0, 0)";
        stage.raw_sql(format!("INSERT INTO package_content (package_id, content_id, content_hash, content_unique_id, sub_folder, \
            content_version, published, min_package_version, state, refresh) {held}")).await;
        for view in views::all() {
            let sql = if stage.is_postgres() {
                format!("SELECT column_name::text FROM information_schema.columns WHERE table_name = '{}'", view.name)
            } else {
                format!("SELECT name FROM pragma_table_info('{}')", view.name)
            };
            let mut stored: Vec<_> = stage.raw_sql(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
            let mut declared: Vec<_> = view.columns.iter().map(|column| column.name.to_owned()).collect();
            stored.sort();
            declared.sort();
            assert_eq!(stored, declared, "{}", view.name);
            assert!(view.key.iter().all(|key| view.column(key).is_some()), "{}", view.name);
            // Every value can be read as the kind that is declared, and every column can be sorted by.
            let mut query = Query::all(view.name);
            for column in view.columns.iter().filter(|column| column.kind != views::Kind::TextList) {
                query.order = vec![(Scalar::property(column.name), cim::query::Direction::Descending)];
                let rows = stage.site.query(&site::Actor::local(), view.name, &query).await.unwrap();
                let several = SEVERAL_ROWS.contains(&view.name) || view.name.starts_with("SMS_Stat");
                let expect = if NO_ROWS.contains(&view.name) { 0 } else { 1 };
                assert!(rows.rows.len() == expect || (several && rows.rows.len() > 1), "{}", view.name);
            }
        }
    }

    async fn views_show_what_is_true(stage: &Stage) {
        let package = stage.package("dell").await;
        let point = stage.point("dp1").await;
        stage.assign(&package, &[&point]).await;
        let value = async |view: &str, column: &str| {
            let mut query = Query::all(view);
            query.select = cim::query::Select::properties([column]);
            stage.site.query(&site::Actor::local(), view, &query).await.unwrap().rows.remove(0).remove(0)
        };
        let text = |text: &str| Value::Text(text.to_owned());
        let nal = point.nal.as_str();
        for (view, column, expect) in [
            ("SMS_DistributionPoint", "Status", Value::Integer(2)),
            ("SMS_DistributionPoint", "LastRefreshTime", Value::DateTime("1990-01-01T00:00:00Z".parse().unwrap())),
            ("SMS_DistributionPoint", "ServerNALPath", text(nal)),
            ("SMS_PackageStatusDistPointsSummarizer", "State", Value::Integer(1)),
            ("SMS_PackageStatusDistPointsSummarizer", "LastCopied", Value::Null),
            ("SMS_PackageStatusDistPointsSummarizer", "SourceNALPath", text(&nal.replace("dp1", "srv.example.test"))),
            ("SMS_DistributionPointInfo", "Name", text(r"\\dp1\")),
            ("SMS_SystemResourceList", "RoleName", text("SMS Distribution Point")),
            ("SMS_ProviderLocation", "NamespacePath", text(r"\\srv.example.test\root\sms\site_PS1")),
            ("SMS_Identification", "ThisSiteCode", text("PS1")),
            ("SMS_DriverPackage", "PackageSize", Value::Integer(1)),
            ("SMS_DriverPackage", "SedoObjectVersion", text(&package.sedo_object_version)),
        ] {
            assert_eq!(value(view, column).await, expect, "{view}.{column}");
        }
        stage.report(&package, &point, installed(1)).await;
        assert_eq!(value("SMS_DistributionPoint", "Status").await, Value::Integer(0));
        assert_eq!(value("SMS_PackageStatusDistPointsSummarizer", "SourceVersion").await, Value::Integer(1));
        stage.site.redistribute(&admin(), &package.package_id, nal).await.unwrap();
        assert_eq!(value("SMS_DistributionPoint", "Status").await, Value::Integer(1));
        let change = PackageChange { name: Some("renamed".to_owned()), ..PackageChange::default() };
        stage.site.update_package(&admin(), &package.package_id, change).await.unwrap();
        assert_eq!(value("SMS_DriverPackage", "Name").await, text("renamed"));
        stage.site.delete_package(&admin(), &package.package_id).await.unwrap();
        let hidden = stage.site.query(&site::Actor::local(), "SMS_DriverPackage", &Query::all("SMS_DriverPackage")).await.unwrap();
        assert_eq!(hidden.rows.len(), 0);
        assert_eq!(value("SMS_DistributionPoint", "Status").await, Value::Integer(3));
        assert_eq!(value("SMS_PackageStatusDistPointsSummarizer", "State").await, Value::Integer(4));
    }
}
