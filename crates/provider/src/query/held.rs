use cim::Instance;
use site::{SiteError, SpoolClosed, SpoolReader};
use tokio::task::JoinHandle;

use super::InstanceStream;
use crate::context::Caller;
use crate::error::{Fault, Operation, ProviderError};
use crate::provider::Provider;

/// Why an answer is broken off where nothing more can wait.
const NO_ROOM: &str =
    "too much waits to be read; read the answers that were begun to their ends, or end them";

/// The answer to a query in a front end's own form, for clients that take it in pieces and at a pace of their own.
///
/// It is read to its end at the database's pace, and what the client has not taken waits outside of memory (see
/// [`site::Site::spool`]): a client that is slow, or asks no more, holds no reading connection. Dropped, it ends the
/// reading.
#[derive(Debug)]
pub struct HeldAnswer {
    items: SpoolReader,
    /// Ends when everything was read, with an error if something could not be; gone once it was told.
    reading: Option<JoinHandle<Result<(), ProviderError>>>,
}

impl Provider {
    /// Reads an answer to its end in the background, for the caller who takes it. `written` says what a client is to get of an instance, if anything.
    #[must_use]
    pub fn hold(
        &self,
        caller: &Caller,
        mut stream: InstanceStream,
        mut written: impl FnMut(Instance) -> Option<Vec<u8>> + Send + 'static,
    ) -> HeldAnswer {
        let (mut writer, items) = self.site().spool(&caller.actor);
        let reading = tokio::spawn(async move {
            while let Some(instance) = stream.next().await {
                let Some(item) = written(instance?) else { continue };
                match writer.push(&item).await {
                    Ok(()) => {}
                    Err(SpoolClosed::ReaderGone) => break,
                    Err(SpoolClosed::NoRoom) => return Err(failed(SiteError::Busy { what: NO_ROOM })),
                }
            }
            Ok(())
        });
        HeldAnswer { items, reading: Some(reading) }
    }
}

impl HeldAnswer {
    /// The next item; none after the last one, or after an error. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ProviderError>> {
        match self.items.next().await {
            Some(Ok(item)) => return Some(Ok(item)),
            Some(Err(error)) => {
                self.stop();
                return Some(Err(failed(error)));
            }
            None => {}
        }
        let ended = self.reading.as_mut()?.await;
        self.reading = None;
        // Reading that is gone without a word has not read everything.
        match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error)),
            Err(_) => Some(Err(failed(SiteError::Stopped))),
        }
    }

    fn stop(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.abort();
        }
    }
}

impl Drop for HeldAnswer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn failed(error: SiteError) -> ProviderError {
    ProviderError { operation: Operation::ExecQuery, object: String::new(), fault: Fault::Site(error) }
}
