//! The stored file of an import: written once, read chunk by chunk.
//!
//! It comes with the request, or is uploaded to a presigned URL for one file of one length.
//! Kept for 24 hours: `retention` deletes it, which alone has the right to; nothing here does.

use std::time::Duration;

use aws_sdk_s3::config::{Config, RequestChecksumCalculation};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::id::{AccountId, ImportId};
use rundbrief::import::{Import, ImportFailure};
use rundbrief::policy::Store;
use rundbrief::subscriber_file::Chunk;

use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;

/// For so long a file may be uploaded.
pub(crate) const UPLOAD_TIME: Duration = Duration::from_hours(1);

/// Where an import's file is kept.
fn object_key(account: &AccountId, import: &ImportId) -> String {
    format!("imports/{account}/{import}.csv")
}

/// Stores an import's file.
pub(crate) async fn keep(
    app: &App,
    account: &AccountId,
    import: &ImportId,
    file: Vec<u8>,
) -> Result<(), Trouble> {
    app.clients
        .s3()
        .put_object()
        .bucket(bucket(app)?)
        .key(object_key(account, import))
        .content_type("text/csv")
        .body(ByteStream::from(file))
        .send()
        .await
        .map_err(|error| {
            tracing::error!(code = error.code(), "an import's file could not be stored");
            Trouble::Bucket
        })?;
    Ok(())
}

/// Where a file of exactly so many octets may be put, with the headers that must go with it.
pub(crate) async fn place(
    app: &App,
    account: &AccountId,
    import: &ImportId,
    octets: u32,
) -> Result<PresignedRequest, Trouble> {
    let lives = PresigningConfig::expires_in(UPLOAD_TIME).map_err(|_| Trouble::Bucket)?;
    app.clients
        .s3()
        .put_object()
        .bucket(bucket(app)?)
        .key(object_key(account, import))
        .content_type("text/csv")
        .content_length(i64::from(octets))
        .customize()
        // Of a body that is not known here there is no checksum to sign.
        .config_override(
            Config::builder()
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired),
        )
        .presigned(lives)
        .await
        .map_err(|_| Trouble::Bucket)
}

/// The first octets of an uploaded file; `None` when it is not there.
pub(crate) async fn beginning(
    app: &App,
    account: &AccountId,
    import: &ImportId,
    octets: u32,
) -> Result<Option<Vec<u8>>, Trouble> {
    let range = format!("bytes=0-{}", octets.saturating_sub(1));
    get(app, account, import, Some(range)).await
}

/// A whole uploaded file, or why there is none.
pub(super) async fn whole(
    app: &App,
    account: &AccountId,
    import: &Import,
    octets: u32,
) -> Result<Result<Vec<u8>, ImportFailure>, Trouble> {
    let file = get(app, account, &import.id, None).await?;
    Ok(match file {
        None => Err(ImportFailure::FileMissing),
        Some(file) if u32::try_from(file.len()) == Ok(octets) => Ok(file),
        Some(_) => Err(ImportFailure::FileDamaged),
    })
}

/// Of a file that was there a moment ago, or is about to come: what is missing is so for now.
async fn get(
    app: &App,
    account: &AccountId,
    import: &ImportId,
    range: Option<String>,
) -> Result<Option<Vec<u8>>, Trouble> {
    let result = app
        .clients
        .s3()
        .get_object()
        .bucket(bucket(app)?)
        .key(object_key(account, import))
        .set_range(range)
        .send()
        .await;
    let object = match result {
        Ok(object) => object,
        Err(error) => {
            return match error.code() {
                // Without the right to list, S3 denies access to an object that is not there.
                Some("NoSuchKey" | "AccessDenied" | "InvalidRange") => Ok(None),
                code => {
                    tracing::error!(code, "an import's file could not be read");
                    Err(Trouble::Bucket)
                }
            };
        }
    };
    let body = object.body.collect().await.map_err(|_| {
        tracing::error!("an import's file could not be read to its end");
        Trouble::Bucket
    })?;
    Ok(Some(body.to_vec()))
}

/// Whether the lifecycle may have deleted the file already: it keeps it that long at least.
fn is_past_its_term(import: &Import, now: Timestamp) -> bool {
    let until = Store::ImportFile.kept().until(import.created_at);
    until.is_some_and(|until| now >= until)
}

/// The bytes of a chunk, or why there are none and never will be.
pub(super) async fn read(
    app: &App,
    account: &AccountId,
    import: &Import,
    place: &Chunk,
    now: Timestamp,
) -> Result<Result<Vec<u8>, ImportFailure>, Trouble> {
    if place.start >= place.end {
        return Ok(Err(ImportFailure::FileDamaged));
    }
    let result = app
        .clients
        .s3()
        .get_object()
        .bucket(bucket(app)?)
        .key(object_key(account, &import.id))
        // Both ends are included (RFC 9110 section 14.1.2).
        .range(format!("bytes={}-{}", place.start, place.end - 1))
        .send()
        .await;
    let object = match result {
        Ok(object) => object,
        Err(error) => {
            return match error.code() {
                Some("NoSuchKey") => Ok(Err(ImportFailure::FileMissing)),
                // Without the right to list, S3 says so of an object that is not there; this
                // function does not have that right.
                Some("AccessDenied") if is_past_its_term(import, now) => {
                    Ok(Err(ImportFailure::FileMissing))
                }
                Some("InvalidRange") => Ok(Err(ImportFailure::FileDamaged)),
                code => {
                    tracing::error!(code, "an import's file could not be read");
                    Err(Trouble::Bucket)
                }
            };
        }
    };
    let bytes = object
        .body
        .collect()
        .await
        .map_err(|_| {
            tracing::error!("an import's file could not be read to its end");
            Trouble::Bucket
        })?
        .to_vec();
    if bytes.len() == place.end - place.start {
        Ok(Ok(bytes))
    } else {
        Ok(Err(ImportFailure::FileDamaged))
    }
}

fn bucket(app: &App) -> Result<&str, Trouble> {
    let name = app.settings.bucket.as_deref();
    Ok(name.ok_or(InvalidSetting("BUCKET"))?)
}
