//! `campaign`: every minute, starts due campaigns, shares the rate, releases arcs, closes.
//!
//! Also what the management API may do with a campaign. Never mails anybody itself.

mod change;
pub(crate) mod look;
mod release;
mod start;

use std::sync::Arc;

use jiff::Timestamp;
use rundbrief::record::DueWork;
use serde_json::{Value, json};

pub use self::change::{
    ChangeError, cancel, interrupt_all, pause, resume, schedule, send_now, unschedule,
};
pub(crate) use self::look::ledger;
pub use self::look::{LogItem, LogPage, log, report};
use crate::app::{App, Trouble};
use crate::function::Failure;
use crate::{due, notice, webhook};

/// Campaigns started per minute at most.
const START_LIMIT: usize = 100;

/// Handles the schedule's event, whatever is in it.
///
/// # Errors
/// When a service does not answer; the next minute tries again.
pub async fn handle(app: Arc<App>, _event: Value) -> Result<Value, Failure> {
    let now = app.now();
    // These do not depend on each other: one that fails must not hold the others.
    let requeued = notice::requeue_due(&app, now).await;
    let told = webhook::requeue_due(&app, now).await;
    let started = start_due(&app, now).await;
    let released = release::all(&app, now).await;
    let (requeued, told, started, released) = (requeued?, told?, started?, released?);
    Ok(json!({
        "started": started,
        "requeued": requeued,
        "told": told,
        "running": released.running,
        "released": released.arcs,
        "finished": released.finished,
        "stuck": released.stuck,
    }))
}

async fn start_due(app: &App, now: Timestamp) -> Result<usize, Trouble> {
    let mut started = 0;
    for key in due::keys(app, DueWork::Start, now, START_LIMIT).await? {
        started += usize::from(start::due(app, &key, now).await?);
    }
    Ok(started)
}
