//! The files of finished imports: each may name the person, and nobody needs it any more.
//!
//! An import that still runs keeps its file until it has ended; the tombstone keeps the person
//! out of what it writes.

use rundbrief::id::ImportId;
use rundbrief::import::Import;
use rundbrief::key::AccountScope;
use rundbrief::record::Stored;

use crate::app::{App, Trouble};
use crate::retention::objects;

/// Whether no file is left.
pub(super) async fn clean(app: &App, scope: &AccountScope) -> Result<bool, Trouble> {
    let prefix = scope.object_prefix("imports");
    let mut all = true;
    for key in objects::keys(app, &prefix).await? {
        let id = key
            .strip_prefix(&prefix)
            .and_then(|name| name.strip_suffix(".csv"))
            .and_then(|name| ImportId::parse(name).ok());
        let import: Option<Import> = match &id {
            Some(id) => {
                let place = scope.configuration(Import::KIND, id.as_str());
                app.store.get(&place, app.now()).await?
            }
            None => None,
        };
        match import {
            Some(import) if import.is_open() => all = false,
            // Its import is stored only after the file: one that is not there may be on its way.
            None if id.is_some() => all = false,
            _ => {
                objects::delete_all(app, &key).await?;
            }
        }
    }
    Ok(all)
}
