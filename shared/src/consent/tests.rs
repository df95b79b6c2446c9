//! Walks through a person's consent history, against a small model of the store: a map with the
//! same conditions.

mod left_lists;
mod purposes;
mod succession;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::account::Account;
use crate::address::EmailAddress;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::id::{AccountId, ImportId, SetupId};
use crate::import::{Import, ImportRequest, Provenance};
use crate::key::Key;
use crate::page_language::Language;
use crate::person::Standing;
use crate::record::{Step, Stored};
use crate::setup::{List, Redirects, Setup, SetupField};
use crate::subscriber_file::Layout;
use crate::time::{plus_seconds, zone};

/// A store that knows conditions and expiry, and nothing else.
struct Model {
    scope: AccountScope,
    items: HashMap<Key, Record>,
    now: Timestamp,
    entropy: SeededEntropy,
}

#[derive(Debug, PartialEq)]
struct Conflict;

impl Model {
    fn new() -> Self {
        let secrets =
            PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let entropy = SeededEntropy::new(11);
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let account = Account {
            id: AccountId::parse("demo").unwrap(),
            rev: 1,
            name: "Muster GmbH".to_owned(),
            imprint: String::new(),
            privacy_url: String::new(),
            language: Language::De,
            time_zone: "Europe/Vienna".to_owned(),
            contact: String::new(),
            sender_domains: Vec::new(),
            key: AccountKeyMaterial::generate(&secrets, &entropy),
            has_address_rules: false,
            tombstones_marked: false,
            automated_decisions: false,
            audit_months: None,
            created_at: now,
            evidence_years_after_erasure: crate::account::MAX_EVIDENCE_YEARS,
            unsubscribe_setup: None,
            closed_at: None,
            gone_at: None,
        };
        Self {
            scope: account.scope(&secrets, now).unwrap(),
            items: HashMap::new(),
            now,
            entropy,
        }
    }

    fn event(&self) -> EventId {
        EventId::generate(self.now, &self.entropy)
    }

    fn get(&self, key: &Key) -> Option<&Record> {
        self.items
            .get(key)
            .filter(|record| record.expires_at().is_none_or(|at| at > self.now))
    }

    fn person(&self, key: PersonKey) -> Person {
        let mut person = Person::unknown(key);
        if let Some(Record::Profile(profile)) = self.get(&self.scope.profile(key)) {
            person.profile = Some(profile.as_ref().clone());
        }
        if let Some(Record::Withdrawal(withdrawal)) = self.get(&self.scope.withdrawal(key)) {
            person.withdrawal = Some(withdrawal.clone());
        }
        if let Some(Record::Tombstone(tombstone)) = self.get(&self.scope.tombstone(key)) {
            person.tombstone = Some(tombstone.clone());
        }
        person
    }

    fn sign_ups(&self, key: PersonKey) -> Vec<SignUp> {
        let mut all: Vec<SignUp> = self
            .items
            .keys()
            .filter_map(|key| match self.get(key)? {
                Record::SignUp(sign_up) => Some(sign_up.as_ref().clone()),
                _ => None,
            })
            .filter(|sign_up| sign_up.person == key)
            .collect();
        all.sort_by_key(|sign_up| sign_up.event);
        all
    }

    fn holds(&self, key: &Key, expect: Expect) -> bool {
        match (self.get(key), expect) {
            (None, Expect::Absent) => true,
            (Some(record), Expect::Revision(revision)) => record.revision() == revision,
            _ => false,
        }
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), Conflict> {
        let held = transaction.0.iter().all(|step| match step {
            Step::Put(record, expect) => self.holds(&record.key(&self.scope), *expect),
            Step::Check(key, expect) | Step::Delete(key, expect) => self.holds(key, *expect),
            Step::Tell(_) => true,
        });
        if !held {
            return Err(Conflict);
        }
        for step in &transaction.0 {
            match step {
                Step::Put(record, _) => {
                    self.items.insert(record.key(&self.scope), record.clone());
                }
                Step::Delete(key, _) => {
                    self.items.remove(key);
                }
                Step::Check(..) | Step::Tell(_) => {}
            }
        }
        Ok(())
    }

