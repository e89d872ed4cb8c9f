use cim::{Instance, Value, schedule};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_ScheduleMethods`: schedule tokens to strings and back.
pub(crate) struct ScheduleMethods;

impl ClassHandler for ScheduleMethods {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "ReadFromString" => ("TokenData", tokens(invocation.text("StringData"))),
                "WriteToString" => ("StringData", string(&invocation.objects("TokenData"))),
                _ => return Err(not_implemented(call, invocation.method)),
            };
            let refused = |reason: schedule::ScheduleError| Fault::InvalidParameters {
                method: invocation.method.to_owned(),
                reason: reason.to_string(),
            };
            let value = out.1.map_err(refused)?;
            Ok(Outcome { out: vec![(out.0.to_owned(), value)], ..Outcome::success() })
        })
    }
}

/// Scripts copy strings out of files and logs, with blanks around them.
fn tokens(text: &str) -> Result<Value, schedule::ScheduleError> {
    let tokens = schedule::parse(text.trim())?;
    let objects = schedule::to_instances(&tokens)?.into_iter();
    Ok(Value::Array(objects.map(|object| Value::Instance(Box::new(object))).collect()))
}

fn string(objects: &[&Instance]) -> Result<Value, schedule::ScheduleError> {
    let tokens = schedule::from_instances(objects.iter().copied())?;
    schedule::print(&tokens).map(Value::String)
}

#[cfg(test)]
mod tests {
    use cim::schedule;

    use crate::check;
    use crate::schema::Schema;

    /// What leaves is what the schema's check makes of it when it comes back.
    #[test]
    fn tokens_of_every_kind_are_whole_objects_of_the_schema() {
        let text = "791378800008000000012000001000380001170000\
                    1F200000491D80182314003C9F1D8000280400";
        let objects = schedule::to_instances(&schedule::parse(text).unwrap()).unwrap();
        assert_eq!(objects.len(), 5);
        for object in objects {
            let class = Schema::shipped().class(&object.class).unwrap();
            assert_eq!(object.properties.len(), class.properties.len(), "{}", object.class);
            assert_eq!(check::instance(Schema::shipped(), class, object.clone()).unwrap(), object);
        }
    }
}
