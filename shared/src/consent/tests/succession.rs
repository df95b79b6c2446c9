//! Changes of address: what waits, what is taken over, and what voids it.

use super::*;
use crate::erasure::{AskedBy, Decision, Known, erase};
use crate::hold::{self, Hold};

/// What becomes of the old address while the change waits.
type Happens = fn(&mut Model);

const NEW: &str = "erika@neu.example";

fn key(model: &Model, address: &str) -> PersonKey {
    model.scope.person(&EmailAddress::parse(address).unwrap())
}

/// The old address on these lists, with data and consents, and the change asked for.
fn asked(lists: &[&str]) -> (Model, EventId) {
    let mut model = Model::new();
    let first = model.sign_up(Mode::Double, lists, WHO);
    model.confirm(WHO, first.sign_up).unwrap();
    change_profile(&mut model, |profile| {
        profile.tracking_since = Some(profile.created_at);
        profile.profiling_since = Some(profile.created_at);
        profile.customer = true;
    });
    model.wait(DAY);
    let event = ask(&mut model, lists);
    (model, event)
}

fn change_profile(model: &mut Model, change: impl FnOnce(&mut Profile)) {
    let mut profile = model.person(key(model, WHO)).profile.unwrap();
    let before = profile.rev;
    change(&mut profile);
    profile.rev += 1;
    let mut transaction = Transaction::default();
    transaction.put(Record::Profile(Box::new(profile)), Expect::Revision(before));
    model.commit(&transaction).unwrap();
}

/// The question to the new address, as `address_change` asks it.
fn question(model: &Model, lists: &[&str]) -> SignUpDecision {
    let mut form = form(Mode::Double, lists);
    form.setup.fields = Vec::new();
    form.setup.consent_wording = Some(change_wording(&form));
    let request = SignUpRequest {
        submission: Submission {
            address: EmailAddress::parse(NEW).unwrap(),
            values: BTreeMap::new(),
            lists: form.setup.lists.clone(),
            interests: Vec::new(),
            tracking_consent: false,
            profiling_consent: false,
            age_confirmed: false,
            honeypot: false,
            form_time: None,
        },
        form: &form,
        origin: FormOrigin {
            ip: ClientIp::parse("127.1.2.3").unwrap(),
            claimed: None,
        },
        is_suppressed: false,
        event: model.event(),
        entry: model.entry(),
        outbox: model.event(),
        now: model.now,
    };
    sign_up(&model.scope, &model.person(key(model, NEW)), request)
}

fn ask(model: &mut Model, lists: &[&str]) -> EventId {
    let mut decision = question(model, lists);
    let former = model.person(key(model, WHO));
    let transaction = &mut decision.transaction;
    assert!(follow(transaction, &model.scope, &former));
    model.commit(transaction).unwrap();
    decision.sign_up
}

fn leaving(model: &Model, list: Option<&str>) -> Leaving {
    Leaving {
        list: list.map(|list| ListId::parse(list).unwrap()),
        via: UnsubscribedVia::Preferences,
        campaign: None,
        event: model.event(),
        entry: model.entry(),
        now: model.now,
    }
}

/// What pressing the button in the mail to the new address decides now.
fn decide(model: &Model, event: EventId) -> Result<Confirmation, ConfirmRefusal> {
    let (this, others): (Vec<_>, Vec<_>) = model
        .sign_ups(key(model, NEW))
        .into_iter()
        .partition(|sign_up| sign_up.event == event);
    let this = this.first().ok_or(ConfirmRefusal::NothingToConfirm)?;
    let zone = zone("Europe/Vienna").unwrap();
    let former = model.person(key(model, WHO));
    let leaving = leaving(model, None);
    let from = Succession {
        former: &former,
        leaving: &leaving,
        zone: &zone,
    };
    let person = model.person(key(model, NEW));
    take_over(&model.scope, &person, this, &others, model.press(), from)
}

fn press(model: &mut Model, event: EventId) -> Result<Confirmation, ConfirmRefusal> {
    let answer = decide(model, event)?;
    if let Confirmation::Complete(transaction) = &answer {
        let mut places: Vec<Key> = Vec::new();
        for step in &transaction.0 {
            places.extend(match step {
                Step::Put(record, _) => Some(record.key(&model.scope)),
                Step::Check(place, _) | Step::Delete(place, _) => Some(place.clone()),
                Step::Tell(_) => None,
            });
        }
        let once: std::collections::HashSet<&Key> = places.iter().collect();
        assert_eq!(once.len(), places.len(), "no item twice (A-22)");
        model.commit(transaction).unwrap();
    }
    Ok(answer)
}

