//! Deleting objects for good: every version and every delete marker under a prefix.
//!
//! Deleting without a version only hides an object in a versioned bucket.

use std::collections::BTreeSet;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;

/// Deletes everything under `prefix`; returns how many versions there were.
pub(crate) async fn delete_all(app: &App, prefix: &str) -> Result<usize, Trouble> {
    let bucket = app
        .settings
        .bucket
        .as_deref()
        .ok_or(InvalidSetting("BUCKET"))?;
    let mut deleted = 0;
    // From the beginning each time: what a page named is gone when the next is asked for.
    loop {
        let page = app
            .clients
            .s3()
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .send()
            .await
            .map_err(|error| trouble(error.code(), "list versions"))?;
        let versions = page
            .versions()
            .iter()
            .map(|version| (version.key(), version.version_id()));
        let markers = page
            .delete_markers()
            .iter()
            .map(|marker| (marker.key(), marker.version_id()));
        let mut named = Vec::new();
        for (key, version) in versions.chain(markers) {
            let (Some(key), Some(version)) = (key, version) else {
                return Err(Trouble::Bucket);
            };
            // The prefix ends with a slash; a service that lists more must not lose more.
            if !key.starts_with(prefix) {
                return Err(Trouble::Bucket);
            }
            let object = ObjectIdentifier::builder()
                .key(key)
                .version_id(version)
                .build()
                .map_err(|_| Trouble::Bucket)?;
            named.push(object);
        }
        if named.is_empty() {
            return Ok(deleted);
        }
        deleted += named.len();
        let delete = Delete::builder()
            .set_objects(Some(named))
            .quiet(true)
            .build()
            .map_err(|_| Trouble::Bucket)?;
        let answer = app
            .clients
            .s3()
            .delete_objects()
            .bucket(bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| trouble(error.code(), "delete versions"))?;
        if let Some(error) = answer.errors().first() {
            return Err(trouble(error.code(), "delete versions"));
        }
    }
}

/// The keys of everything under the prefix, old versions included.
pub(crate) async fn keys(app: &App, prefix: &str) -> Result<BTreeSet<String>, Trouble> {
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
            .map_err(|error| trouble(error.code(), "list versions"))?;
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

fn trouble(code: Option<&str>, call: &'static str) -> Trouble {
    tracing::error!(code, call, "the bucket did not answer as it should");
    Trouble::Bucket
}
