//! Writing one set of one part: lines into compressed objects of bounded size.
//!
//! Knows nothing of what is in the lines.

use std::io::Write as _;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use ring::digest::{Context, SHA256};
use rundbrief::archive::{Archive, ArchiveObject, ArchiveSet, PartName};
use rundbrief::crypto::hex;
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;

/// Lines of one object, before compression: bounds what is held in memory, and keeps an object
/// far below what one upload may carry (5 GB).
const OBJECT_BYTES: usize = 16 << 20;
/// zstd's own default: a tenth of the size at little cost.
const LEVEL: i32 = 3;

/// Writes one set of one part.
pub(super) struct SetWriter<'a> {
    app: &'a App,
    archive: &'a Archive,
    set: ArchiveSet,
    part: PartName,
    open: Option<Open>,
    done: Vec<ArchiveObject>,
}

/// The object that is being filled.
struct Open {
    compressed: zstd::stream::write::Encoder<'static, Vec<u8>>,
    hash: Context,
    bytes: usize,
    count: u64,
}

impl Open {
    fn new() -> Result<Self, Trouble> {
        Ok(Self {
            compressed: zstd::stream::write::Encoder::new(Vec::new(), LEVEL)
                .map_err(|_| Trouble::Bucket)?,
            hash: Context::new(&SHA256),
            bytes: 0,
            count: 0,
        })
    }
}

impl<'a> SetWriter<'a> {
    pub(super) fn new(app: &'a App, archive: &'a Archive, set: ArchiveSet, part: PartName) -> Self {
        Self {
            app,
            archive,
            set,
            part,
            open: None,
            done: Vec::new(),
        }
    }

    /// Adds a record as one line.
    pub(super) async fn push(&mut self, record: &Value) -> Result<(), Trouble> {
        let mut line = serde_json::to_vec(record).map_err(|_| Trouble::Damaged)?;
        line.push(b'\n');
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new()?,
        };
        open.compressed
            .write_all(&line)
            .map_err(|_| Trouble::Bucket)?;
        open.hash.update(&line);
        open.bytes += line.len();
        open.count += 1;
        if open.bytes >= OBJECT_BYTES {
            self.close(open).await
        } else {
            self.open = Some(open);
            Ok(())
        }
    }

    /// The objects that were written, in order.
    pub(super) async fn finish(mut self) -> Result<Vec<ArchiveObject>, Trouble> {
        if let Some(open) = self.open.take() {
            self.close(open).await?;
        }
        Ok(self.done)
    }

    async fn close(&mut self, open: Open) -> Result<(), Trouble> {
        let sha256 = hex(open.hash.finish().as_ref());
        let body = open.compressed.finish().map_err(|_| Trouble::Bucket)?;
        let key = self
            .archive
            .object_key(self.set, self.part, self.done.len(), &sha256);
        put(self.app, &key, "application/zstd", body).await?;
        self.done.push(ArchiveObject {
            key,
            count: open.count,
            sha256,
        });
        Ok(())
    }
}

/// The bucket's name.
pub(super) fn bucket(app: &App) -> Result<&str, Trouble> {
    Ok(app
        .settings
        .bucket
        .as_deref()
        .ok_or(InvalidSetting("BUCKET"))?)
}

/// Puts a whole object.
pub(super) async fn put(
    app: &App,
    key: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Result<(), Trouble> {
    app.clients
        .s3()
        .put_object()
        .bucket(bucket(app)?)
        .key(key)
        .content_type(content_type)
        .body(ByteStream::from(body))
        .send()
        .await
        .map_err(|error| trouble(error.code(), "put object"))?;
    Ok(())
}

pub(super) fn trouble(code: Option<&str>, call: &'static str) -> Trouble {
    tracing::error!(code, call, "the bucket did not answer as it should");
    Trouble::Bucket
}
