//! The consents beside those of lists: evaluation of opens and clicks, and profiles (L-10, L-23).
//!
//! Derived by comparing times, as a list's: the profile says since when, the withdrawal since when
//! no more, and no stale write of either brings a consent back (L-24).

use jiff::Timestamp;

use super::{Person, Profile, Tombstone, Withdrawal};

/// What a person may agree to beside lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Opens and clicks are tied to the person.
    Tracking,
    /// Contents are chosen by what is known of the person.
    Profiling,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tracking, Self::Profiling];
}

impl Profile {
    /// When the person last agreed, whether that stands or not.
    pub fn agreed_at(&self, purpose: Purpose) -> Option<Timestamp> {
        match purpose {
            Purpose::Tracking => self.tracking_since,
            Purpose::Profiling => self.profiling_since,
        }
    }

    /// The person agrees.
    pub(crate) fn agree(&mut self, purpose: Purpose, at: Timestamp) {
        match purpose {
            Purpose::Tracking => self.tracking_since = Some(at),
            Purpose::Profiling => self.profiling_since = Some(at),
        }
    }

    /// Since when a consent stands that was not withdrawn. At the same instant the withdrawal wins.
    pub fn agrees_since(
        &self,
        purpose: Purpose,
        withdrawal: Option<&Withdrawal>,
    ) -> Option<Timestamp> {
        let withdrawn = withdrawal.and_then(|withdrawal| withdrawal.purpose_at(purpose));
        let stands = |since: &Timestamp| withdrawn.is_none_or(|at| at < *since);
        self.agreed_at(purpose).filter(stands)
    }
}

impl Withdrawal {
    /// When the person last withdrew this consent.
    pub fn purpose_at(&self, purpose: Purpose) -> Option<Timestamp> {
        match purpose {
            Purpose::Tracking => self.tracking_withdrawn_at,
            Purpose::Profiling => self.profiling_withdrawn_at,
        }
    }

    /// Notes a withdrawal: never earlier than what is known.
    pub(crate) fn note_purpose(&mut self, purpose: Purpose, at: Option<Timestamp>) {
        let slot = match purpose {
            Purpose::Tracking => &mut self.tracking_withdrawn_at,
            Purpose::Profiling => &mut self.profiling_withdrawn_at,
        };
        *slot = at.max(*slot);
    }
}

impl Tombstone {
    /// When the person last withdrew this consent.
    pub fn purpose_at(&self, purpose: Purpose) -> Option<Timestamp> {
        match purpose {
            Purpose::Tracking => self.tracking_withdrawn_at,
            Purpose::Profiling => self.profiling_withdrawn_at,
        }
    }

    /// Notes a withdrawal: never earlier than what is known.
    pub(crate) fn note_purpose(&mut self, purpose: Purpose, at: Option<Timestamp>) {
        let slot = match purpose {
            Purpose::Tracking => &mut self.tracking_withdrawn_at,
            Purpose::Profiling => &mut self.profiling_withdrawn_at,
        };
        *slot = at.max(*slot);
    }
}

impl Person {
    /// Since when a consent stands that was not withdrawn.
    pub fn agrees_since(&self, purpose: Purpose) -> Option<Timestamp> {
        let profile = self.profile.as_ref()?;
        profile.agrees_since(purpose, self.withdrawal.as_ref())
    }

    /// When the person last withdrew this consent, as far as anything remembers it.
    pub fn withdrew_at(&self, purpose: Purpose) -> Option<Timestamp> {
        let (withdrawal, tombstone) = (self.withdrawal.as_ref(), self.tombstone.as_ref());
        let withdrawn = withdrawal.and_then(|known| known.purpose_at(purpose));
        withdrawn.max(tombstone.and_then(|known| known.purpose_at(purpose)))
    }
}
