//! Histories of one person around an archive: nobody erased comes back, nobody who left can be
//! mailed, whatever the order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::address::EmailAddress;
use crate::id::{EventId, ListId, PersonKey};
use crate::page_language::Language;
use crate::person::{LegalBasis, ListConsent, Proof};
use crate::sign_up::SignUpState;
use crate::time::{plus_days, plus_seconds, zone};

const KEY: PersonKey = PersonKey::from_bytes([7; 16]);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn list(name: &str) -> ListId {
    ListId::parse(name).unwrap()
}

fn profile(since: Timestamp) -> Profile {
    let address = EmailAddress::parse("somebody@shop.example").unwrap();
    let consent = ListConsent {
        since,
        basis: LegalBasis::Consent,
        proof: Proof::SignUp(EventId::from_bytes([1; 16])),
    };
    Profile {
        person: KEY,
        rev: 1,
        address: address.clone(),
        spellings: vec![address],
        values: BTreeMap::new(),
        lists: [(list("news"), consent.clone()), (list("offers"), consent)].into(),
        provenance: Vec::new(),
        interests: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language: Language::De,
        customer: false,
        created_at: since,
        ended_on: None,
        gone_at: None,
    }
}

/// One person with their whole truth beside what is stored of them.
struct Model {
    live: Person,
    archive: Option<ArchivedSubscriber>,
    now: Timestamp,
    confirmed_at: Option<Timestamp>,
    erased_at: Option<Timestamp>,
    restricted: bool,
    left: BTreeMap<ListId, Timestamp>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Confirm,
    LeaveNews,
    LeaveAll,
    Bounce,
    Restrict,
    Erase,
    Backup,
    LoseProfile,
    LoseBoth,
    Restore,
    Wait,
}

const STEPS: [Step; 11] = [
    Step::Confirm,
    Step::LeaveNews,
    Step::LeaveAll,
    Step::Bounce,
    Step::Restrict,
    Step::Erase,
    Step::Backup,
    Step::LoseProfile,
    Step::LoseBoth,
    Step::Restore,
    Step::Wait,
];

impl Model {
    fn new() -> Self {
        Self {
            live: Person::unknown(KEY),
            archive: None,
            now: at("2027-01-01T00:00:00Z"),
            confirmed_at: None,
            erased_at: None,
            restricted: false,
            left: BTreeMap::new(),
        }
    }

    fn bury(&mut self, kind: TombstoneKind) {
        let mut tombstone = self.tombstone();
        tombstone.at.insert(kind, self.now);
        self.live.tombstone = Some(tombstone);
    }

    fn tombstone(&self) -> Tombstone {
        let known = self.live.tombstone.clone();
        known.unwrap_or_else(|| Tombstone::none(KEY))
    }

    fn withdrawal(&self) -> Withdrawal {
        let known = self.live.withdrawal.clone();
        known.unwrap_or_else(|| Withdrawal::none(KEY))
    }

    fn leave(&mut self, lists: &[&str], all: bool) {
        if self.live.profile.is_none() {
            return;
        }
        let (mut tombstone, mut withdrawal) = (self.tombstone(), self.withdrawal());
        for name in lists {
            tombstone.lists.insert(list(name), self.now);
            withdrawal.lists.insert(list(name), self.now);
            self.left.insert(list(name), self.now);
        }
        if all {
            tombstone.at.insert(TombstoneKind::Unsubscribed, self.now);
            withdrawal.all_at = Some(self.now);
        }
        self.live.tombstone = Some(tombstone);
        self.live.withdrawal = Some(withdrawal);
    }

    fn restore(&mut self, zone: &TimeZone) {
        let Some(archive) = self.archive.clone() else {
            return;
        };
        let replayed = subscriber(&archive, &self.live, Known::Absent, zone, self.now);
        assert_eq!(replayed.fate == Fate::Added, replayed.profile.is_some());
        if let Some(profile) = replayed.profile {
            assert!(self.live.profile.is_none(), "nothing is overwritten");
            self.live.profile = Some(profile);
        }
        if let Some(withdrawal) = replayed.withdrawal {
            self.live.withdrawal = Some(withdrawal);
        }
        let again = subscriber(&archive, &self.live, Known::Present, zone, self.now);
        if self.live.profile.is_some() {
            assert!(!again.writes(), "a second time changes nothing: {again:?}");
        }
    }

