//! Groups of distribution points and site control through the provider, without any protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod scene;

use cim::{Instance, ObjectPath, Value, wql};
use provider::{Caller, Provider, ProviderError};
use scene::local;
use site::{Actor, NewPackage, Role, Site};
use tempfile::TempDir;

const GROUP: &str = "SMS_DistributionPointGroup";

struct World {
    provider: Provider,
    site: Site,
    _dir: TempDir,
}

fn nal(server: &str) -> String {
    format!(r#"["Display=\\{server}\"]MSWNET:["SMS_SITE=PS1"]\\{server}\"#)
}

/// A site with two distribution points and a package `PS100001`.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let site = scene::site(dir.path(), &["dp1", "dp2"]).await;
    let new = NewPackage { name: "P".to_owned(), ..NewPackage::default() };
    site.create_package(&Actor::local(), new).await.unwrap();
    World { provider: Provider::new(site.clone()), site, _dir: dir }
}

impl World {
    async fn group(&self, name: &str) -> ObjectPath {
        let mut group = Instance::new(GROUP);
        group.set("Name", name);
        self.provider.create(&local(), group).await.unwrap()
    }

    async fn call(
        &self,
        caller: &Caller,
        path: &ObjectPath,
        method: &str,
        given: &[(&str, Value)],
    ) -> Result<(), ProviderError> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let outcome = self.provider.invoke(caller, GROUP, Some(path), method, given).await?;
        assert_eq!(outcome.return_value, Value::Integer(0));
        Ok(())
    }

    async fn rows(&self, text: &str) -> Vec<Instance> {
        self.provider.query(&local(), wql::parse(text).unwrap()).await.unwrap().instances
    }
}

fn hresult<T>(result: Result<T, ProviderError>) -> u32 {
    result.err().expect("the call is refused").hresult()
}

#[tokio::test]
async fn a_group_is_made_put_again_and_deleted() {
    let world = world().await;
    let path = world.group("Branches").await;
    let mut whole = world.provider.get(&local(), &path).await.unwrap();
    assert_eq!(whole.get("CreatedBy"), Some(&Value::text("local")));
    // A script writes back the whole object with one change.
    whole.set("Description", "all of them");
    assert_eq!(world.provider.put(&local(), whole.clone()).await.unwrap(), path);
    let now = world.provider.get(&local(), &path).await.unwrap();
    assert_eq!(
        (now.get("Description"), now.get("Name")),
        (Some(&Value::text("all of them")), whole.get("Name"))
    );
    let mut twin = Instance::new(GROUP);
    twin.set("Name", "BRANCHES");
    assert_eq!(hresult(world.provider.create(&local(), twin).await), 0x8004_1019);
    assert_eq!(hresult(world.provider.create(&local(), Instance::new(GROUP)).await), 0x8004_1028);
    let mut counted = Instance::new(GROUP);
    counted.set("Name", "x");
    counted.set("MemberCount", 3);
    assert_eq!(hresult(world.provider.create(&local(), counted).await), 0x8004_1023);
    world.provider.delete(&local(), &path).await.unwrap();
    assert_eq!(hresult(world.provider.get(&local(), &path).await), 0x8004_1002);
}

