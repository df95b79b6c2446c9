//! The check list's lines about the table itself: what a restore from point-in-time recovery does
//! not bring back.
//!
//! Looks first, changes what differs, and looks again: done is what the service says is so.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    IndexStatus, PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, StreamSpecification,
    StreamViewType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rundbrief::policy::{Kept, Period, Store};

use super::{Line, Mode, Standing};
use crate::app::App;

/// The attribute that the table's TTL goes by.
const EXPIRES_AT: &str = "expires_at";
/// How often a change is waited for, two seconds each.
const LOOKS: u32 = 60;

/// A call that did not succeed: the service's code, and whether it knows the call at all.
struct Refused {
    code: String,
    is_unknown: bool,
}

impl Refused {
    fn of(error: &impl ProvideErrorMetadata) -> Self {
        let code = error.code().unwrap_or("no answer").to_owned();
        Self {
            is_unknown: code == "UnknownOperationException" || code == "UnknownOperation",
            code,
        }
    }

    fn line(self, step: &'static str) -> Line {
        if self.is_unknown {
            Line::new(step, Standing::NotSupported, "this engine has no such call")
        } else {
            Line::new(step, Standing::Failed, self.code)
        }
    }
}

fn name(app: &App) -> &str {
    app.settings.table.as_deref().unwrap_or_default()
}

async fn describe(app: &App, table: &str) -> Result<TableDescription, Refused> {
    let client = app.clients.dynamodb();
    let answer = client.describe_table().table_name(table).send().await;
    let table = answer.map_err(|error| Refused::of(&error))?.table;
    table.ok_or_else(|| Refused {
        code: "no description".to_owned(),
        is_unknown: false,
    })
}

/// Waits until the table takes changes again.
async fn settled(app: &App) -> Result<TableDescription, Refused> {
    let mut found = describe(app, name(app)).await?;
    for _ in 0..LOOKS {
        if found.table_status != Some(TableStatus::Updating) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        found = describe(app, name(app)).await?;
    }
    Ok(found)
}

/// Both tables are there, they are two, and the restored one has its index.
pub(super) async fn tables(app: &App) -> Line {
    let step = "tables";
    let tombstones = app.settings.tombstone_table.as_deref().unwrap_or_default();
    if name(app).is_empty() || name(app) == tombstones {
        let note = "the restored table and the tombstone table must be two";
        return Line::new(step, Standing::Failed, note);
    }
    let found = match (
        describe(app, name(app)).await,
        describe(app, tombstones).await,
    ) {
        (Ok(found), Ok(_)) => found,
        (Err(refused), _) | (_, Err(refused)) => return refused.line(step),
    };
    let index = found
        .global_secondary_indexes()
        .iter()
        .find(|index| index.index_name() == Some("due"));
    let is_active = |status: &IndexStatus| *status == IndexStatus::Active;
    match index {
        Some(index) if index.index_status().is_none_or(is_active) => {
            Line::new(step, Standing::Done, "the restored one has its index `due`")
        }
        Some(_) => Line::new(step, Standing::Failed, "the index `due` is not active yet"),
        None => Line::new(step, Standing::Failed, "restored without the index `due`"),
    }
}

/// TTL is off after a restore.
pub(super) async fn time_to_live(app: &App, mode: Mode) -> Line {
    let step = "time to live";
    let client = app.clients.dynamodb();
    for tried in [false, true] {
        let asked = client.describe_time_to_live().table_name(name(app)).send();
        let found = match asked.await {
            Ok(answer) => answer.time_to_live_description,
            Err(error) => return Refused::of(&error).line(step),
        };
        let is_on = found.as_ref().is_some_and(|found| {
            found.attribute_name() == Some(EXPIRES_AT)
                && matches!(
                    found.time_to_live_status(),
                    Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
                )
        });
        if is_on {
            return Line::new(step, Standing::Done, "on, by `expires_at`");
        }
        if mode != Mode::Apply {
            return Line::new(step, Standing::ToDo, "off");
        }
        if tried {
            break;
        }
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRES_AT)
            .enabled(true)
            .build();
        let Ok(specification) = specification else {
            break;
        };
        let changed = client
            .update_time_to_live()
            .table_name(name(app))
            .time_to_live_specification(specification)
            .send()
            .await;
        if let Err(error) = changed {
            return Refused::of(&error).line(step);
        }
    }
    Line::new(step, Standing::Failed, "could not be switched on")
}

