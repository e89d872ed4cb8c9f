use crate::handler::ClassHandler;

/// A class that is a view of the site's database and nothing more.
pub(crate) struct ReadOnly;

impl ClassHandler for ReadOnly {}