    fn sign_up(&mut self, mode: Mode, lists: &[&str], address: &str) -> SignUpDecision {
        let form = form(mode, lists);
        let address = EmailAddress::parse(address).unwrap();
        let person = self.person(self.scope.person(&address));
        let decision = sign_up(
            &self.scope,
            &person,
            SignUpRequest {
                form: &form,
                submission: Submission {
                    address,
                    values: BTreeMap::from([(
                        FieldKey::parse("first_name").unwrap(),
                        FieldValue::One(PersonalText::parse("Erika").unwrap()),
                    )]),
                    lists: form.setup.lists.clone(),
                    interests: Vec::new(),
                    tracking_consent: false,
                    profiling_consent: false,
                    age_confirmed: false,
                    honeypot: false,
                    form_time: None,
                },
                origin: FormOrigin {
                    ip: ClientIp::parse("127.1.2.3").unwrap(),
                    claimed: None,
                },
                is_suppressed: false,
                event: self.event(),
                entry: self.entry(),
                outbox: self.event(),
                now: self.now,
            },
        );
        self.commit(&decision.transaction).unwrap();
        decision
    }

    fn entry(&self) -> Entry {
        Entry::generate(self.now, &self.entropy)
    }

    fn press(&self) -> Press {
        Press {
            ip: ClientIp::parse("127.9.9.9").unwrap(),
            entry: self.entry(),
            now: self.now,
        }
    }

    fn confirm(&mut self, address: &str, event: EventId) -> Result<Confirmation, ConfirmRefusal> {
        let key = self.scope.person(&EmailAddress::parse(address).unwrap());
        let sign_ups = self.sign_ups(key);
        let (this, others): (Vec<_>, Vec<_>) = sign_ups
            .into_iter()
            .partition(|sign_up| sign_up.event == event);
        let by = self.press();
        let answer = confirm(&self.scope, &self.person(key), this.first(), &others, by)?;
        if let Confirmation::Complete(transaction) = &answer {
            self.commit(transaction).unwrap();
        }
        Ok(answer)
    }

    fn leave(&mut self, address: &str, list: Option<&str>) -> bool {
        let key = self.scope.person(&EmailAddress::parse(address).unwrap());
        let leaving = Leaving {
            list: list.map(|list| ListId::parse(list).unwrap()),
            via: UnsubscribedVia::OneClick,
            campaign: None,
            event: self.event(),
            entry: self.entry(),
            now: self.now,
        };
        let zone = zone("Europe/Vienna").unwrap();
        let decision = leave(&self.scope, &self.person(key), &leaving, &zone);
        if let Some(transaction) = &decision {
            self.commit(transaction).unwrap();
        }
        decision.is_some()
    }

    /// A row of an import for the list `news`.
    fn import(&mut self, address: &str, proven: bool) {
        let address = EmailAddress::parse(address).unwrap();
        let person = self.person(self.scope.person(&address));
        let file = format!("email\n{}\n", address.reveal());
        let request = ImportRequest {
            id: ImportId::generate(self.now, &self.entropy),
            provenance: Provenance {
                source: "Messe".to_owned(),
                legal_basis: LegalBasis::Consent,
                consented_on: proven.then(|| day_in(self.now, &TimeZone::UTC)),
                proof: proven.then(|| "Formular".to_owned()),
                conditions: BTreeSet::new(),
            },
            list: ListId::parse("news").unwrap(),
            dry_run: false,
            now: self.now,
        };
        let layout = Layout::of_file(file.as_bytes(), &[]).unwrap();
        let (import, chunks) = Import::of_file(&self.scope, request, layout, file.as_bytes());
        let rows = import
            .layout
            .read_chunk(&chunks[0].place, &file.as_bytes()[chunks[0].place.start..]);
        let people = [(person.key, person)].into();
        let mut batch = chunks[0].step(&self.scope, &import, Language::De, &rows, &people);
        // The chunk itself is not stored here.
        batch.transaction.0.pop();
        self.commit(&batch.transaction).unwrap();
    }