#[tokio::test]
async fn methods_move_packages_and_members() {
    let world = world().await;
    let path = world.group("Branches").await;
    let package = || Value::text("PS100001");
    let call = async |method: &str, given: &[(&str, Value)]| world.call(&local(), &path, method, given).await;
    call("AddDistributionPoints", &[("DPNALPath", Value::text(nal("dp1")))]).await.unwrap();
    call("addpackages", &[("packageids", package())]).await.unwrap();
    let later = [("DPNALPath", Value::text(nal("DP2"))), ("AddTargetedPackages", Value::Boolean(false))];
    call("AddDistributionPoints", &later).await.unwrap();
    let assigned = async || world.rows("SELECT * FROM SMS_DistributionPoint WHERE Status <> 3").await.len();
    assert_eq!(assigned().await, 1);
    call("RefreshDPGroup", &[]).await.unwrap();
    assert_eq!(assigned().await, 2);
    call("RemoveDistributionPoints", &[("DPNALPath", Value::text(nal("dp2")))]).await.unwrap();
    assert_eq!(assigned().await, 2, "who leaves keeps what it has");
    call("ReDistributePackage", &[("PackageID", package())]).await.unwrap();
    call("RemovePackages", &[("PackageIDs", package())]).await.unwrap();
    assert_eq!(assigned().await, 1);
    assert_eq!(world.rows("SELECT * FROM SMS_DPGroupPackages").await, []);

    let operator = Caller::from(Actor::new("o", Role::Operator));
    world.call(&operator, &path, "AddPackages", &[("PackageIDs", package())]).await.unwrap();
    let members = [("DPNALPath", Value::text(nal("dp2")))];
    assert_eq!(hresult(world.call(&operator, &path, "AddDistributionPoints", &members).await), 0x8004_1003);
    let reader = Caller::from(Actor::new("r", Role::Reader));
    assert_eq!(hresult(world.call(&reader, &path, "RefreshDPGroup", &[]).await), 0x8004_1003);
    let collections = [("CollectionID", Value::text("PS100001"))];
    assert_eq!(hresult(call("AssociateCollections", &collections).await), 0x8004_1055);
}

#[tokio::test]
async fn what_a_role_of_site_control_says_is_put_together() {
    let world = world().await;
    let text = "SELECT * FROM SMS_SCI_SysResUse WHERE RoleName = 'SMS Distribution Point'";
    let roles = world.rows(text).await;
    assert_eq!(roles.len(), 2);
    let Some(Value::Array(props)) = roles[0].get("Props") else { panic!("{:?}", roles[0]) };
    let prop = |wanted: &str| {
        let found = props.iter().find_map(|prop| match prop {
            Value::Instance(prop) if prop.get("PropertyName") == Some(&Value::text(wanted)) => Some(prop),
            _ => None,
        });
        let found = found.unwrap();
        (found.get("Value").cloned().unwrap(), found.get("Value1").cloned().unwrap())
    };
    assert_eq!(prop("Server Remote Name"), (Value::Integer(0), Value::text("dp1")));
    let guid = world.site.distribution_points().await.unwrap().remove(0).identity_guid;
    assert_eq!(prop("IdentityGUID"), (Value::Integer(0), Value::text(guid)));
    assert_eq!(prop("IsPullDP"), (Value::Integer(0), Value::text("")));
    assert_eq!(prop("DPMonSchedule").1, Value::text("00011700001F2000"));
    let chosen = world.rows("SELECT RoleName FROM SMS_SCI_SysResUse WHERE RoleName = 'SMS Provider'").await;
    assert_eq!(chosen[0].get("Props"), None);

    // In a join the row says the same.
    let text = "SELECT r.* FROM SMS_SystemResourceList AS l INNER JOIN SMS_SCI_SysResUse AS r \
                ON r.NALPath = l.NALPath AND r.RoleName = l.RoleName WHERE l.ServerName = 'dp1'";
    let joined = world.rows(text).await;
    assert_eq!(joined[0].get("Props"), roles[0].get("Props"));
    let items = world.rows("SELECT * FROM SMS_SiteControlItem").await;
    assert_eq!(items.len(), 4);
    assert!(items.iter().all(|item| item.class == "SMS_SCI_SysResUse"), "{items:?}");

    let path = world.provider.path(world.provider.schema().class("SMS_SCI_SysResUse").unwrap(), &roles[0]);
    let whole = world.provider.get(&local(), &path).await.unwrap();
    assert_eq!(whole.get("Props"), roles[0].get("Props"));
    let mut change = Instance::new("SMS_SCI_SysResUse");
    change.set("SslState", 1);
    assert_eq!(hresult(world.provider.modify(&local(), &path, change).await), 0x8004_1023);
    assert_eq!(hresult(world.provider.delete(&local(), &path).await), 0x8004_100C);
    let answer =
        world.provider.invoke(&local(), "SMS_SiteControlFile", None, "GetSessionHandle", Vec::new()).await;
    assert_eq!(hresult(answer), 0x8004_1055);
}

