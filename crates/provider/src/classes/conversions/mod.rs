//! Classes whose methods turn values from one form to another; they know nothing of the site.

mod nal_methods;
mod schedule_methods;

use std::sync::Arc;

use crate::handler::ClassHandler;

/// The handler of a class of this group.
pub(super) fn handler(class: &str) -> Option<Arc<dyn ClassHandler>> {
    Some(match class {
        "SMS_NAL_Methods" => Arc::new(nal_methods::NalMethods),
        "SMS_ScheduleMethods" => Arc::new(schedule_methods::ScheduleMethods),
        _ => return None,
    })
}
