//! `backups`: the catalogue of an account's archives, starting one, and fetching its objects.
//!
//! Not restoring. An archive without a manifest is not in the catalogue, and neither is one
//! whose two weeks are over, to the second, whether or not it has been deleted yet.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use jiff::Timestamp;
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::Scope;
use rundbrief::archive::{Archive, Manifest};
use rundbrief::crypto::hex;
use rundbrief::id::BackupId;
use rundbrief::key::Table;
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found, json as answer};
use super::listing::{Parameters, Window, listed};
use crate::app::Trouble;
use crate::backup;
use crate::problem::Problem;
use crate::settings::InvalidSetting;
use crate::store::Range;

/// How long a link to an object works; never beyond the archive's end.
const LINK_SECONDS: u64 = 900;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/backups", get(list).post(start))
        .route("/accounts/{account}/backups/{id}", get(read))
        .route(
            "/accounts/{account}/backups/{id}/objects/{name}",
            get(fetch),
        )
}

/// As callers see it.
fn show(archive: &Archive, manifest: &Manifest) -> Value {
    let objects: Vec<&str> = manifest
        .objects
        .values()
        .flatten()
        .map(|object| object.key.as_str())
        .collect();
    let sets: Map<String, Value> = manifest
        .sets
        .iter()
        .map(|(set, summary)| {
            let summary = json!({"count": summary.count, "sha256": summary.sha256});
            (set.name().to_owned(), summary)
        })
        .collect();
    json!({
        "id": archive.id,
        "created_at": ShownInstant(archive.created_at),
        "expires_at": ShownInstant(archive.gone_at),
        "objects": objects,
        "manifest": {
            "format": manifest.format,
            "key_fingerprint": manifest.key_fingerprint,
            "sets": sets,
        },
    })
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), "backups")?;
    let prefix = Archive::catalogue_prefix();
    let mut range = Range {
        table: Table::Main,
        pk: desk.scope.configuration_partition(),
        after: window.after_in(&prefix)?,
        prefix,
        limit: 0,
    };
    let mut items = Vec::new();
    let next = loop {
        range.limit = i32::try_from(window.limit - items.len()).unwrap_or(1);
        let page = desk.app.store.page::<Archive>(&range, desk.now).await?;
        items.extend(
            page.items
                .iter()
                .filter_map(|archive| Some(show(archive, archive.listed(desk.now)?))),
        );
        if page.next.is_none() || items.len() >= window.limit {
            break page.next;
        }
        range.after = page.next;
    };
    let next = next.map(|after| window.cursor(0, &after));
    Ok(found(&listed(items, next)))
}

async fn known(desk: &Desk) -> Result<(Archive, Manifest), Refused> {
    let place = Archive::place(&desk.scope, &desk.id::<BackupId>()?);
    let archive: Option<Archive> = desk.app.store.get(&place, desk.now).await?;
    archive
        .and_then(|archive| {
            let manifest = archive.listed(desk.now)?.clone();
            Some((archive, manifest))
        })
        .ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let (archive, manifest) = known(&desk).await?;
    Ok(found(&show(&archive, &manifest)))
}

/// Begins an archive now; it is in the catalogue once it is complete.
async fn start(access: Access) -> Answer {
    let desk = access.with(Scope::Export)?;
    let mut random = [0; 4];
    desk.app.entropy.fill(&mut random);
    let id = backup::name(desk.now, &format!("-{}", hex(&random)))?;
    backup::begin(&desk.app, &desk.scope, &id, desk.now).await?;
    Ok(answer(StatusCode::ACCEPTED, &json!({"id": id})))
}

/// A link to one object, for whoever holds it: personal data, so it ends soon.
async fn fetch(access: Access, Path((_, _, name)): Path<(String, String, String)>) -> Answer {
    let desk = access.with(Scope::Export)?;
    let (archive, manifest) = known(&desk).await?;
    let key = format!("{}{name}", archive.object_prefix());
    let is_listed = manifest
        .objects
        .values()
        .flatten()
        .any(|object| object.key == key);
    if !is_listed && key != archive.manifest_key() {
        return Err(Problem::NOT_FOUND.into());
    }
    let url = link(&desk, &key, seconds_left(&archive, desk.now)).await?;
    Ok(found(&json!({"url": url})))
}

fn seconds_left(archive: &Archive, now: Timestamp) -> u64 {
    let left = archive.gone_at.as_second() - now.as_second();
    u64::try_from(left).unwrap_or(0).clamp(1, LINK_SECONDS)
}

async fn link(desk: &Desk, key: &str, seconds: u64) -> Result<String, Trouble> {
    let setting = InvalidSetting("BUCKET");
    let bucket = desk.app.settings.bucket.as_deref().ok_or(setting)?;
    let presigned =
        PresigningConfig::expires_in(Duration::from_secs(seconds)).map_err(|_| Trouble::Bucket)?;
    let request = desk
        .app
        .clients
        .s3()
        .get_object()
        .bucket(bucket)
        .key(key)
        .presigned(presigned)
        .await
        .map_err(|_| Trouble::Bucket)?;
    Ok(request.uri().to_owned())
}