    fn step(&mut self, step: Step, zone: &TimeZone) {
        self.now = plus_seconds(self.now, 60);
        match step {
            Step::Confirm if self.live.is_restricted() => {}
            Step::Confirm => {
                let fresh = profile(self.now);
                match &mut self.live.profile {
                    Some(known) => {
                        known.lists = fresh.lists;
                        (known.ended_on, known.gone_at) = (None, None);
                    }
                    none => *none = Some(fresh),
                }
                if let Some(tombstone) = &mut self.live.tombstone {
                    tombstone.lifted_at = Some(self.now);
                }
                self.confirmed_at = Some(self.now);
                self.left.clear();
                self.restricted = false;
            }
            Step::LeaveNews => self.leave(&["news"], false),
            Step::LeaveAll => self.leave(&["news", "offers"], true),
            Step::Bounce if self.live.profile.is_some() => {
                self.bury(TombstoneKind::Bounced);
                let mut withdrawal = self.withdrawal();
                withdrawal.bounced_at = Some(self.now);
                self.live.withdrawal = Some(withdrawal);
                for name in ["news", "offers"] {
                    self.left.insert(list(name), self.now);
                }
            }
            Step::Restrict if self.live.profile.is_some() => {
                self.bury(TombstoneKind::Restricted);
                let mut withdrawal = self.withdrawal();
                withdrawal.restricted_at = Some(self.now);
                self.live.withdrawal = Some(withdrawal);
                self.restricted = true;
            }
            Step::Erase => {
                self.bury(TombstoneKind::Erased);
                (self.live.profile, self.live.withdrawal) = (None, None);
                self.erased_at = Some(self.now);
            }
            Step::Backup => {
                self.archive = self.live.profile.clone().map(|profile| ArchivedSubscriber {
                    profile,
                    withdrawal: self.live.withdrawal.clone(),
                });
            }
            Step::LoseProfile => self.live.profile = None,
            Step::LoseBoth => (self.live.profile, self.live.withdrawal) = (None, None),
            Step::Restore => self.restore(zone),
            Step::Wait => self.now = plus_days(self.now, 1),
            Step::Bounce | Step::Restrict => {}
        }
    }

