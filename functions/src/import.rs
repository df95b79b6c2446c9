//! `import`: one chunk of a stored CSV file per message, written as subscribers.
//!
//! What a row leads to and how progress is counted is the domain's; here are the reads, the
//! transactions, and what to do when somebody else was faster. An uploaded file's chunks are found
//! here first.

mod barred;
mod file;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::id::ImportId;
use rundbrief::import::{Import, ImportChunk, ImportFailure, LIVE_ROWS_PER_BATCH, Row};
use rundbrief::key::AccountScope;
use rundbrief::message::{ImportMessage, MESSAGE_VERSION};
use rundbrief::record::{Expect, Stored, Transaction};
use rundbrief::setup::List;
use rundbrief::subscriber_file::RowError;
use serde_json::Value;

pub(crate) use self::file::{UPLOAD_TIME, beginning, keep, place};
pub(crate) use self::plan::{queue, write_chunks};
use crate::app::{App, Trouble};
use crate::function::{self, Failure, QueueMessage, Verdict};
use crate::store::WriteError;

/// How often a step is decided anew before the message is left for later.
const ATTEMPTS: u32 = 12;
/// Another delivery of the same message works on the chunk: look again after this time, and
/// take over when nothing moved in it. A step takes some 50 ms.
const WATCH: Duration = Duration::from_millis(300);

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::queue(&app, event, take).await
}

async fn take(app: &App, message: QueueMessage) -> Verdict {
    let Ok(message) = serde_json::from_str::<ImportMessage>(&message.body) else {
        tracing::error!("a message has another shape than an import's; it is dropped");
        return Verdict::Done;
    };
    if message.v != MESSAGE_VERSION {
        tracing::error!(
            version = message.v,
            "a message has another version; it is dropped"
        );
        return Verdict::Done;
    }
    match run(app, &message).await {
        Ok(()) => Verdict::Done,
        Err(trouble) => {
            tracing::warn!(%trouble, import = %message.import, chunk = message.chunk, "a chunk could not be imported yet");
            Verdict::Again
        }
    }
}

/// One chunk of one import.
struct Work<'a> {
    app: &'a App,
    account: Account,
    scope: AccountScope,
    message: &'a ImportMessage,
    number: u32,
    now: Timestamp,
}

async fn run(app: &App, message: &ImportMessage) -> Result<(), Trouble> {
    let now = app.now();
    let Some(account) = app
        .store
        .account(&message.account, now)
        .await?
        .filter(|account| account.is_open(now))
    else {
        return Ok(());
    };
    let Some(scope) = account.scope(&app.keys().await?.secrets, now) else {
        return Ok(());
    };
    let Some(number) = message.chunk else {
        return plan::run(app, &account, &scope, &message.import, now).await;
    };
    let work = Work {
        app,
        account,
        scope,
        message,
        number,
        now,
    };
    let (import, chunk) = futures::try_join!(work.import(), work.chunk())?;
    let (Some(import), Some(chunk)) = (import, chunk) else {
        return Ok(());
    };
    if !import.is_open() {
        return Ok(());
    }
    if !chunk.is_complete() {
        let list = work.scope.configuration(List::KIND, import.list.as_str());
        if app.store.get::<List>(&list, now).await?.is_none() {
            return work.give_up(ImportFailure::ListGone).await;
        }
        let bytes = match file::read(app, &message.account, &import, &chunk.place, now).await? {
            Ok(bytes) => bytes,
            Err(why) => return work.give_up(why).await,
        };
        let mut rows = import.layout.read_chunk(&chunk.place, &bytes);
        if u32::try_from(rows.len()) != Ok(chunk.place.rows) {
            return work.give_up(ImportFailure::FileDamaged).await;
        }
        work.bar(&import, &mut rows).await?;
        work.begin(&import).await?;
        work.rows(&import, chunk, rows).await?;
    }
    work.close().await
}