/// A script's way: read the role, alter its embedded properties, put all of them back.
#[tokio::test]
async fn a_put_of_a_role_makes_a_pull_distribution_point_and_no_loop() {
    let world = world().await;
    let class = world.provider.schema().class("SMS_SCI_SysResUse").unwrap();
    let text = "SELECT * FROM SMS_SCI_SysResUse WHERE RoleName = 'SMS Distribution Point'";
    let roles = world.rows(text).await;
    let paths: Vec<_> = roles.iter().map(|role| world.provider.path(class, role)).collect();
    let put = async |at: usize, source: usize| {
        let mut role = world.provider.get(&local(), &paths[at]).await.unwrap();
        let Some(Value::Array(mut props)) = role.get("Props").cloned() else { panic!("{role:?}") };
        for prop in &mut props {
            let Value::Instance(prop) = prop else { panic!("{prop:?}") };
            if prop.get("PropertyName") == Some(&Value::text("IsPullDP")) {
                prop.set("Value", 1);
            }
        }
        let list = |name: &str, value: Value| {
            let mut list = Instance::new("SMS_EmbeddedPropertyList");
            list.set("PropertyListName", name);
            list.set("Values", Value::Array(vec![value]));
            Value::Instance(Box::new(list))
        };
        let source = roles[source].get("NALPath").cloned().unwrap();
        let lists = vec![list("SourceDistributionPoints", source), list("SourceDPRanks", Value::text("1"))];
        role.set("Props", Value::Array(props));
        role.set("PropLists", Value::Array(lists));
        world.provider.put(&local(), role).await
    };
    put(0, 1).await.unwrap();
    let refused = put(1, 0).await;
    assert!(format!("{refused:?}").contains("fetches from this distribution point itself"), "{refused:?}");
    let pulling =
        world.rows("SELECT ServerName, IsPullDP FROM SMS_DistributionPointInfo WHERE IsPullDP = 1").await;
    assert_eq!(pulling.len(), 1);
    let name = pulling[0].get("ServerName").cloned().unwrap();
    let own =
        world.rows("SELECT ServerName, PullSources FROM Haulier_DistributionPoint WHERE IsPullDP = 1").await;
    assert_eq!(own[0].get("ServerName"), Some(&name));
    assert_eq!(own[0].get("PullSources"), Some(&Value::text("dp2=1")));

    let nal = roles[1].get("NALPath").cloned().unwrap();
    let given = vec![("SourceDPNALPath".to_owned(), nal.clone())];
    let class = "SMS_DistributionPointInfo";
    let invoke = async |method, given| world.provider.invoke(&local(), class, None, method, given).await;
    let chained = invoke("GetChainedPullDPs", given).await.unwrap();
    let expect = Value::Array(vec![roles[0].get("NALPath").cloned().unwrap()]);
    assert_eq!(chained.out, [("ChainedDPs".to_owned(), expect)]);

    let mode = |mode: i64| vec![("NALPath".to_owned(), nal.clone()), ("Mode".to_owned(), Value::from(mode))];
    for (given, expect) in [(1, true), (0, false)] {
        assert_eq!(
            invoke("SetDPMaintenanceMode", mode(given)).await.unwrap().return_value,
            Value::Integer(0)
        );
        let shown = world
            .rows("SELECT IsInMaintenance FROM Haulier_DistributionPoint WHERE ServerName = 'dp2'")
            .await;
        assert_eq!(shown[0].get("IsInMaintenance"), Some(&Value::Boolean(expect)));
    }
    assert_eq!(hresult(invoke("SetDPMaintenanceMode", mode(2)).await), 0x8004_103C);
}
