//! From a file to its chunks: writes them, then the import, then a message for each.
//!
//! Nothing of a row happens here.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::id::{AccountId, ImportId};
use rundbrief::import::{Import, ImportChunk};
use rundbrief::key::AccountScope;
use rundbrief::message::{ImportMessage, MESSAGE_VERSION};
use rundbrief::record::{Expect, Record, Stored, Transaction};

use super::{file, give_up};
use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;
use crate::store::WriteError;

/// Chunks of one transaction; each holds at most 500 row numbers.
const CHUNKS_PER_TRANSACTION: usize = 50;
/// Messages put into the queue at a time.
const MESSAGES_AT_ONCE: usize = 16;

/// Finds the chunks of an uploaded file that was started.
pub(super) async fn run(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    import: &ImportId,
    now: Timestamp,
) -> Result<(), Trouble> {
    let key = scope.configuration(Import::KIND, import.as_str());
    let Some(import) = app.store.get::<Import>(&key, now).await? else {
        return Ok(());
    };
    let Some(upload) = import.upload.as_ref().filter(|_| import.is_open()) else {
        return Ok(());
    };
    // The message came again: its messages may not have been queued.
    if upload.planned {
        return queue(app, &account.id, &import).await;
    }
    let file = match file::whole(app, &account.id, &import, upload.octets).await? {
        Ok(file) => file,
        Err(why) => return give_up(app, scope, &import.id, why, now).await,
    };
    let Some((planned, chunks)) = import.planned(scope, &file) else {
        return Ok(());
    };
    write_chunks(app, scope, &chunks, now).await?;
    let expect = Expect::Revision(import.rev);
    match app.store.put(scope, &planned, expect, now).await {
        Ok(()) => queue(app, &account.id, &planned).await,
        // Another delivery of the message was faster, and goes on.
        Err(WriteError::Conflict) => Ok(()),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Writes chunks. One that is there already is the same, from an attempt before.
pub(crate) async fn write_chunks(
    app: &App,
    scope: &AccountScope,
    chunks: &[ImportChunk],
    now: Timestamp,
) -> Result<(), Trouble> {
    for some in chunks.chunks(CHUNKS_PER_TRANSACTION) {
        let mut transaction = Transaction::default();
        for chunk in some {
            let record = Record::ImportChunk(Box::new(chunk.clone()));
            transaction.put(record, Expect::Absent);
        }
        match app.store.commit(scope, &transaction, now).await {
            Ok(()) => {}
            Err(WriteError::Conflict) => {
                for chunk in some {
                    match app.store.put(scope, chunk, Expect::Absent, now).await {
                        Ok(()) | Err(WriteError::Conflict) => {}
                        Err(WriteError::Trouble(trouble)) => return Err(trouble),
                    }
                }
            }
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Ok(())
}

/// Puts a message for each chunk into the queue; one for the whole file where its chunks are not
/// known yet.
pub(crate) async fn queue(app: &App, account: &AccountId, import: &Import) -> Result<(), Trouble> {
    let setting = InvalidSetting("IMPORT_QUEUE_URL");
    let url = app.settings.import_queue_url.as_deref().ok_or(setting)?;
    let is_known = import.upload.as_ref().is_none_or(|upload| upload.planned);
    let chunks: Vec<Option<u32>> = if is_known {
        (0..import.chunks).map(Some).collect()
    } else {
        vec![None]
    };
    let messages: Vec<ImportMessage> = chunks
        .into_iter()
        .map(|chunk| ImportMessage {
            v: MESSAGE_VERSION,
            account: account.clone(),
            import: import.id.clone(),
            chunk,
        })
        .collect();
    for some in messages.chunks(MESSAGES_AT_ONCE) {
        let sent = some.iter().map(|message| app.enqueue(url, message));
        futures::future::try_join_all(sent).await?;
    }
    Ok(())
}
