//! Locks of serialized editing.

use std::time::Duration;

use jiff::Timestamp;
use site::{
    Actor, DriverChange, LockAnswer, LockObject, LockRequestState, LockState, PackageChange, PackageType,
    Role,
};

use crate::drivers::put;
use crate::inf::driver_folder;
use crate::stage::{Stage, admin, code};

/// A user at a machine in a lock context.
fn editor(name: &str, machine: &str, context: &str) -> Actor {
    let mut actor = Actor::new(name, Role::Author);
    actor.origin.machine = machine.to_owned();
    actor.origin.lock_context = context.to_owned();
    actor
}

async fn request(stage: &Stage, actor: &Actor, object: &LockObject) -> LockAnswer {
    stage.site.request_locks(actor, std::slice::from_ref(object)).await.unwrap().remove(0)
}

async fn describe(stage: &Stage, actor: &Actor, id: &str) -> Result<(), site::SiteError> {
    let change = PackageChange { description: Some(actor.name.clone()), ..PackageChange::default() };
    stage.site.update_package(actor, id, change).await.map(|_| ())
}

const LIFE: Duration = Duration::from_secs(30 * 60);

on_both! {
    async fn a_lock_keeps_everybody_else_out(stage: &Stage) {
        let package = stage.package("dell").await;
        let id = package.package_id.as_str();
        let object = LockObject::Package(PackageType::Driver, id.to_owned());
        let (ada, other) = (editor("ada", "PC1", "{1}"), editor("ben", "PC2", "{2}"));
        assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap().state, LockState::Unassigned);
        let answer = request(stage, &ada, &object).await;
        assert_eq!(answer.request_state, LockRequestState::Granted);
        let lock = stage.site.lock_information(&admin(), &object).await.unwrap();
        assert_eq!(
            (lock.state, lock.user.as_str(), lock.machine.as_str(), lock.context.as_str(), lock.site_code.as_str()),
            (LockState::Assigned, "ada", "PC1", "{1}", "PS1")
        );
        assert_eq!(lock.object, format!("SMS_DriverPackage.PackageID=\"{id}\""));
        describe(stage, &ada, id).await.unwrap();
        for stranger in [&other, &editor("ada", "PC2", "{1}"), &editor("ada", "PC1", "{2}"), &admin()] {
            assert_eq!(code(describe(stage, stranger, id).await), "object_locked", "{stranger:?}");
            assert_eq!(code(stage.site.delete_package(stranger, id).await), "object_locked");
            let denied = request(stage, stranger, &object).await;
            assert_eq!(denied.request_state, LockRequestState::DeniedLockAlreadyAssigned);
            assert_eq!(denied.lock.user, "ada");
        }
        assert_eq!(stage.site.package(id).await.unwrap().fields.description, "ada");
        // Only its owner, or a full administrator, releases it.
        let all = std::slice::from_ref(&object);
        assert_eq!(code(stage.site.release_locks(&other, all).await), "lock_not_held");
        stage.site.release_locks(&ada, all).await.unwrap();
        assert_eq!(code(stage.site.release_locks(&ada, all).await), "lock_not_held");
        describe(stage, &other, id).await.unwrap();
        request(stage, &ada, &object).await;
        stage.site.release_locks(&admin(), all).await.unwrap();
        describe(stage, &other, id).await.unwrap();
    }

    async fn a_put_that_only_refreshes_respects_lock_and_version(stage: &Stage) {
        let package = stage.package("dell").await;
        let id = package.package_id.as_str();
        let object = LockObject::Package(PackageType::Driver, id.to_owned());
        let (ada, ben) = (editor("ada", "PC1", ""), editor("ben", "PC2", ""));
        request(stage, &ada, &object).await;
        assert_eq!(code(stage.site.refresh_edited_package(&ben, id, None).await), "object_locked");
        assert_eq!(code(stage.site.refresh_edited_package(&ada, id, Some("{0}")).await), "edition_mismatch");
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 0, "nothing was accepted");
        // The method is no edit.
        stage.site.refresh_package(&ben, id).await.unwrap();
        let read = package.sedo_object_version.as_str();
        stage.site.refresh_edited_package(&ada, id, Some(read)).await.unwrap();
        assert_eq!(stage.site.run_due_snapshots().await.unwrap(), 1);
    }

    async fn an_abandoned_lock_goes_to_who_asks_next(stage: &Stage) {
        let package = stage.package("dell").await;
        let object = LockObject::Package(PackageType::Driver, package.package_id.clone());
        let (ada, ben) = (editor("ada", "PC1", ""), editor("ben", "PC2", ""));
        request(stage, &ada, &object).await;
        stage.clock.advance(LIFE);
        assert_eq!(request(stage, &ben, &object).await.request_state, LockRequestState::DeniedLockAlreadyAssigned);
        // A put keeps the lock alive.
        describe(stage, &ada, &package.package_id).await.unwrap();
        stage.clock.advance(LIFE);
        assert_eq!(request(stage, &ben, &object).await.request_state, LockRequestState::DeniedLockAlreadyAssigned);
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap().state, LockState::TimedOut);
        assert_eq!(request(stage, &ben, &object).await.request_state, LockRequestState::GrantedLockWasOrphaned);
        assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap().user, "ben");
        assert_eq!(code(describe(stage, &ada, &package.package_id).await), "object_locked");
        // Nobody needs to ask: a put passes an abandoned lock.
        stage.clock.advance(LIFE + Duration::from_secs(1));
        describe(stage, &ada, &package.package_id).await.unwrap();
        assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap().state, LockState::Unassigned);
    }

    async fn requests_are_asked_for_later_and_taken_back(stage: &Stage) {
        let package = stage.package("dell").await;
        let driver = put(stage, &driver_folder(stage, "net", "VEN_1"), "nic.inf").await;
        let objects = [
            LockObject::Package(PackageType::Driver, package.package_id.clone()),
            LockObject::Package(PackageType::Regular, package.package_id.clone()),
            LockObject::Driver(driver.ci_id),
            LockObject::Driver(1),
        ];
        let (ada, ben) = (editor("ada", "PC1", ""), editor("ben", "PC2", ""));
        let answers = stage.site.request_locks(&ada, &objects).await.unwrap();
        let states = |answers: &[LockAnswer]| -> Vec<u32> {
            answers.iter().map(|answer| answer.request_state.number()).collect()
        };
        assert_eq!(states(&answers), [10, 22, 10, 22]);
        let ids: Vec<String> = answers.iter().map(|answer| answer.request_id.clone()).collect();
        assert_eq!(stage.site.check_lock_requests(&ada, &ids).await.unwrap(), answers);
        assert_eq!(states(&stage.site.check_lock_requests(&ben, &ids).await.unwrap()), [52; 4]);
        let disable = DriverChange { is_enabled: Some(false), ..DriverChange::default() };
        let refused = stage.site.update_driver(&ben, driver.ci_id, disable.clone()).await;
        assert_eq!(code(refused), "object_locked");
        assert_eq!(code(stage.site.delete_driver(&ben, driver.ci_id).await), "object_locked");
        assert_eq!(code(stage.site.cancel_lock_requests(&ben, &ids).await), "lock_request_not_found");
        // However the id is spelled.
        let braced = [format!("{{{}}}", ids[2].to_lowercase())];
        stage.site.cancel_lock_requests(&ada, &braced).await.unwrap();
        assert_eq!(states(&stage.site.check_lock_requests(&ada, &ids).await.unwrap()), [10, 22, 3, 22]);
        stage.site.update_driver(&ben, driver.ci_id, disable).await.unwrap();
        assert_eq!(stage.site.release_all_locks(&ben).await.unwrap(), 0);
        assert_eq!(stage.site.release_all_locks(&ada).await.unwrap(), 1);
        stage.clock.advance(Duration::from_secs(3601));
        assert_eq!(states(&stage.site.check_lock_requests(&ada, &ids).await.unwrap()), [52; 4]);
        let mut reader = ada.clone();
        reader.role = Role::Reader;
        assert_eq!(code(stage.site.request_locks(&reader, &objects[..1]).await), "access_denied");
    }

    async fn locks_are_limited_and_go_with_their_objects(stage: &Stage) {
        let package = stage.package("dell").await;
        let object = LockObject::Package(PackageType::Driver, package.package_id.clone());
        let ada = editor("ada", "PC1", "");
        assert_eq!(code(stage.site.request_locks(&ada, &[]).await), "invalid_field");
        assert_eq!(code(stage.site.request_locks(&ada, &vec![object.clone(); 501]).await), "invalid_field");
        request(stage, &ada, &object).await;
        stage.site.delete_package(&ada, &package.package_id).await.unwrap();
        assert_eq!(stage.site.lock_information(&admin(), &object).await.unwrap().state, LockState::NotFound);
        let of_long_ago = "INSERT INTO object_lock WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                    SELECT 'y' || CAST(i AS TEXT), 'ada', 'PC1', '', 'PS1', 0, 0 FROM n";
        stage.raw_sql(of_long_ago.to_owned()).await;
        request(stage, &ada, &object).await;
        let now: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
        stage.raw_sql(format!("UPDATE object_lock SET used_at = {}", now.as_microsecond())).await;
        assert_eq!(code(stage.site.request_locks(&ada, std::slice::from_ref(&object)).await), "busy");
    }
}
