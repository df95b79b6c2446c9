//! Verifying an archive before anything is written: manifest, account, key, every object.
//!
//! A damaged, truncated or foreign archive ends the restore here, with the place named.

use ring::digest::{Context, SHA256};
use rundbrief::archive::{ARCHIVE_FORMAT, Archive, ArchiveSet, Manifest};
use rundbrief::crypto::hex;
use rundbrief::key::Key;
use rundbrief::restore::{Damage, Problem, Restore, RestoreState};
use rundbrief::tombstone_mark::TombstoneMark;

use super::Work;
use super::archive::{Placed, fetch};
use crate::app::Trouble;
use crate::campaign::interrupt_all;
use crate::store::WriteError;

impl Work<'_> {
    /// Verifies the manifest and one set; after the last, holds what is being sent.
    pub(super) async fn verify(&self, restore: &Restore) -> Result<(), WriteError> {
        let manifest = match self.manifest(restore).await? {
            Ok(manifest) => manifest,
            Err(problem) => return self.refuse(restore, problem).await,
        };
        let Some(set) = ArchiveSet::ALL.get(restore.place.verified) else {
            let interrupted = interrupt_all(self.app, &self.scope, self.now).await?;
            tracing::info!(restore = %restore.id, interrupted, "an archive is intact; it is staged");
            return self
                .put(restore, &restore.moved(RestoreState::Staging))
                .await;
        };
        if let Err(problem) = self.set(&manifest, *set).await? {
            return self.refuse(restore, problem).await;
        }
        let mut moved = restore.moved(RestoreState::Verifying);
        moved.place.verified += 1;
        self.put(restore, &moved).await
    }

    /// The archive's manifest, if there is one, it is the catalogue's, it is this account's, and the
    /// account's tombstones are here.
    pub(super) async fn manifest(
        &self,
        restore: &Restore,
    ) -> Result<Result<Manifest, Problem>, Trouble> {
        let place = Archive::place(&self.scope, &restore.backup);
        let archive: Option<Archive> = self.app.store.get(&place, self.now).await?;
        let Some((archive, manifest)) = archive.and_then(|archive| {
            let manifest = archive.listed(self.now)?.clone();
            Some((archive, manifest))
        }) else {
            return Ok(Err(Damage::ArchiveGone.into()));
        };
        let Some(bytes) = fetch(self.app, &archive.manifest_key()).await? else {
            return Ok(Err(Damage::ManifestMissing.into()));
        };
        let Ok(stored) = serde_json::from_slice::<Manifest>(&bytes) else {
            return Ok(Err(Damage::ManifestDamaged.into()));
        };
        let prefix = archive.object_prefix();
        let mut keys = stored.objects.values().flatten().map(|object| &object.key);
        let damage = if stored.format != ARCHIVE_FORMAT {
            Some(Damage::UnknownFormat)
        } else if stored.account != *self.scope.account()
            || !keys.all(|key| key.starts_with(&prefix))
        {
            Some(Damage::ForeignAccount)
        } else if stored.key_fingerprint != self.scope.key_fingerprint() {
            Some(Damage::ForeignKey)
        } else if stored != manifest {
            Some(Damage::ManifestDamaged)
        } else {
            None
        };
        if let Some(damage) = damage {
            return Ok(Err(damage.into()));
        }
        // Last: the archive may be whole, and yet there is nothing to replay over it.
        let place = Key::tombstone_mark(self.scope.account());
        let mark: Option<TombstoneMark> = self.app.store.get(&place, self.now).await?;
        Ok(match mark {
            Some(mark) if mark.vouches_for(&self.scope) => Ok(manifest),
            Some(_) | None => Err(Damage::TombstonesMissing.into()),
        })
    }

    async fn set(
        &self,
        manifest: &Manifest,
        set: ArchiveSet,
    ) -> Result<Result<(), Problem>, Trouble> {
        let objects = manifest.objects.get(&set).map_or(&[][..], Vec::as_slice);
        let (mut whole, mut count) = (Context::new(&SHA256), 0);
        for object in objects {
            match (Placed { set, object }).read(self.app).await? {
                Ok(lines) => whole.update(lines.as_ref()),
                Err(problem) => return Ok(Err(problem)),
            }
            count += object.count;
        }
        let hash = hex(whole.finish().as_ref());
        let is_whole = manifest
            .sets
            .get(&set)
            .is_some_and(|summary| summary.count == count && summary.sha256 == hash);
        Ok(if is_whole {
            Ok(())
        } else {
            Err(Problem {
                set: Some(set),
                ..Damage::SetDamaged.into()
            })
        })
    }
}
