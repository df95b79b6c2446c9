//! The files of finished imports: each may name the person, and nobody needs it any more.
//!
//! An import that still runs keeps its file until it has ended; the tombstone keeps the person
//! out of what it writes.

use std::collections::BTreeSet;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rundbrief::id::ImportId;
use rundbrief::import::Import;
use rundbrief::key::AccountScope;
use rundbrief::record::Stored;

use crate::app::{App, Trouble};
use crate::retention::objects;
use crate::settings::InvalidSetting;

/// Whether no file is left.
pub(super) async fn clean(app: &App, scope: &AccountScope) -> Result<bool, Trouble> {
    let prefix = scope.object_prefix("imports");
    let mut all = true;
    for key in keys(app, &prefix).await? {
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

/// The keys of everything under the prefix, old versions included.
async fn keys(app: &App, prefix: &str) -> Result<BTreeSet<String>, Trouble> {
    let bucket = app
        .settings
        .bucket
        .as_deref()
        .ok_or(InvalidSetting("BUCKET"))?;
    let mut keys = BTreeSet::new();
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let page = app
            .clients
            .s3()
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .map_err(|error| {
                tracing::error!(code = error.code(), "the import files could not be listed");
                Trouble::Bucket
            })?;
        let versions = page.versions().iter().filter_map(|one| one.key());
        let markers = page.delete_markers().iter().filter_map(|one| one.key());
        keys.extend(versions.chain(markers).map(str::to_owned));
        if page.is_truncated() != Some(true) {
            return Ok(keys);
        }
        key_marker = page.next_key_marker().map(str::to_owned);
        version_marker = page.next_version_id_marker().map(str::to_owned);
    }
}
