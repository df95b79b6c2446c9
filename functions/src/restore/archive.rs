//! Reading an archive's objects, each whole and checked against what the manifest says of it.
//!
//! Writes nothing, and knows nothing of what is in the lines.

use std::io::Read as _;

use aws_sdk_s3::error::ProvideErrorMetadata;
use rundbrief::archive::{ArchiveObject, ArchiveSet};
use rundbrief::crypto::sha256_hex;
use rundbrief::restore::{Damage, Problem};

use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;

/// An object's lines are at most this long: `backup` closes one at 16 MB, and the record that is
/// the last in it may be as large as two items.
const MAX_OCTETS: u64 = (16 << 20) + (1 << 20);

/// The lines of one object.
pub(super) struct Lines {
    text: String,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: String) -> Self {
        let ends = text.bytes().enumerate();
        let ends = ends.filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        Self {
            starts: starts.filter(|start| *start < text.len()).collect(),
            text,
        }
    }

    /// From the one with this number on, without their ends.
    pub(super) fn from(&self, number: usize) -> impl Iterator<Item = &str> {
        let start = self.starts.get(number).copied();
        let rest = start.and_then(|start| self.text.get(start..));
        rest.unwrap_or_default().lines()
    }
}

/// An object of a set, in the manifest's order.
pub(super) struct Placed<'a> {
    pub(super) set: ArchiveSet,
    pub(super) object: &'a ArchiveObject,
}

impl Placed<'_> {
    /// A problem with it.
    pub(super) fn problem(&self, code: Damage) -> Problem {
        Problem {
            code,
            set: Some(self.set),
            object: Some(self.object.key.clone()),
        }
    }

    /// Its lines, if they are what was written.
    pub(super) async fn read(&self, app: &App) -> Result<Result<Lines, Problem>, Trouble> {
        let Some(bytes) = fetch(app, &self.object.key).await? else {
            return Ok(Err(self.problem(Damage::ObjectMissing)));
        };
        let lines = decompressed(&bytes).filter(|lines| {
            let count = lines.bytes().filter(|byte| *byte == b'\n').count();
            u64::try_from(count) == Ok(self.object.count)
                && sha256_hex(lines.as_bytes()) == self.object.sha256
        });
        Ok(match lines {
            Some(lines) => Ok(Lines::of(lines)),
            None => Err(self.problem(Damage::ObjectDamaged)),
        })
    }
}

impl AsRef<[u8]> for Lines {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// What was compressed; `None` when it is cut off, damaged, or longer than `backup` writes.
fn decompressed(bytes: &[u8]) -> Option<String> {
    let mut lines = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(bytes).ok()?;
    let read = decoder.take(MAX_OCTETS + 1).read_to_end(&mut lines).ok()?;
    if u64::try_from(read).ok()? > MAX_OCTETS {
        return None;
    }
    String::from_utf8(lines).ok()
}

/// A whole object; `None` when there is none.
pub(super) async fn fetch(app: &App, key: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let setting = InvalidSetting("BUCKET");
    let bucket = app.settings.bucket.as_deref().ok_or(setting)?;
    let answer = app.clients.s3().get_object().bucket(bucket).key(key);
    let answer = match answer.send().await {
        Ok(answer) => answer,
        Err(error) => {
            // Without the right to list, S3 says of what is not there that it is forbidden.
            if matches!(
                error.code(),
                Some("NoSuchKey" | "NotFound" | "AccessDenied")
            ) {
                return Ok(None);
            }
            tracing::error!(
                code = error.code(),
                call = "get object",
                "the bucket did not answer as it should"
            );
            return Err(Trouble::Bucket);
        }
    };
    // No object that `backup` writes is longer compressed than its lines may be.
    if answer
        .content_length()
        .is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > 2 * MAX_OCTETS))
    {
        return Ok(None);
    }
    let body = answer.body.collect().await.map_err(|_| Trouble::Bucket)?;
    Ok(Some(body.to_vec()))
}
