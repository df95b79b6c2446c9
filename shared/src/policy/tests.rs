use super::*;

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
                !store.kinds().is_empty() || store == Store::GuardCounter,
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
