//! The files of imports: gone a day after the import was asked for, each version of each.
//!
//! They are found in the bucket and not by an entry: one that was promised and uploaded, and never
//! started, has none any more. The lifecycle rule rounds up to a midnight, and keeps versions that
//! are not current another day; it is the backstop.

use jiff::Timestamp;
use rundbrief::id::ImportId;
use rundbrief::import::file_is_over;
use tokio::time::Instant;

use super::objects;
use crate::app::{App, Trouble};

/// Where the files of all accounts are.
const PREFIX: &str = "imports/";

/// Deletes what is over until `stop_at`; answers with how many versions that were.
pub(super) async fn delete(app: &App, now: Timestamp, stop_at: Instant) -> Result<usize, Trouble> {
    let mut deleted = 0;
    for key in objects::keys(app, PREFIX).await? {
        if Instant::now() >= stop_at {
            break;
        }
        let import = key
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".csv"))
            .and_then(|name| ImportId::parse(name).ok());
        if import.is_some_and(|import| file_is_over(&import, now)) {
            deleted += objects::delete_all(app, &key).await?;
        }
    }
    Ok(deleted)
}
