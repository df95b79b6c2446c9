//! The data folder: made for its owner only, and used by one platform at a time.
//!
//! Knows no content of it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::StartError;

/// Held while a platform uses the folder; the system lets go of it when the process ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

pub(super) fn refuse(folder: &Path, reason: impl Into<String>) -> StartError {
    StartError::Data {
        folder: folder.display().to_string(),
        reason: reason.into(),
    }
}

/// Makes the folder and locks it.
pub(super) fn take(folder: &Path) -> Result<Lock, StartError> {
    // Keys lie in it: nobody else reads it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| refuse(folder, error.to_string()))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(folder.join("lock"))
        .map_err(|error| refuse(folder, error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(refuse(folder, "another platform is running in it")),
        Err(TryLockError::Error(error)) => Err(refuse(folder, error.to_string())),
    }
}