/// The stream is off after a restore; replication needs it, nothing else does.
pub(super) async fn stream(app: &App, mode: Mode, replicated: bool) -> Line {
    let step = "stream";
    if !replicated {
        let note = "not needed: no replica (--replicated where there is one)";
        return Line::new(step, Standing::Done, note);
    }
    for tried in [false, true] {
        let found = match settled(app).await {
            Ok(found) => found,
            Err(refused) => return refused.line(step),
        };
        let is_on = found.stream_specification().is_some_and(|stream| {
            stream.stream_enabled()
                && stream.stream_view_type() == Some(&StreamViewType::NewAndOldImages)
        });
        if is_on {
            return Line::new(step, Standing::Done, "new and old images");
        }
        if mode != Mode::Apply {
            return Line::new(step, Standing::ToDo, "off");
        }
        if tried {
            break;
        }
        let specification = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build();
        let Ok(specification) = specification else {
            break;
        };
        let changed = app
            .clients
            .dynamodb()
            .update_table()
            .table_name(name(app))
            .stream_specification(specification)
            .send()
            .await;
        if let Err(error) = changed {
            return Refused::of(&error).line(step);
        }
    }
    Line::new(step, Standing::Failed, "could not be switched on")
}

/// Point-in-time recovery is off after a restore, and 35 days where nobody says otherwise.
pub(super) async fn recovery_window(app: &App, mode: Mode) -> Line {
    let step = "recovery window";
    let Kept::For(_, Period::Days { days, .. }) = Store::FullCopy.kept() else {
        return Line::new(step, Standing::Failed, "the policy names no days");
    };
    let days = i32::try_from(days).unwrap_or_default();
    let client = app.clients.dynamodb();
    for tried in [false, true] {
        let asked = client
            .describe_continuous_backups()
            .table_name(name(app))
            .send();
        let found = match asked.await {
            Ok(answer) => answer.continuous_backups_description,
            Err(error) => return Refused::of(&error).line(step),
        };
        let found = found.and_then(|found| found.point_in_time_recovery_description);
        let is_on = found.as_ref().is_some_and(|found| {
            found.point_in_time_recovery_status() == Some(&PointInTimeRecoveryStatus::Enabled)
                && found.recovery_period_in_days() == Some(days)
        });
        if is_on {
            return Line::new(step, Standing::Done, format!("{days} days"));
        }
        if mode != Mode::Apply {
            let note = format!("off, or not {days} days");
            return Line::new(step, Standing::ToDo, note);
        }
        if tried {
            break;
        }
        let specification = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(true)
            .recovery_period_in_days(days)
            .build();
        let Ok(specification) = specification else {
            break;
        };
        let changed = client
            .update_continuous_backups()
            .table_name(name(app))
            .point_in_time_recovery_specification(specification)
            .send()
            .await;
        if let Err(error) = changed {
            return Refused::of(&error).line(step);
        }
    }
    Line::new(step, Standing::Failed, "could not be set")
}

/// Deletion protection is off after a restore; a deleted table leaves a copy for 35 days.
pub(super) async fn deletion_protection(app: &App, mode: Mode) -> Line {
    let step = "deletion protection";
    for tried in [false, true] {
        let found = match settled(app).await {
            Ok(found) => found,
            Err(refused) => return refused.line(step),
        };
        if found.deletion_protection_enabled() == Some(true) {
            return Line::new(step, Standing::Done, "on");
        }
        if mode != Mode::Apply {
            return Line::new(step, Standing::ToDo, "off");
        }
        if tried {
            break;
        }
        let changed = app
            .clients
            .dynamodb()
            .update_table()
            .table_name(name(app))
            .deletion_protection_enabled(true)
            .send()
            .await;
        if let Err(error) = changed {
            return Refused::of(&error).line(step);
        }
    }
    Line::new(step, Standing::Failed, "could not be switched on")
}