impl Work<'_> {
    async fn import(&self) -> Result<Option<Import>, Trouble> {
        let key = self
            .scope
            .configuration(Import::KIND, self.message.import.as_str());
        self.app.store.get(&key, self.now).await
    }

    async fn chunk(&self) -> Result<Option<ImportChunk>, Trouble> {
        let key = ImportChunk::key_of(&self.scope, &self.message.import, self.number);
        self.app.store.get(&key, self.now).await
    }

    async fn begin(&self, import: &Import) -> Result<(), Trouble> {
        let Some(begun) = import.begun() else {
            return Ok(());
        };
        let expect = Expect::Revision(import.rev);
        match self
            .app
            .store
            .put(&self.scope, &begun, expect, self.now)
            .await
        {
            // Another chunk was the first.
            Ok(()) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }

    async fn give_up(&self, why: ImportFailure) -> Result<(), Trouble> {
        give_up(self.app, &self.scope, &self.message.import, why, self.now).await
    }

    /// Gives every row its outcome.
    async fn rows(
        &self,
        import: &Import,
        mut chunk: ImportChunk,
        mut rows: Vec<Row>,
    ) -> Result<(), Trouble> {
        let mut live = LIVE_ROWS_PER_BATCH;
        let mut attempt = 0;
        while !chunk.is_complete() {
            let next = chunk.next_rows(&rows, live);
            let people = chunk.people(&self.scope, next);
            let people = self
                .app
                .store
                .persons(&self.scope, &people, self.now)
                .await?;
            let language = self.account.language;
            let batch = chunk.step(&self.scope, import, language, next, &people);
            match self.commit(&batch.transaction).await {
                Ok(()) => {
                    chunk = batch.chunk;
                    (live, attempt) = (LIVE_ROWS_PER_BATCH, 0);
                    continue;
                }
                // One person's item would be larger than an item may be; alone it is known whose.
                Err(WriteError::Trouble(Trouble::TooLarge)) if live > 1 => {
                    live = 1;
                    continue;
                }
                Err(WriteError::Trouble(Trouble::TooLarge)) => {
                    let refused = next.last().map(|(number, _)| *number);
                    for (number, row) in &mut rows {
                        if Some(*number) == refused {
                            *row = Err(RowError::CellTooLong);
                        }
                    }
                    continue;
                }
                // Somebody is busy with one of the people: smaller steps hold up fewer others.
                Err(WriteError::Conflict | WriteError::Trouble(Trouble::Contended)) => {}
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
            attempt += 1;
            if attempt > ATTEMPTS {
                return Err(Trouble::Contended);
            }
            let Some(moved) = self.watch(&chunk).await? else {
                return Ok(());
            };
            if moved.rev == chunk.rev {
                live = (live / 2).max(1);
                pause(attempt).await;
            } else {
                (chunk, attempt) = (moved, 0);
            }
        }
        Ok(())
    }

    /// The chunk as it is now; where another delivery works on it, as it is once that stops.
    async fn watch(&self, known: &ImportChunk) -> Result<Option<ImportChunk>, Trouble> {
        let mut seen = known.rev;
        loop {
            let chunk = self.chunk().await?;
            match chunk {
                Some(chunk) if chunk.rev != seen && !chunk.is_complete() => {
                    seen = chunk.rev;
                    tokio::time::sleep(WATCH).await;
                }
                chunk => return Ok(chunk),
            }
        }
    }

    /// Counts the chunk's rows, once.
    async fn close(&self) -> Result<(), Trouble> {
        for attempt in 0..ATTEMPTS {
            let (import, chunk) = futures::try_join!(self.import(), self.chunk())?;
            let (Some(import), Some(chunk)) = (import, chunk) else {
                return Ok(());
            };
            let Some(transaction) = import.close(&chunk, self.now) else {
                return Ok(());
            };
            match self.commit(&transaction).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Conflict | WriteError::Trouble(Trouble::Contended)) => {
                    pause(attempt).await;
                }
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
        }
        Err(Trouble::Contended)
    }

    async fn commit(&self, transaction: &Transaction) -> Result<(), WriteError> {
        self.app
            .store
            .commit(&self.scope, transaction, self.now)
            .await
    }
}

/// Waits a little longer with each attempt, up to about a second.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(15 << attempt.min(6))).await;
}

/// Ends an import that cannot go on.
async fn give_up(
    app: &App,
    scope: &AccountScope,
    import: &ImportId,
    why: ImportFailure,
    now: Timestamp,
) -> Result<(), Trouble> {
    let key = scope.configuration(Import::KIND, import.as_str());
    for attempt in 0..ATTEMPTS {
        let Some(import) = app.store.get::<Import>(&key, now).await? else {
            return Ok(());
        };
        let Some(failed) = import.given_up(why, now) else {
            return Ok(());
        };
        let expect = Expect::Revision(import.rev);
        match app.store.put(scope, &failed, expect, now).await {
            Ok(()) => {
                tracing::error!(import = %import.id, ?why, "an import was given up");
                return Ok(());
            }
            Err(WriteError::Conflict) => pause(attempt).await,
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}
