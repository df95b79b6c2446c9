//! Completing an archive: reads every object back, then writes the manifest that makes it exist.
//!
//! All who finish the same archive compute the same manifest: it follows from the parts alone.

use std::collections::BTreeMap;
use std::io::Write;

use aws_sdk_s3::error::ProvideErrorMetadata;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use rundbrief::archive::{
    ARCHIVE_FORMAT, Archive, ArchiveObject, ArchivePart, Manifest, SetSummary,
};
use rundbrief::crypto::hex;
use rundbrief::key::AccountScope;
use rundbrief::record::Expect;

use super::objects::{bucket, put, trouble};
use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Writes the manifest if all parts are there.
pub(super) async fn finish(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    parts: &[ArchivePart],
    now: Timestamp,
) -> Result<(), Trouble> {
    let Some(objects) = Archive::objects(parts) else {
        return Ok(());
    };
    let mut sets = BTreeMap::new();
    for (set, objects) in &objects {
        sets.insert(*set, read_back(app, objects).await?);
    }
    let manifest = Manifest {
        format: ARCHIVE_FORMAT,
        account: archive.account.clone(),
        backup: archive.id.clone(),
        created_at: archive.created_at,
        key_fingerprint: scope.key_fingerprint(),
        sets,
        objects,
    };
    let text = serde_json::to_vec(&manifest).map_err(|_| Trouble::Damaged)?;
    // Beside the objects too, so that the archive explains itself without the table.
    put(app, &archive.manifest_key(), "application/json", text).await?;
    let complete = archive.completed(manifest);
    let expect = Expect::Revision(archive.rev);
    match app.store.put(scope, &complete, expect, now).await {
        // Somebody else finished it: with the same manifest.
        Ok(()) | Err(WriteError::Conflict) => Ok(()),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Count and hash of a set, from what the bucket holds.
async fn read_back(app: &App, objects: &[ArchiveObject]) -> Result<SetSummary, Trouble> {
    let mut set = Context::new(&SHA256);
    let mut count = 0;
    for object in objects {
        let mut lines = Lines {
            set: &mut set,
            object: Context::new(&SHA256),
            count: 0,
        };
        read_object(app, &object.key, &mut lines).await?;
        if lines.count != object.count || hex(lines.object.finish().as_ref()) != object.sha256 {
            tracing::error!("an object of an archive is not what was written");
            return Err(Trouble::Damaged);
        }
        count += object.count;
    }
    Ok(SetSummary {
        count,
        sha256: hex(set.finish().as_ref()),
    })
}

async fn read_object(app: &App, key: &str, lines: &mut Lines<'_>) -> Result<(), Trouble> {
    let answer = app
        .clients
        .s3()
        .get_object()
        .bucket(bucket(app)?)
        .key(key)
        .send()
        .await
        .map_err(|error| trouble(error.code(), "get object"))?;
    let mut body = answer.body;
    let mut decoder = zstd::stream::write::Decoder::new(lines).map_err(|_| Trouble::Bucket)?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| trouble(None, "read object"))?;
        decoder.write_all(&chunk).map_err(|_| Trouble::Damaged)?;
    }
    decoder.flush().map_err(|_| Trouble::Damaged)
}

/// Counts and hashes lines as they come out of the decoder.
struct Lines<'a> {
    set: &'a mut Context,
    object: Context,
    count: u64,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.set.update(bytes);
        self.object.update(bytes);
        self.count += bytes
            .iter()
            .map(|byte| u64::from(*byte == b'\n'))
            .sum::<u64>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
