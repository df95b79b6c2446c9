//! Which rows must not be imported by their addresses alone: suppressed domains and patterns,
//! and for a soft opt-in the ECG list (§ 7 ECG).
//!
//! Suppressed addresses mark the person, which the domain reads itself.

use rundbrief::import::{Import, Row, SkipReason};
use rundbrief::person::LegalBasis;
use rundbrief::suppression::ecg::{EcgChunk, EcgDigests, EcgList};

use super::Work;
use crate::app::Trouble;

impl Work<'_> {
    /// Marks the rows whose address says that they must not be imported.
    pub(super) async fn bar(&self, import: &Import, rows: &mut [Row]) -> Result<(), Trouble> {
        let rules = self.app.store.address_rules(&self.scope, self.now).await?;
        let ecg = match import.provenance.legal_basis {
            LegalBasis::SoftOptInAt | LegalBasis::SoftOptInDe => self.ecg().await?,
            LegalBasis::Consent | LegalBasis::Transactional => None,
        };
        for (_, row) in rows {
            let Ok(row) = row else { continue };
            if rules.match_address(&row.address) {
                row.barred = Some(SkipReason::Suppressed);
            } else if ecg.as_ref().is_some_and(|ecg| ecg.lists(&row.address)) {
                row.barred = Some(SkipReason::EcgListed);
            }
        }
        Ok(())
    }

    /// The list in force; at most 4 MB.
    async fn ecg(&self) -> Result<Option<EcgDigests>, Trouble> {
        let store = &self.app.store;
        let list: Option<EcgList> = store.get(&EcgList::place(&self.scope), self.now).await?;
        let Some(list) = list else {
            return Ok(None);
        };
        let partition = self.scope.configuration_partition();
        let prefix = EcgChunk::prefix(list.version);
        let chunks = store.all::<EcgChunk>(&partition, &prefix, self.now).await?;
        let digests = EcgDigests::of(chunks);
        if digests.count() == list.entries {
            return Ok(Some(digests));
        }
        // Another list took its place while it was read, and its chunks are gone: come again.
        Err(Trouble::Contended)
    }
}
