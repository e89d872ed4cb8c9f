use cim::Value;

use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_ContextMethods`: context qualifiers that the provider keeps for a caller.
pub(crate) struct ContextMethods;

impl ClassHandler for ContextMethods {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let now = call.site.clock().monotonic();
            match invocation.method {
                "GetContextHandle" => {
                    let handle = call.handles.keep(&call.actor.name, call.context, now);
                    let out = vec![("ContextHandle".to_owned(), Value::String(handle))];
                    Ok(Outcome { out, ..Outcome::success() })
                }
                "ClearContextHandle" => {
                    call.handles.forget(&call.actor.name, invocation.text("ContextHandle"), now)?;
                    Ok(Outcome::success())
                }
                method => Err(not_implemented(call, method)),
            }
        })
    }
}
