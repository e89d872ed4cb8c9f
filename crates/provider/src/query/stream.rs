use cim::Instance;
use site::RowStream;

use super::shape::Shape;
use crate::associations::Several;
use crate::error::{Fault, Operation, ProviderError};
use crate::handler::Answer;
use crate::rows;
use crate::schema::Schema;

/// The answer to a query, one instance at a time. Dropped, it ends the reading.
pub struct InstanceStream {
    /// How many instances match regardless of `top` and `skip`, where the query asked for it.
    pub count: Option<u64>,
    from: From,
    /// Whether lazy properties leave.
    lazy: bool,
    /// The class or classes that were asked for, for error messages.
    object: String,
}

enum From {
    Rows(Box<(RowStream, Shape)>),
    Instances(std::vec::IntoIter<Instance>),
    Several(Several),
}

impl std::fmt::Debug for InstanceStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceStream").field("count", &self.count).finish_non_exhaustive()
    }
}

impl InstanceStream {
    pub(super) fn new(rows: RowStream, shape: Shape) -> Self {
        let count = rows.count;
        Self { count, from: From::Rows(Box::new((rows, shape))), lazy: true, object: String::new() }
    }

    /// What a handler has put together.
    pub(crate) fn whole(answer: Answer) -> Self {
        let from = From::Instances(answer.instances.into_iter());
        Self { count: answer.count, from, lazy: true, object: String::new() }
    }

    /// One answer after the other.
    pub(crate) fn several(several: Several, object: String) -> Self {
        Self { count: None, from: From::Several(several), lazy: true, object }
    }

    /// As clients get it: without what only a get of one instance returns.
    pub(crate) fn without_lazy(self, object: String) -> Self {
        Self { lazy: false, object, ..self }
    }

    /// The next instance; none after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<Instance, ProviderError>> {
        let next = self.read().await?;
        let failed =
            |fault| ProviderError { operation: Operation::ExecQuery, object: self.object.clone(), fault };
        Some(next.map_err(failed))
    }

    pub(crate) async fn read(&mut self) -> Option<Result<Instance, Fault>> {
        let instance = match &mut self.from {
            From::Instances(instances) => instances.next().map(Ok),
            From::Several(several) => several.next().await,
            From::Rows(reading) => {
                let (rows, shape) = &mut **reading;
                match rows.next().await? {
                    Ok(row) => Some(shape.instance(&rows.outputs, row)),
                    Err(error) => Some(Err(error.into())),
                }
            }
        };
        instance.map(|instance| {
            let mut instance = instance?;
            if !self.lazy {
                rows::drop_lazy(Schema::shipped(), &mut instance);
            }
            Ok(instance)
        })
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