fn erase_old(model: &mut Model) {
    let person = model.person(key(model, WHO));
    let sign_ups = model.sign_ups(person.key);
    let known = Known {
        person: &person,
        sign_ups: &sign_ups,
        unsubscriptions: &[],
        before: &[],
        is_quarantined: false,
        expired: None,
        is_named: false,
        linked: &[],
    };
    let event = model.event();
    let decided = erase(&model.scope, known, event, AskedBy::Person, model.now);
    let Decision::Erase(transaction, _) = decided else {
        panic!("{decided:?}")
    };
    model.commit(&transaction).unwrap();
}

fn object_old(model: &mut Model) {
    let leaving = leaving(model, None);
    let zone = zone("Europe/Vienna").unwrap();
    let person = model.person(key(model, WHO));
    let transaction = object(&model.scope, &person, &leaving, &zone);
    model.commit(&transaction).unwrap();
}

fn restrict_old(model: &mut Model) {
    let transaction = restrict(&model.person(key(model, WHO)), model.now).unwrap();
    model.commit(&transaction).unwrap();
}

fn restrict_old_and_lift_it(model: &mut Model) {
    restrict_old(model);
    model.wait(1);
    let transaction = lift_restriction(&model.person(key(model, WHO)), model.now).unwrap();
    model.commit(&transaction).unwrap();
}

fn hold_old(model: &mut Model) {
    let zone = zone("Europe/Vienna").unwrap();
    let until = "2027-12-31".parse().unwrap();
    let hold = Hold::new("§ 132 BAO".to_owned(), until, &zone, model.now).unwrap();
    let person = model.person(key(model, WHO));
    let transaction = hold::place(&model.scope, &person, hold).unwrap();
    model.commit(&transaction).unwrap();
}

fn end_old(model: &mut Model) {
    let zone = zone("Europe/Vienna").unwrap();
    let today = day_in(model.now, &zone);
    change_profile(model, |profile| *profile = ended(profile, today, &zone));
}

fn leave_old(model: &mut Model) {
    assert!(model.leave(WHO, None));
}

fn leave_old_list_by_list(model: &mut Model) {
    assert!(model.leave(WHO, Some("news")) && model.leave(WHO, Some("offers")));
}

fn leave_old_and_come_back(model: &mut Model) {
    leave_old(model);
    model.wait(1);
    let again = model.sign_up(Mode::Double, &["news"], WHO);
    model.confirm(WHO, again.sign_up).unwrap();
}

fn erase_old_and_come_back(model: &mut Model) {
    erase_old(model);
    model.wait(1);
    let again = model.sign_up(Mode::Double, &["news"], WHO);
    model.confirm(WHO, again.sign_up).unwrap();
}

fn lose_old(model: &mut Model) {
    let place = model.scope.profile(key(model, WHO));
    model.items.remove(&place);
}

#[test]
fn whatever_ends_the_old_address_voids_its_change() {
    let causes: [(&str, Happens); 11] = [
        ("erased", erase_old),
        ("erased and back", erase_old_and_come_back),
        ("objected", object_old),
        ("left", leave_old),
        ("left list by list", leave_old_list_by_list),
        ("left and back", leave_old_and_come_back),
        ("restricted", restrict_old),
        ("restricted for a while", restrict_old_and_lift_it),
        ("held", hold_old),
        ("ended", end_old),
        ("gone", lose_old),
    ];
    for (cause, happens) in causes {
        // At the same instant it is void, too.
        for seconds in [0, 3_600] {
            let (mut model, event) = asked(&["news", "offers"]);
            model.wait(seconds);
            happens(&mut model);
            let before = model.items.clone();
            assert!(press(&mut model, event).is_err(), "{cause}, {seconds}");
            assert!(model.items == before, "{cause}, {seconds}");
            let former = model.person(key(&model, WHO));
            let waits = model.sign_ups(key(&model, NEW)).remove(0);
            assert!(taken(&former, &waits).is_err(), "{cause}: no mail, no page");
            // Nor may one be asked for in that state.
            if !cause.ends_with("back") {
                model.wait(1);
                let mut anew = question(&model, &["offers"]).transaction;
                let may = cause == "restricted for a while";
                assert_eq!(follow(&mut anew, &model.scope, &former), may, "{cause}");
            }
        }
    }
}

#[test]
fn what_was_left_or_withdrawn_in_between_does_not_come_back() {
    let (mut model, event) = asked(&["news", "offers", "events"]);
    model.wait(60);
    assert!(model.leave(WHO, Some("offers")));
    change_profile(&mut model, |profile| {
        profile.tracking_since = None;
        profile.values.clear();
    });
    model.wait(60);
    assert!(matches!(
        press(&mut model, event),
        Ok(Confirmation::Complete(_))
    ));
    assert_eq!(model.active(NEW), ["events", "news"]);
    assert!(model.active(WHO).is_empty());
    let new = model.person(key(&model, NEW)).profile.unwrap();
    let old = model.person(key(&model, WHO)).profile.unwrap();
    assert_eq!(new.tracking_since, None);
    assert_eq!(new.profiling_since, old.profiling_since);
    assert!(new.values.is_empty() && new.customer && !old.customer);
    assert!(
        new.lists
            .values()
            .all(|consent| consent.proof == Proof::SignUp(event))
    );
    assert!(old.ended_on.is_some(), "its relationship goes on elsewhere");
    // A second press changes nothing.
    assert_eq!(press(&mut model, event), Ok(Confirmation::AlreadyComplete));
}

