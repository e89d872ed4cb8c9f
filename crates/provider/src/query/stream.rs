use cim::Instance;
use site::RowStream;

use super::instances::Instances;
use crate::associations::Several;
use crate::error::{Fault, Operation, ProviderError};
use crate::handler::Answer;

/// The answer to a query, one instance at a time. Dropped, it ends the reading.
pub struct InstanceStream {
    /// How many instances match regardless of `top` and `skip`, where the query asked for it.
    pub count: Option<u64>,
    from: From,
    /// The class or classes that were asked for, for error messages.
    object: String,
}

enum From {
    Rows(Box<(RowStream, Instances)>),
    Several(Several),
}

impl std::fmt::Debug for InstanceStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceStream").field("count", &self.count).finish_non_exhaustive()
    }
}

impl InstanceStream {
    pub(super) fn new(rows: RowStream, instances: Instances, object: String) -> Self {
        Self { count: rows.count, from: From::Rows(Box::new((rows, instances))), object }
    }

    /// One answer after the other.
    pub(crate) fn several(several: Several, object: String) -> Self {
        Self { count: None, from: From::Several(several), object }
    }

    /// The next instance; none after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<Instance, ProviderError>> {
        let next = self.read().await?;
        let failed =
            |fault| ProviderError { operation: Operation::ExecQuery, object: self.object.clone(), fault };
        Some(next.map_err(failed))
    }

    pub(crate) async fn read(&mut self) -> Option<Result<Instance, Fault>> {
        match &mut self.from {
            From::Several(several) => several.next().await,
            From::Rows(reading) => {
                let (rows, instances) = &mut **reading;
                let row = rows.next().await?;
                Some(row.map_err(Fault::from).and_then(|row| instances.instance(row)))
            }
        }
    }

    /// All of it.
    pub(crate) async fn collect(mut self) -> Result<Answer, Fault> {
        let mut instances = Vec::new();
        while let Some(instance) = self.read().await {
            instances.push(instance?);
        }
        Ok(Answer { instances, count: self.count })
    }
}