    fn active(&self, address: &str) -> Vec<String> {
        let key = self.scope.person(&EmailAddress::parse(address).unwrap());
        self.person(key)
            .active_lists()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn wait(&mut self, seconds: i64) {
        self.now = plus_seconds(self.now, seconds);
    }
}

fn form(mode: Mode, lists: &[&str]) -> FormDefinition {
    let lists: Vec<List> = lists
        .iter()
        .map(|id| List {
            id: ListId::parse(id).unwrap(),
            rev: 1,
            name: format!("List {id}"),
        })
        .collect();
    FormDefinition {
        setup: Setup {
            id: SetupId::parse("form").unwrap(),
            rev: 1,
            name: "Form".to_owned(),
            mode,
            justification: None,
            lists: lists.iter().map(|list| list.id.clone()).collect(),
            fields: vec![SetupField {
                key: FieldKey::parse("first_name").unwrap(),
                required: false,
                purpose: None,
                without_year: false,
            }],
            interests: Vec::new(),
            publication: crate::setup::Publication::default(),
            email_purpose: None,
            asks_tracking_consent: false,
            asks_profiling_consent: false,
            addresses_minors: false,
            minimum_age: None,
            form_url: "https://shop.example/newsletter".to_owned(),
            redirects: Redirects::default(),
            redirect_hosts: Vec::new(),
            language: Language::De,
            confirm_days: 7,
            reminder_days: 0,
            consent_wording: None,
            notice_version: None,
            hourly_budget: 100,
        },
        lists,
        declared: Vec::new(),
        interests: Vec::new(),
        controller: "Muster GmbH".to_owned(),
        notice_version: crate::evidence::Digest::of(&[]),
    }
}

const WHO: &str = "Erika@muster.example";
const DAY: i64 = 86_400;

#[test]
fn single_and_confirmed_are_active_at_once_and_double_is_nobody_until_confirmed() {
    for (mode, active, mails, state) in [
        (Mode::Single, true, false, SignUpState::Active),
        (Mode::Confirmed, true, true, SignUpState::Active),
        (Mode::Double, false, true, SignUpState::Pending),
    ] {
        let mut model = Model::new();
        let decision = model.sign_up(mode, &["news"], WHO);
        assert_eq!(decision.mails, mails, "{mode:?}");
        assert_eq!(!model.active(WHO).is_empty(), active, "{mode:?}");
        let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
        let evidence = &model.sign_ups(key)[0];
        assert_eq!(
            (evidence.state, evidence.subscriber.is_some()),
            (state, active),
            "{mode:?}"
        );
        assert_eq!(
            (evidence.confirmed_at, evidence.confirm_ip),
            (None, None),
            "{mode:?}"
        );
    }
}

#[test]
fn confirming_sets_time_address_and_subscriber_together_and_once() {
    let mut model = Model::new();
    let decision = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(60);
    assert!(matches!(
        model.confirm(WHO, decision.sign_up),
        Ok(Confirmation::Complete(_))
    ));
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let evidence = model.sign_ups(key).remove(0);
    assert_eq!(evidence.confirmed_at, Some(model.now));
    assert_eq!(evidence.subscriber, Some(key));
    assert_eq!(
        evidence.confirm_ip.map(|ip| ip.reveal()),
        Some("127.9.9.9".to_owned())
    );
    assert_eq!(evidence.expires_at(), None);
    model.wait(60);
    assert_eq!(
        model.confirm(WHO, decision.sign_up),
        Ok(Confirmation::AlreadyComplete)
    );
    assert_eq!(model.sign_ups(key), [evidence]);
}

#[test]
fn an_unconfirmed_sign_up_lives_seven_days_less_a_second() {
    let mut model = Model::new();
    let decision = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(7 * DAY - 1);
    assert!(matches!(
        model.confirm(WHO, decision.sign_up),
        Ok(Confirmation::Complete(_))
    ));

    let mut model = Model::new();
    let decision = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(7 * DAY);
    assert_eq!(
        model.confirm(WHO, decision.sign_up),
        Err(ConfirmRefusal::NothingToConfirm)
    );
}

#[test]
fn leaving_voids_every_older_sign_up_and_only_a_later_double_opt_in_brings_back() {
    let mut model = Model::new();
    model.sign_up(Mode::Single, &["news"], WHO);
    let pending = model.sign_up(Mode::Double, &["news", "offers"], WHO);
    model.wait(60);
    assert!(
        model.leave("erika@MUSTER.example", None),
        "every spelling is the same person"
    );
    assert!(model.active(WHO).is_empty());
    assert_eq!(
        model.confirm(WHO, pending.sign_up),
        Err(ConfirmRefusal::Withdrawn)
    );

    model.wait(60);
    for mode in [Mode::Single, Mode::Confirmed] {
        let decision = model.sign_up(mode, &["news"], WHO);
        assert!(
            !decision.mails && model.active(WHO).is_empty(),
            "{mode:?} lifts nothing"
        );
    }
    let again = model.sign_up(Mode::Double, &["news"], WHO);
    assert!(again.mails && model.active(WHO).is_empty());
    model.wait(60);
    assert!(matches!(
        model.confirm(WHO, again.sign_up),
        Ok(Confirmation::Complete(_))
    ));
    assert_eq!(model.active(WHO), ["news"]);
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let person = model.person(key);
    assert!(
        !person.is_blocked() && person.tombstone.is_some(),
        "lifted, never deleted"
    );
    assert_eq!(person.profile.unwrap().gone_at, None);
}

#[test]
fn leaving_one_list_keeps_the_others_and_leaving_the_last_ends_the_relationship() {
    let mut model = Model::new();
    model.sign_up(Mode::Single, &["news", "offers"], WHO);
    model.wait(1);
    assert!(model.leave(WHO, Some("news")));
    assert_eq!(model.active(WHO), ["offers"]);
    assert!(
        !model.leave(WHO, Some("news")),
        "there is nothing left to leave"
    );
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    assert_eq!(model.person(key).profile.unwrap().ended_on, None);
    assert!(model.leave(WHO, Some("offers")));
    let person = model.person(key);
    let profile = person.profile.clone().unwrap();
    assert_eq!(profile.ended_on, Some("2026-11-23".parse().unwrap()));
    assert_eq!(
        profile.gone_at,
        Some("2026-12-24T00:00:00+01:00".parse().unwrap())
    );
    assert_eq!(
        profile.standing(person.withdrawal.as_ref()),
        Standing::Unsubscribed
    );
    assert!(person.is_blocked());
}

#[test]
fn who_has_it_all_is_not_mailed_again_and_keeps_their_data() {
    let mut model = Model::new();
    model.sign_up(Mode::Confirmed, &["news"], WHO);
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let before = model.person(key).profile.unwrap();
    for mode in [Mode::Confirmed, Mode::Double] {
        assert!(!model.sign_up(mode, &["news"], WHO).mails, "{mode:?}");
    }
    let after = model.person(key).profile.unwrap();
    assert_eq!(
        (after.values, after.lists, after.address),
        (before.values, before.lists, before.address)
    );
    assert!(
        model
            .sign_up(Mode::Confirmed, &["news", "offers"], WHO)
            .mails
    );
    assert_eq!(model.active(WHO), ["news", "offers"]);
}

#[test]
fn confirming_one_of_two_sign_ups_supersedes_the_other() {
    let mut model = Model::new();
    let first = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(700);
    let second = model.sign_up(Mode::Double, &["news"], "erika@muster.example");
    assert!(matches!(
        model.confirm(WHO, second.sign_up),
        Ok(Confirmation::Complete(_))
    ));
    assert_eq!(
        model.confirm(WHO, first.sign_up),
        Ok(Confirmation::AlreadyComplete)
    );
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    assert_eq!(
        model
            .sign_ups(key)
            .iter()
            .map(|sign_up| sign_up.state)
            .collect::<Vec<_>>(),
        [SignUpState::Superseded, SignUpState::Confirmed]
    );
    assert_eq!(
        model.person(key).profile.unwrap().address.reveal(),
        "erika@muster.example"
    );
}

#[test]
fn two_confirmations_of_the_same_moment_cannot_both_be_written() {
    let mut model = Model::new();
    let decision = model.sign_up(Mode::Double, &["news"], WHO);
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let by = model.press();
    let sign_up = model.sign_ups(key).remove(0);
    assert_eq!(sign_up.event, decision.sign_up);
    let both: Vec<Confirmation> = (0..2)
        .map(|_| confirm(&model.scope, &model.person(key), Some(&sign_up), &[], by).unwrap())
        .collect();
    let [
        Confirmation::Complete(first),
        Confirmation::Complete(second),
    ] = &both[..]
    else {
        panic!("{both:?}")
    };
    assert_eq!(model.commit(first), Ok(()));
    assert_eq!(model.commit(second), Err(Conflict));
}

#[test]
fn who_objects_at_the_moment_they_are_subscribed_has_objected_to_that_too() {
    let mut model = Model::new();
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let zone = zone("Europe/Vienna").unwrap();
    let leaving = Leaving {
        list: None,
        via: UnsubscribedVia::Controller,
        campaign: None,
        event: model.event(),
        entry: model.entry(),
        now: model.now,
    };
    let decided = object(&model.scope, &model.person(key), &leaving, &zone);
    model.sign_up(Mode::Single, &["news"], WHO);
    assert_eq!(model.commit(&decided), Err(Conflict));
    let anew = object(&model.scope, &model.person(key), &leaving, &zone);
    model.commit(&anew).unwrap();
    assert!(model.person(key).sendable_lists().is_empty());
}

#[test]
fn what_was_read_of_a_profile_that_is_over_is_not_written_over_a_new_one() {
    let mut model = Model::new();
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let zone = zone("Europe/Vienna").unwrap();
    model.sign_up(Mode::Single, &["news", "offers"], WHO);
    let before = model.person(key);
    let sent = [(
        "first_name".to_owned(),
        crate::form::SentValue::Text("Anna".to_owned()),
    )];
    let Rectified::Write(decided) = rectify(&model.scope, &before, &[], &sent, model.now) else {
        panic!("another name");
    };
    // Meanwhile the relationship turns out to have ended long ago, and begins anew.
    let profile = before.profile.as_ref().unwrap();
    let long_ago = day_in(plus_seconds(model.now, -40 * DAY), &zone);
    let over = end(profile, long_ago, &zone, model.now).unwrap().unwrap();
    let mut ends = Transaction::default();
    ends.put(
        Record::Profile(Box::new(over)),
        Expect::Revision(profile.rev),
    );
    model.commit(&ends).unwrap();
    assert_eq!(model.person(key).profile, None);
    model.wait(1);
    model.sign_up(Mode::Single, &["news"], WHO);
    assert_eq!(model.commit(&decided), Err(Conflict));
    assert!(
        !model
            .person(key)
            .active_lists()
            .contains(&ListId::parse("offers").unwrap())
    );
}

#[test]
fn a_bounce_bars_until_a_later_double_opt_in() {
    let mut model = Model::new();
    model.sign_up(Mode::Single, &["news"], WHO);
    model.wait(60);
    let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
    let transaction = bar(&model.person(key), Barred::Bounced, model.now).unwrap();
    model.commit(&transaction).unwrap();
    assert_eq!(
        bar(&model.person(key), Barred::Bounced, model.now),
        None,
        "twice is once"
    );
    let person = model.person(key);
    assert_eq!(
        person
            .profile
            .as_ref()
            .unwrap()
            .standing(person.withdrawal.as_ref()),
        Standing::Bounced
    );
    model.wait(60);
    assert!(!model.sign_up(Mode::Confirmed, &["news"], WHO).mails);
    let again = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(60);
    assert!(matches!(
        model.confirm(WHO, again.sign_up),
        Ok(Confirmation::Complete(_))
    ));
    assert_eq!(model.active(WHO), ["news"]);
}

#[derive(Debug, Clone)]
enum Event {
    SignUp(Mode),
    Confirm(usize),
    Leave(Option<usize>),
    Bar(Barred),
    Import(bool),
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        prop_oneof![
            Just(Mode::Single),
            Just(Mode::Confirmed),
            Just(Mode::Double)
        ]
        .prop_map(Event::SignUp),
        (0_usize..6).prop_map(Event::Confirm),
        proptest::option::of(0_usize..2).prop_map(Event::Leave),
        prop_oneof![Just(Barred::Bounced), Just(Barred::Complained)].prop_map(Event::Bar),
        any::<bool>().prop_map(Event::Import),
        prop_oneof![
            Just(1_i64),
            Just(700),
            Just(DAY),
            Just(8 * DAY),
            Just(40 * DAY)
        ]
        .prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Over any history: whoever may be mailed has evidence that is newer than their last
    /// withdrawal, complete, and, once suppressed, confirmed; imports bring back nobody, and what
    /// they said of a person is never lost.
    #[test]
    fn nobody_is_active_without_evidence_newer_than_their_withdrawal(events in prop::collection::vec(event(), 1..30)) {
        let mut model = Model::new();
        let key = model.scope.person(&EmailAddress::parse(WHO).unwrap());
        let lists = ["news", "offers"];
        let mut left_all_at: Option<Timestamp> = None;
        let mut ever_left = false;
        let mut left_lists = std::collections::BTreeSet::new();
        let mut list_left_at = BTreeMap::new();
        let mut said = Vec::new();
        for event in events {
            model.wait(1);
            match event {
                Event::SignUp(mode) => { model.sign_up(mode, &lists, WHO); }
                Event::Confirm(which) => {
                    if let Some(sign_up) = model.sign_ups(key).get(which) {
                        let _ = model.confirm(WHO, sign_up.event);
                    }
                }
                Event::Leave(list) => {
                    let before = model.person(key).active_lists();
                    model.leave(WHO, list.map(|list| lists[list]));
                    let after = model.person(key).active_lists();
                    left_lists.extend(before.difference(&after).cloned());
                    list_left_at.extend(before.difference(&after).map(|list| (list.clone(), model.now)));
                    if list.is_none() && model.person(key).profile.is_some() {
                        left_all_at = Some(model.now);
                        ever_left = true;
                    }
                }
                Event::Bar(why) => {
                    if let Some(transaction) = bar(&model.person(key), why, model.now) {
                        model.commit(&transaction).unwrap();
                        left_all_at = Some(model.now);
                        ever_left = true;
                    }
                }
                Event::Import(proven) => model.import(WHO, proven),
                Event::Wait(seconds) => model.wait(seconds),
            }
            let person = model.person(key);
            let Some(profile) = &person.profile else {
                said.clear();
                continue;
            };
            prop_assert!(profile.provenance.starts_with(&said), "append-only");
            said.clone_from(&profile.provenance);
            prop_assert!(person.sendable_lists().is_subset(&person.active_lists()));
            for list in person.sendable_lists() {
                let consent = &profile.lists[&list];
                prop_assert!(left_all_at.is_none_or(|at| consent.since > at));
                let event = match &consent.proof {
                    Proof::SignUp(event) => *event,
                    Proof::Import(import) => {
                        let proof = said.iter().find(|said| said.import == *import).unwrap();
                        prop_assert!(proof.provenance.is_sendable() && proof.at == consent.since);
                        prop_assert!(!left_lists.contains(&list), "an import brings nobody back");
                        continue;
                    }
                };
                let evidence = model.sign_ups(key).into_iter().find(|sign_up| sign_up.event == event).unwrap();
                prop_assert_eq!(evidence.subscriber, Some(key));
                prop_assert!(evidence.lists.iter().any(|asked| asked.id == list));
                prop_assert!(left_all_at.is_none_or(|at| evidence.signed_up_at > at), "no link from before leaving");
                let renewed = |at: &Timestamp| evidence.mode == Mode::Double && evidence.signed_up_at > *at;
                prop_assert!(list_left_at.get(&list).is_none_or(renewed), "a list that was left comes back by a later double opt-in");
                let confirmed = evidence.state == SignUpState::Confirmed && evidence.confirmed_at.is_some() && evidence.confirm_ip.is_some();
                prop_assert!(confirmed || evidence.mode.activates_at_once());
                prop_assert!(!ever_left || evidence.mode == Mode::Double || person.tombstone.as_ref().is_some_and(|t| t.lifted_at.is_some()), "only a double opt-in lifts");
            }
        }
    }
}