    fn expect_promises_kept(&self) {
        let Some(profile) = &self.live.profile else {
            return;
        };
        if let Some(erased) = self.erased_at {
            assert!(profile.created_at > erased, "an erased person is back");
            assert!(self.confirmed_at > Some(erased));
        }
        for list in self.live.sendable_lists() {
            let since = profile.lists[&list].since;
            assert!(self.left.get(&list).is_none_or(|at| *at < since), "{list}");
        }
        assert!(!self.restricted || self.live.is_restricted(), "restricted");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn in_every_order_of_backup_leaving_erasure_and_restore_nobody_comes_back(
        steps in proptest::collection::vec(0..STEPS.len(), 1..18),
    ) {
        let vienna = zone("Europe/Vienna").unwrap();
        let mut model = Model::new();
        for step in steps {
            model.step(STEPS[step], &vienna);
            model.expect_promises_kept();
        }
    }
}

fn buried(kinds: &[(TombstoneKind, &str)], lifted: Option<&str>) -> Tombstone {
    Tombstone {
        rev: 1,
        at: kinds.iter().map(|(kind, time)| (*kind, at(time))).collect(),
        lifted_at: lifted.map(at),
        ..Tombstone::none(KEY)
    }
}

#[test]
fn each_kind_of_tombstone_bars_what_it_stands_for_and_an_expired_profile_stays_away() {
    use TombstoneKind::{Bounced, Complained, Erased, Objected, Restricted, Unsubscribed};
    let vienna = zone("Europe/Vienna").unwrap();
    let (joined, left, now) = (
        at("2027-01-01T00:00:00Z"),
        "2027-01-05T00:00:00Z",
        at("2027-01-10T00:00:00Z"),
    );
    let archived = ArchivedSubscriber {
        profile: profile(joined),
        withdrawal: None,
    };
    let replay = |tombstone: Option<Tombstone>, known, now| {
        let live = Person {
            tombstone,
            ..Person::unknown(KEY)
        };
        subscriber(&archived, &live, known, &vienna, now)
    };
    let back = replay(None, Known::Absent, now);
    assert_eq!(back.profile, Some(archived.profile.clone()));
    assert_eq!(back.withdrawal, None);
    for kind in [Unsubscribed, Objected, Bounced, Complained, Restricted] {
        let tombstone = buried(&[(kind, left)], None);
        let back = replay(Some(tombstone), Known::Absent, now);
        assert_eq!(back.fate, Fate::Added);
        let profile = back.profile.unwrap();
        let sendable = profile.sendable_lists(back.withdrawal.as_ref());
        let restricted = back.withdrawal.unwrap().is_restricted();
        assert!(sendable.is_empty() || restricted, "{kind:?}");
        let ends = matches!(kind, Unsubscribed | Objected);
        assert_eq!(profile.ended_on.is_some(), ends, "{kind:?}");
    }
    // An import that was dated while the request to leave was on its way brings nobody back.
    let late = ArchivedSubscriber {
        profile: profile(at("2027-01-05T00:00:02Z")),
        withdrawal: None,
    };
    for (kind, lifted, back) in [
        (Unsubscribed, None, false),
        (Objected, None, false),
        (Objected, Some("2027-01-05T00:00:02Z"), true),
    ] {
        let live = Person {
            tombstone: Some(buried(&[(kind, left)], lifted)),
            ..Person::unknown(KEY)
        };
        let replayed = subscriber(&late, &live, Known::Absent, &vienna, now);
        let sendable = replayed
            .profile
            .unwrap()
            .sendable_lists(replayed.withdrawal.as_ref());
        assert_eq!(!sendable.is_empty(), back, "{kind:?} {lifted:?}");
    }
    // The month after leaving is over: the data are due, wherever they come from.
    let tombstone = buried(&[(Unsubscribed, left)], None);
    let later = at("2027-02-06T00:00:00Z");
    let due = replay(Some(tombstone), Known::Absent, later);
    assert_eq!(due.fate, Fate::DroppedExpired);
    for lifted in [None, Some("2027-01-06T00:00:00Z")] {
        let tombstone = buried(&[(Erased, left)], lifted);
        let fate = replay(Some(tombstone), Known::Absent, now).fate;
        assert_eq!(fate, Fate::DroppedTombstone, "{lifted:?}");
    }
    let expired = replay(None, Known::Expired, now);
    assert_eq!(expired.fate, Fate::DroppedExpired);
}

#[test]
fn evidence_of_before_an_erasure_stays_away_and_later_evidence_comes_back() {
    let now = at("2027-01-10T00:00:00Z");
    let erased = &[(TombstoneKind::Erased, "2027-01-05T00:00:00Z")];
    let (stands, lifted) = (
        buried(erased, None),
        buried(erased, Some("2027-01-06T00:00:00Z")),
    );
    let (before, after) = (at("2027-01-04T00:00:00Z"), at("2027-01-06T00:00:00Z"));
    for (when, gone_at, tombstone, known, fate) in [
        (before, None, None, Known::Absent, Fate::Added),
        (
            before,
            None,
            Some(&stands),
            Known::Absent,
            Fate::DroppedTombstone,
        ),
        (
            after,
            None,
            Some(&stands),
            Known::Absent,
            Fate::DroppedTombstone,
        ),
        (
            before,
            None,
            Some(&lifted),
            Known::Absent,
            Fate::DroppedTombstone,
        ),
        (after, None, Some(&lifted), Known::Absent, Fate::Added),
        (after, None, Some(&lifted), Known::Present, Fate::Present),
        (before, Some(now), None, Known::Absent, Fate::DroppedExpired),
        (
            before,
            Some(plus_seconds(now, 1)),
            None,
            Known::Absent,
            Fate::Added,
        ),
        (before, None, None, Known::Expired, Fate::DroppedExpired),
    ] {
        assert_eq!(evidence(when, gone_at, tombstone, known, now), fate);
    }
}

#[test]
fn a_confirmed_sign_up_comes_back_over_one_that_an_older_archive_brought_back_unconfirmed() {
    let (asked, now) = (at("2027-01-01T00:00:00Z"), at("2027-01-10T00:00:00Z"));
    let pending: SignUp = serde_json::from_value(serde_json::json!({
        "event": EventId::from_bytes([1; 16]), "person": KEY, "rev": 1, "setup": "double",
        "mode": "double", "state": "pending", "email": "somebody@shop.example",
        "form_url": "https://shop.example/", "form_ip": "127.0.0.1", "signed_up_at": asked,
        "fields": [], "lists": [], "form_version": "1", "consent_wording": "Ja", "language": "de",
    }))
    .unwrap();
    let confirmed = SignUp {
        rev: 2,
        state: SignUpState::Confirmed,
        confirmed_at: Some(at("2027-01-02T00:00:00Z")),
        ..pending.clone()
    };
    let there = |revision, is_over| Known::Unconfirmed { revision, is_over };
    for (archived, known, fate, expect) in [
        (
            &confirmed,
            there(1, false),
            Fate::Added,
            Some(Expect::Revision(1)),
        ),
        (
            &confirmed,
            there(4, false),
            Fate::Added,
            Some(Expect::Revision(4)),
        ),
        (
            &confirmed,
            there(1, true),
            Fate::Added,
            Some(Expect::Absent),
        ),
        (&confirmed, Known::Present, Fate::Present, None),
        (&confirmed, Known::Absent, Fate::Added, Some(Expect::Absent)),
        (&pending, there(1, false), Fate::Present, None),
        (&pending, there(1, true), Fate::DroppedExpired, None),
    ] {
        let (found, put) = sign_up(archived, None, known, now);
        assert_eq!(found, fate, "{known:?}");
        let state = put.as_ref().map(|(put, _)| put.state);
        assert_eq!(state, expect.map(|_| archived.state), "{known:?}");
        let newer = put.as_ref().is_none_or(|(put, expect)| match expect {
            Expect::Revision(revision) => put.rev > *revision,
            Expect::Absent => true,
        });
        assert!(newer, "{known:?}");
        assert_eq!(put.map(|(_, expect)| expect), expect, "{known:?}");
    }
    // What an erasure took stays away.
    let erased = buried(&[(TombstoneKind::Erased, "2027-01-05T00:00:00Z")], None);
    let (fate, put) = sign_up(&confirmed, Some(&erased), there(1, false), now);
    assert_eq!((fate, put), (Fate::DroppedTombstone, None));
}

#[test]
fn what_a_hold_keeps_today_comes_back_although_its_archive_says_that_it_is_over() {
    let vienna = zone("Europe/Vienna").unwrap();
    let now = at("2027-03-10T00:00:00Z");
    let archived = ArchivedSubscriber {
        profile: Profile {
            ended_on: Some("2027-01-31".parse().unwrap()),
            gone_at: Some(at("2027-02-28T23:00:00Z")),
            ..profile(at("2027-01-01T00:00:00Z"))
        },
        withdrawal: None,
    };
    let until = "2034-12-31".parse().unwrap();
    let placed = at("2027-02-10T00:00:00Z");
    let hold = hold::Hold::new("§ 132 BAO".to_owned(), until, &vienna, placed).unwrap();
    for (hold, fate) in [(Some(hold), Fate::Added), (None, Fate::DroppedExpired)] {
        let live = Person {
            withdrawal: Some(Withdrawal {
                rev: 1,
                hold,
                ..Withdrawal::none(KEY)
            }),
            ..Person::unknown(KEY)
        };
        let back = subscriber(&archived, &live, Known::Absent, &vienna, now);
        assert_eq!(back.fate, fate);
        if let Some(profile) = back.profile {
            assert_eq!(profile.gone_at, None, "nothing sweeps it");
            assert!(profile.ended_on.is_some(), "its end counts again after it");
        }
    }
}

#[test]
fn a_line_of_two_persons_or_of_none_is_no_subscriber() {
    let archived = profile(at("2027-01-01T00:00:00Z"));
    let mut line = serde_json::to_value(&archived).unwrap();
    line["kind"] = "profile".into();
    let read = ArchivedSubscriber::parse(&line.to_string()).unwrap();
    assert_eq!(read.profile, archived);
    let own = Withdrawal::none(KEY);
    line["withdrawal"] = serde_json::to_value(&own).unwrap();
    let read = ArchivedSubscriber::parse(&line.to_string()).unwrap();
    assert_eq!(read.withdrawal, Some(own));
    let other = Withdrawal::none(PersonKey::from_bytes([8; 16]));
    line["withdrawal"] = serde_json::to_value(&other).unwrap();
    for line in [line.to_string(), "{}".to_owned(), "[".to_owned()] {
        assert_eq!(ArchivedSubscriber::parse(&line), None);
    }
}
