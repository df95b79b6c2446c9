//! Who left one list and stays on others.

use super::*;
use crate::repair::{Remembered, rederive};

fn key_of(model: &Model) -> PersonKey {
    model.scope.person(&EmailAddress::parse(WHO).unwrap())
}

#[test]
fn a_form_that_nobody_confirms_brings_nobody_back_to_a_list_that_was_left() {
    let mut model = Model::new();
    let key = key_of(&model);
    model.sign_up(Mode::Single, &["news", "offers"], WHO);
    model.wait(60);
    assert!(model.leave(WHO, Some("news")));
    for mode in [Mode::Single, Mode::Confirmed] {
        model.wait(60);
        let decision = model.sign_up(mode, &["news"], WHO);
        assert!(!decision.mails, "{mode:?}");
        assert_eq!(model.active(WHO), ["offers"], "{mode:?}");
        // The request is on record, and led to nothing.
        let evidence = model.sign_ups(key).pop().unwrap();
        assert_eq!(
            (evidence.event, evidence.state, evidence.subscriber),
            (decision.sign_up, SignUpState::Suppressed, None)
        );
        assert!(evidence.gone_at.is_some());
    }
    // Lists that they never left are added all the same, and nothing but those.
    model.wait(60);
    let more = model.sign_up(Mode::Confirmed, &["news", "tips"], WHO);
    assert!(more.mails);
    assert_eq!(model.active(WHO), ["offers", "tips"]);
    let evidence = model.sign_ups(key).pop().unwrap();
    assert_eq!(
        (evidence.state, evidence.lists.len()),
        (SignUpState::Active, 2),
        "what was asked for is on record"
    );
    // Who is on all the rest is told nothing.
    model.wait(60);
    assert!(!model.sign_up(Mode::Confirmed, &["news", "tips"], WHO).mails);
    // Confirmed by themselves they are back, and a form changes nothing about it.
    model.wait(60);
    let asked = model.sign_up(Mode::Double, &["news"], WHO);
    assert!(asked.mails);
    model.wait(60);
    model.confirm(WHO, asked.sign_up).unwrap();
    model.wait(60);
    model.sign_up(Mode::Single, &["news"], WHO);
    assert_eq!(model.active(WHO), ["news", "offers", "tips"]);
}

#[test]
fn a_link_from_before_a_list_was_left_does_not_lead_back_to_it() {
    let mut model = Model::new();
    model.sign_up(Mode::Single, &["news", "offers"], WHO);
    let both = model.sign_up(Mode::Double, &["news", "extra"], WHO);
    model.wait(60);
    let one = model.sign_up(Mode::Double, &["news"], WHO);
    model.wait(60);
    assert!(model.leave(WHO, Some("news")));
    model.wait(60);
    assert_eq!(
        model.confirm(WHO, one.sign_up),
        Err(ConfirmRefusal::Withdrawn),
        "nothing remains of it"
    );
    let (person, sign_ups) = (model.person(key_of(&model)), model.sign_ups(key_of(&model)));
    let pending = sign_ups.iter().find(|one| one.event == both.sign_up);
    let shown = as_shown(&person, pending.unwrap());
    let shown: Vec<_> = shown.lists.iter().map(|list| list.id.as_str()).collect();
    assert_eq!(shown, ["extra"], "the page says what it leads to");
    model.confirm(WHO, both.sign_up).unwrap();
    assert_eq!(model.active(WHO), ["extra", "offers"]);
    // One that was asked for later does.
    model.wait(60);
    let again = model.sign_up(Mode::Double, &["news"], WHO);
    model.confirm(WHO, again.sign_up).unwrap();
    assert_eq!(model.active(WHO), ["extra", "news", "offers"]);
}

#[test]
fn a_region_that_did_not_know_who_left_a_list_is_put_right_once_both_know() {
    let mut model = Model::new();
    let (key, begun) = (key_of(&model), model.now);
    let zone = zone("Europe/Vienna").unwrap();
    model.sign_up(Mode::Single, &["offers"], WHO);
    let old = model.items.clone();
    model.wait(60);
    model.sign_up(Mode::Single, &["news"], WHO);
    model.wait(60);
    assert!(model.leave(WHO, Some("news")));
    let here = std::mem::replace(&mut model.items, old);
    // The other region, which has seen none of it; then its write of the profile stays.
    model.wait(60);
    model.sign_up(Mode::Single, &["news"], WHO);
    let there = std::mem::replace(&mut model.items, here);
    let profile = model.scope.profile(key);
    for (place, record) in there {
        if place == profile {
            model.items.insert(place, record);
        } else {
            model.items.entry(place).or_insert(record);
        }
    }
    assert_eq!(
        model.active(WHO),
        ["news", "offers"],
        "by the profile alone"
    );
    let unsubscriptions: Vec<Unsubscription> = model
        .items
        .values()
        .filter_map(|record| match record {
            Record::Unsubscription(left) => Some(left.clone()),
            _ => None,
        })
        .collect();
    for again in [false, true] {
        let (person, sign_ups) = (model.person(key), model.sign_ups(key));
        let remembered = Remembered {
            person: &person,
            sign_ups: &sign_ups,
            unsubscriptions: &unsubscriptions,
            erasures: &[],
            suppressed_since: None,
        };
        let transaction = rederive(&model.scope, remembered, begun, &zone);
        assert_eq!(transaction.is_none(), again);
        if let Some(transaction) = transaction {
            model.commit(&transaction).unwrap();
        }
        assert_eq!(model.active(WHO), ["offers"]);
    }
}
