use cim::{DateTime, Instance, ObjectPath, Value};
use site::{LockAnswer, LockInformation, LockObject, PackageType};

use crate::check;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};
use crate::schema::Schema;

/// `SMS_ObjectLock`: explicit locks of serialized editing.
pub(crate) struct ObjectLock;

impl ClassHandler for ObjectLock {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "RequestLock" | "RequestLockAsync" => request_one(call, &invocation).await?,
                "RequestLocks" => request_many(call, &invocation.texts("ObjectRelPaths")).await?,
                "RequestLocksAsync" => request_many(call, &invocation.texts("ObjectRelPath")).await?,
                "CheckLockRequest" => check_one(call, &invocation).await?,
                "CheckLockRequests" => many(
                    &call
                        .site
                        .check_lock_requests(call.actor, &owned(&invocation.texts("RequestIDs")))
                        .await?,
                ),
                "CancelLockRequest" => cancel(call, &[invocation.text("RequestID")]).await?,
                "CancelLockRequests" => cancel(call, &invocation.texts("RequestIDs")).await?,
                "GetLockInformation" => information(
                    &call
                        .site
                        .lock_information(call.actor, &object(invocation.text("ObjectRelPath"))?)
                        .await?,
                ),
                "ReleaseAllLocks" => {
                    call.site.release_all_locks(call.actor).await?;
                    Vec::new()
                }
                "ReleaseLock" => release(call, &[invocation.text("ObjectRelPath")]).await?,
                "ReleaseLocks" => release(call, &invocation.texts("ObjectRelPath")).await?,
                method => return Err(not_implemented(call, method)),
            };
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}

type Out = Vec<(String, Value)>;

async fn request_one(call: Call<'_>, invocation: &Invocation<'_>) -> Result<Out, Fault> {
    let object = object(invocation.text("ObjectRelPath"))?;
    let answers = call.site.request_locks(call.actor, std::slice::from_ref(&object)).await?;
    let answer = answers.first().ok_or_else(|| missing(invocation))?;
    let mut out = vec![("RequestID".to_owned(), Value::text(&answer.request_id))];
    out.extend(of_answer(answer));
    Ok(out)
}

async fn request_many(call: Call<'_>, paths: &[&str]) -> Result<Out, Fault> {
    Ok(many(&call.site.request_locks(call.actor, &objects(paths)?).await?))
}

async fn check_one(call: Call<'_>, invocation: &Invocation<'_>) -> Result<Out, Fault> {
    let id = [invocation.text("RequestID").to_owned()];
    let answers = call.site.check_lock_requests(call.actor, &id).await?;
    Ok(of_answer(answers.first().ok_or_else(|| missing(invocation))?))
}

async fn cancel(call: Call<'_>, ids: &[&str]) -> Result<Out, Fault> {
    call.site.cancel_lock_requests(call.actor, &owned(ids)).await?;
    Ok(Vec::new())
}

async fn release(call: Call<'_>, paths: &[&str]) -> Result<Out, Fault> {
    call.site.release_locks(call.actor, &objects(paths)?).await?;
    Ok(Vec::new())
}

fn missing(invocation: &Invocation<'_>) -> Fault {
    Fault::InvalidParameters {
        method: invocation.method.to_owned(),
        reason: "nothing was asked for".to_owned(),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn objects(paths: &[&str]) -> Result<Vec<LockObject>, Fault> {
    paths.iter().map(|path| object(path)).collect()
}

/// The object of a path of a class whose editing is serialized.
fn object(path: &str) -> Result<LockObject, Fault> {
    let given = ObjectPath::parse(path).map_err(|error| Fault::InvalidPath { reason: error.to_string() })?;
    let class = Schema::shipped().class(&given.class);
    let class = class.ok_or_else(|| Fault::InvalidClass { class: given.class.clone() })?;
    let checked = check::path(class, &given)?;
    let package = |kind: PackageType| {
        let id = checked.key("PackageID").and_then(Value::as_str).unwrap_or("").to_ascii_uppercase();
        Ok(LockObject::Package(kind, id))
    };
    match class.name.as_str() {
        "SMS_Package" => package(PackageType::Regular),
        "SMS_DriverPackage" => package(PackageType::Driver),
        "SMS_Driver" => {
            let id = checked.key("CI_ID").and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok());
            Ok(LockObject::Driver(id.unwrap_or(0)))
        }
        name => Err(Fault::NotSupported { what: format!("locking {name}") }),
    }
}

fn many(answers: &[LockAnswer]) -> Out {
    let one = |answer: &LockAnswer| {
        let mut request = Instance::new("SMS_ObjectLockRequest");
        request.set("ObjectRelPath", answer.lock.object.as_str());
        request.set("RequestID", answer.request_id.as_str());
        for (name, value) in of_answer(answer) {
            request.set(&name, value);
        }
        // As declared, whatever the order of making.
        request.properties.sort_by(|(one, _), (other, _)| one.cmp(other));
        Value::Instance(Box::new(request))
    };
    vec![("ObjectLockRequests".to_owned(), Value::Array(answers.iter().map(one).collect()))]
}

fn of_answer(answer: &LockAnswer) -> Out {
    let mut out = vec![("RequestState".to_owned(), Value::from(answer.request_state.number()))];
    out.extend(information(&answer.lock));
    out
}

fn information(lock: &LockInformation) -> Out {
    let assigned_at =
        lock.assigned_at.map_or(Value::Null, |at| Value::DateTime(DateTime::from_timestamp(at)));
    let all = [
        ("LockState", Value::from(lock.state.number())),
        ("AssignedUser", Value::text(&lock.user)),
        ("AssignedObjectLockContext", Value::text(&lock.context)),
        ("AssignedMachine", Value::text(&lock.machine)),
        ("AssignedSiteCode", Value::text(&lock.site_code)),
        ("AssignedTimeUTC", assigned_at),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
