use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::audit::{self, AuditEntry};
use crate::campaign::arc::{Arc, Circle};
use crate::erasure::sealed_until;
use crate::guard::screening::NONCE_LIMIT;
use crate::guard::{ADDRESS_LIMIT, CLIENT_LIMIT, PROOF_LIMIT};
use crate::import::ImportChunk;
use crate::outbox::Outbox;
use crate::setup::tests::{account, setup};
use crate::time::{day_in, one_month_after, plus_days, plus_seconds};

#[test]
fn every_store_stands_in_the_list_of_all_once() {
    let mut all = Store::ALL.to_vec();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), Store::ALL.len());
    // The last variant: whoever adds one behind it must raise the list's length.
    assert_eq!(Store::Log as usize + 1, all.len());
}

#[test]
fn each_set_of_an_archive_comes_from_a_store_and_no_secret_or_campaign_does() {
    for set in ArchiveSet::ALL {
        assert!(
            Store::ALL
                .iter()
                .any(|store| store.in_archive() == InArchive::Set(set)),
            "{set:?}"
        );
    }
    for store in [
        Store::Account,
        Store::ApiKey,
        Store::Campaign,
        Store::Ledger,
        Store::Tombstone,
        Store::Log,
    ] {
        assert!(matches!(store.in_archive(), InArchive::No(_)), "{store:?}");
    }
}

#[test]
fn what_the_sweeper_promises_has_an_end_and_items() {
    for store in Store::ALL {
        if matches!(
            store.deleted_by(),
            DeletedBy::Sweeper | DeletedBy::SweeperWithObjects | DeletedBy::TimeToLive
        ) {
            assert!(matches!(store.kept(), Kept::For(..)), "{store:?}");
            assert!(
                !store.kinds().is_empty()
                    || matches!(store, Store::GuardCounter | Store::FormNonce),
                "{store:?}"
            );
        }
    }
}

#[test]
fn an_archive_is_kept_two_weeks_to_the_second_and_a_report_twelve_months() {
    for (store, start, end) in [
        (
            Store::Archive,
            "2027-03-20T00:00:01Z",
            "2027-04-03T00:00:01Z",
        ),
        (
            Store::Archive,
            "2027-10-23T23:59:59Z",
            "2027-11-06T23:59:59Z",
        ),
        (
            Store::DeletionReport,
            "2028-02-29T01:00:00Z",
            "2029-02-28T01:00:00Z",
        ),
    ] {
        let due = store.kept().until(start.parse().unwrap());
        assert_eq!(due, Some(end.parse().unwrap()), "{store:?}");
    }
}

/// When the code lets go of what it writes at `now`, where that is not the policy's word itself.
fn gone_by_the_code(store: Store, now: Timestamp) -> Option<Timestamp> {
    let utc = TimeZone::UTC;
    match store {
        Store::Account => account().closed(now).unwrap()?.gone_at,
        Store::PendingSignUp | Store::AddressChange => {
            Some(plus_days(now, Setup::DEFAULT_CONFIRM_DAYS))
        }
        Store::Outbox => Some(Outbox::waits_until(now)),
        Store::Ledger => {
            let campaign = crate::id::CampaignId::parse("cmp_1").unwrap();
            Some(Arc::released(&campaign, 0, Circle::of(1), 0, now).gone_at)
        }
        Store::ImportReport => Some(ImportChunk::gone_at(now)),
        Store::SealedEvidence => sealed_until(&account(), now, &utc),
        Store::AuditLog => Some(AuditEntry::kept_until(now, None)),
        Store::FormNonce => Some(plus_seconds(now, NONCE_LIMIT.window_seconds)),
        Store::GuardCounter => {
            let windows = [ADDRESS_LIMIT, CLIENT_LIMIT, PROOF_LIMIT].map(|one| one.window_seconds);
            Some(plus_seconds(now, windows.into_iter().max()?))
        }
        _ => store.kept().until(now),
    }
}

#[test]
fn what_the_code_keeps_is_what_the_policy_says_of_every_store_that_has_a_term() {
    let now: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
    for store in Store::ALL {
        let Kept::For(_, period) = store.kept() else {
            continue;
        };
        let promised = period.after(now, &TimeZone::UTC);
        // A profile is kept to the end of its last day (S-08).
        if store == Store::Profile {
            let gone = one_month_after(day_in(now, &TimeZone::UTC), &TimeZone::UTC);
            let last = day_in(plus_seconds(gone, -1), &TimeZone::UTC);
            assert_eq!(last, day_in(promised, &TimeZone::UTC));
            continue;
        }
        // In the account's own zone it is the same local time one month later.
        let gone = gone_by_the_code(store, now);
        assert_eq!(gone, Some(promised), "{store:?}");
    }
}

#[test]
fn what_an_account_has_set_is_what_is_said_of_its_stores() {
    let (mut account, mut short, mut long) = (account(), setup(), setup());
    let kept = |store: Store, account: &crate::account::Account, setups: &[Setup]| match store
        .kept()
        .under(&Settings::of(account, setups))
    {
        Kept::For(_, Period::Days { days, .. }) => days,
        Kept::For(_, Period::Months { months, .. }) => months,
        other => panic!("{other:?}"),
    };
    assert_eq!(kept(Store::PendingSignUp, &account, &[]), 7);
    (short.confirm_days, long.confirm_days) = (2, 14);
    let setups = [long, short];
    assert_eq!(kept(Store::PendingSignUp, &account, &setups), 14);
    assert_eq!(kept(Store::PendingSignUp, &account, &setups[1..]), 2);
    for (years, months) in [(0, 0), (1, 12), (3, 36)] {
        account.evidence_years_after_erasure = years;
        assert_eq!(kept(Store::SealedEvidence, &account, &[]), months);
    }
    assert_eq!(kept(Store::AuditLog, &account, &[]), audit::DEFAULT_MONTHS);
    account.audit_months = Some(36);
    assert_eq!(kept(Store::AuditLog, &account, &[]), 36);
    // What no setting names stays.
    assert_eq!(kept(Store::Archive, &account, &setups), 14);
}