#[test]
fn both_addresses_are_linked_in_both_directions_once_it_is_confirmed() {
    let (mut model, event) = asked(&["news"]);
    assert!(formers(&model.sign_ups(key(&model, NEW))).is_empty());
    press(&mut model, event).unwrap();
    assert_eq!(
        formers(&model.sign_ups(key(&model, NEW))),
        [key(&model, WHO)]
    );
    let left: Vec<Unsubscription> = model
        .items
        .values()
        .filter_map(|record| match record {
            Record::Unsubscription(left) => Some(left.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(left[0].via, UnsubscribedVia::AddressChanged);
    assert_eq!(successors(&left), [key(&model, NEW)]);
    let profile = model.person(key(&model, NEW)).profile.unwrap();
    assert_eq!(profile.address.reveal(), NEW);
    assert_eq!(profile.values.len(), 1);
}

#[test]
fn a_change_that_waits_is_a_copy_of_nothing_and_states_only_what_is_so() {
    let (mut model, event) = asked(&["news"]);
    let waits = model.sign_ups(key(&model, NEW)).remove(0);
    assert_eq!(waits.former, Some(key(&model, WHO)));
    assert_eq!(
        (
            waits.tracking_consent,
            waits.profiling_consent,
            waits.age_confirmed
        ),
        (None, None, None),
        "nobody was asked"
    );
    let text = serde_json::to_string(&waits).unwrap();
    assert!(!text.contains("Erika") && !text.contains("muster.example"));
    assert!(waits.consent_wording.contains("an die Stelle"), "{text}");
    // The pointer stands with the old person, holds no address, and goes when the sign-up does.
    let place = model.scope.record(
        key(&model, WHO),
        crate::address_change::AddressChange::RECORD,
        event,
    );
    let Some(Record::AddressChange(change)) = model.get(&place).cloned() else {
        panic!("no pointer")
    };
    assert_eq!(change.sign_up(&model.scope), waits.key(&model.scope));
    assert_eq!(change.gone_at, waits.gone_at);
    assert!(!serde_json::to_string(&change).unwrap().contains('@'));
    model.wait(7 * DAY);
    assert!(model.get(&place).is_none());
    assert!(press(&mut model, event).is_err());
}

#[test]
fn a_confirmation_depends_on_the_old_address_as_it_was_read() {
    let changes: [Happens; 5] = [
        erase_old,
        object_old,
        restrict_old,
        |model| assert!(model.leave(WHO, Some("news"))),
        |model| change_profile(model, |profile| profile.tracking_since = None),
    ];
    for (number, happens) in changes.into_iter().enumerate() {
        let (mut model, event) = asked(&["news", "offers"]);
        model.wait(60);
        let Ok(Confirmation::Complete(late)) = decide(&model, event) else {
            panic!("{number}")
        };
        happens(&mut model);
        assert_eq!(model.commit(&late), Err(Conflict), "{number}");
    }
    // And so does asking: an erasure at the same moment finds it, or it does not come to be.
    let (mut model, _) = asked(&["news"]);
    model.wait(1_000);
    let mut anew = question(&model, &["news"]).transaction;
    let former = model.person(key(&model, WHO));
    assert!(follow(&mut anew, &model.scope, &former));
    erase_old(&mut model);
    assert_eq!(model.commit(&anew), Err(Conflict));
}

#[test]
fn a_change_is_no_ordinary_sign_up_and_none_confirms_it() {
    let (mut model, event) = asked(&["news", "offers"]);
    model.wait(60);
    assert_eq!(
        model.confirm(NEW, event),
        Err(ConfirmRefusal::NothingToConfirm)
    );
    let own = model.sign_up(Mode::Double, &["news", "offers"], NEW);
    model.confirm(NEW, own.sign_up).unwrap();
    assert!(matches!(
        press(&mut model, event),
        Ok(Confirmation::Complete(_))
    ));
    // Who is known under the new address has said there what they agree to.
    let profile = model.person(key(&model, NEW)).profile.unwrap();
    assert_eq!((profile.tracking_since, profile.customer), (None, true));
    let by_own = |consent: &ListConsent| consent.proof == Proof::SignUp(own.sign_up);
    assert!(profile.lists.values().all(by_own));
}
