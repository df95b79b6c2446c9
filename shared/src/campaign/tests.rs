//! The tables behind a campaign: arcs, pace, statuses, changes of state.
//!
//! What happens when things fail is the simulation's part.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::arc::{Arc, Circle, Estimate, Span};
use super::control::{Control, NoSlot, PauseReason};
use super::ledger::{Class, Entry, Ledger, People};
use super::outcome::{Failure, Outcome, Outcomes, Then, Unsent, Verdict};
use super::release::{Quota, release, share};
use super::{Campaign, CampaignState, Limits, Refusal, Sender};
use crate::address::EmailAddress;
use crate::entropy::SeededEntropy;
use crate::header::SenderName;
use crate::id::{AccountId, CampaignId, EventId, PersonKey, TemplateId};
use crate::record::{Record, Step, Transaction};
use crate::time::plus_seconds;

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn campaign() -> CampaignId {
    CampaignId::parse("c").unwrap()
}

fn control(arcs: u32, spacing: i64) -> Control {
    Control {
        spacing,
        ..Control::new(campaign(), Circle::of(arcs), noon())
    }
}

#[test]
fn arcs_cover_the_circle_without_gap_or_overlap_and_differ_by_one_position() {
    for arcs in [1, 2, 3, 7, 16, 20, 255, 1_000, 1_000_000] {
        let circle = Circle::of(arcs);
        assert_eq!(circle.span(0).from, PersonKey::at(0));
        assert_eq!(circle.span(arcs - 1).until, None);
        let width = u128::MAX / u128::from(arcs);
        for number in (0..arcs - 1).step_by(1 + arcs as usize / 50) {
            let span = circle.span(number);
            assert_eq!(span.until, Some(circle.span(number + 1).from));
            let got = span.until.unwrap().position() - span.from.position();
            assert!(got.abs_diff(width) <= 1, "{arcs} {number}");
        }
    }
}

#[test]
fn everybody_is_in_the_arc_that_is_computed_for_them() {
    for arcs in [1, 2, 3, 7, 16, 255, 1_000] {
        let circle = Circle::of(arcs);
        for number in 0..arcs {
            let span = circle.span(number);
            let first = span.from;
            let last = PersonKey::at(span.until.map_or(u128::MAX, |until| until.position() - 1));
            let middle = PersonKey::at(first.position() + (last.position() - first.position()) / 2);
            for person in [first, middle, last] {
                assert_eq!(circle.number_of(person), number, "{arcs} {person}");
                assert!(span.contains(person));
            }
        }
    }
}

#[test]
fn an_arc_has_about_500_recipients_and_no_more_than_5000_people() {
    for (people, hits, arcs) in [
        (0, 0, 1),
        (1, 1, 1),
        (2, 2, 2),
        (39, 39, 20),
        (3_906, 3_906, 2_000),
        (3_906, 0, 200),
        (3_906, 4, 200),
    ] {
        let circle = Circle::for_audience(Estimate { people, hits }, &Limits::default());
        assert_eq!(circle.arcs(), arcs, "{people} {hits}");
    }
}

#[test]
fn every_status_of_the_service_has_its_meaning_and_an_unknown_one_is_ambiguous() {
    let (stopped, go_on) = (Outcome::Unsent(Unsent::Stopped), Then::GoOn);
    for (status, outcome, then) in [
        ("SUCCESS", Outcome::Sent, go_on),
        (
            "MESSAGE_REJECTED",
            Outcome::Failed(Failure::Rejected),
            go_on,
        ),
        (
            "MAIL_FROM_DOMAIN_NOT_VERIFIED",
            stopped,
            Then::Hold(PauseReason::SenderNotVerified),
        ),
        (
            "CONFIGURATION_SET_NOT_FOUND",
            stopped,
            Then::Hold(PauseReason::Misconfigured),
        ),
        (
            "TEMPLATE_NOT_FOUND",
            stopped,
            Then::Hold(PauseReason::Misconfigured),
        ),
        (
            "ACCOUNT_SUSPENDED",
            stopped,
            Then::Hold(PauseReason::AccountSuspended),
        ),
        (
            "ACCOUNT_THROTTLED",
            Outcome::Unsent(Unsent::Throttled),
            Then::Rest,
        ),
        (
            "ACCOUNT_DAILY_QUOTA_EXCEEDED",
            stopped,
            Then::Hold(PauseReason::DailyQuota),
        ),
        (
            "INVALID_SENDING_POOL_NAME",
            stopped,
            Then::Hold(PauseReason::Misconfigured),
        ),
        (
            "ACCOUNT_SENDING_PAUSED",
            stopped,
            Then::Hold(PauseReason::SendingPaused),
        ),
        (
            "CONFIGURATION_SET_SENDING_PAUSED",
            stopped,
            Then::Hold(PauseReason::SendingPaused),
        ),
        (
            "INVALID_PARAMETER",
            Outcome::Failed(Failure::InvalidParameter),
            go_on,
        ),
        (
            "TRANSIENT_FAILURE",
            Outcome::Unsent(Unsent::Transient),
            go_on,
        ),
        ("FAILED", Outcome::Unknown, go_on),
        ("SOMETHING_NEW", Outcome::Unknown, go_on),
    ] {
        assert_eq!(
            Verdict::of_status(status),
            Verdict { outcome, then },
            "{status}"
        );
    }
}

#[test]
fn outcomes_read_back_and_a_letter_without_meaning_is_refused() {
    for text in ["", "sutxcpori"] {
        let outcomes = Outcomes::try_from(text.to_owned()).unwrap();
        assert_eq!(outcomes.0.len(), text.len());
        assert_eq!(String::from(outcomes), text);
    }
    assert!(Outcomes::try_from("s?".to_owned()).is_err());
    let people = People(vec![PersonKey::at(7), PersonKey::at(u128::MAX)]);
    assert_eq!(People::try_from(String::from(people.clone())), Ok(people));
    assert!(People::try_from("AAAA".to_owned()).is_err());
}

#[test]
fn slots_queue_up_at_the_pace_and_nobody_waits_longer_than_five_seconds() {
    let (limits, spacing) = (Limits::default(), 20_000);
    let mut control = control(1, spacing);
    control.next_at -= 1;
    let mut begins = Vec::new();
    let refused = loop {
        match control.slot(50, &limits, noon()) {
            Ok(update) => {
                let (after, at) = control.with_slot(update).unwrap();
                begins.push((at - noon().as_microsecond()) / 1_000_000);
                control = after;
            }
            Err(why) => break why,
        }
    };
    assert_eq!((begins, refused), (vec![0, 1, 2, 3, 4, 5], NoSlot::Full));
    // Idle time is not saved up.
    let later = plus_seconds(noon(), 3_600);
    let update = control.slot(50, &limits, later).unwrap();
    let (after, at) = control.with_slot(update).unwrap();
    assert_eq!(at, later.as_microsecond());
    assert_eq!(after.next_at, at + 1_000_000);
    // The same update does not work twice: the other worker has to look again.
    assert!(after.with_slot(update).is_none());
}

#[test]
fn only_a_sending_campaign_with_a_pace_gives_slots() {
    use CampaignState::{Cancelled, Draft, Finished, Interrupted, Paused, Scheduled};
    for state in [Draft, Scheduled, Paused, Cancelled, Interrupted, Finished] {
        let held = Control {
            state,
            ..control(1, 10)
        };
        assert_eq!(
            held.slot(0, &Limits::default(), noon()),
            Err(NoSlot::State(state))
        );
        let update = control(1, 10).slot(0, &Limits::default(), noon()).unwrap();
        assert!(held.with_slot(update).is_none(), "{state:?}");
    }
    assert_eq!(
        control(1, 0).slot(1, &Limits::default(), noon()),
        Err(NoSlot::Full)
    );
}

/// What a change of state leads to, and whether the campaign stops being a running one.
fn leads_to(transaction: Result<Transaction, Refusal>) -> Result<(CampaignState, bool), Refusal> {
    let steps = transaction?.0;
    let puts = |wanted: fn(&Record) -> Option<CampaignState>| {
        steps.iter().find_map(move |step| match step {
            Step::Put(record, _) => wanted(record),
            Step::Check(..) | Step::Delete(..) | Step::Tell(_) => None,
        })
    };
    let state = puts(|record| match record {
        Record::Campaign(campaign) => Some(campaign.state),
        _ => None,
    });
    let control = puts(|record| match record {
        Record::Control(control) => Some(control.state),
        _ => None,
    });
    let state = state.expect("the campaign is written");
    assert!(control.is_none_or(|control| control == state));
    let ends = |step: &Step| matches!(step, Step::Put(Record::Running(running), _) if running.gone_at.is_some());
    Ok((state, steps.iter().any(ends)))
}

#[test]
fn each_state_allows_its_own_changes_and_says_why_it_refuses_others() {
    use CampaignState::{Cancelled, Draft, Finished, Interrupted, Paused, Scheduled, Sending};
    use Refusal::{HasStarted, IsOver, NotPaused, NotSending, NotStarted};
    let account = AccountId::parse("a").unwrap();
    for (state, plan, pause, resume, cancel) in [
        (
            Draft,
            Ok(Scheduled),
            Err(NotStarted),
            Err(NotStarted),
            Err(NotStarted),
        ),
        (
            Scheduled,
            Ok(Scheduled),
            Err(NotStarted),
            Err(NotStarted),
            Ok((Cancelled, false)),
        ),
        (
            Sending,
            Err(HasStarted),
            Ok((Paused, false)),
            Err(NotPaused),
            Ok((Cancelled, true)),
        ),
        (
            Paused,
            Err(HasStarted),
            Err(NotSending),
            Ok((Sending, false)),
            Ok((Cancelled, true)),
        ),
        (
            Interrupted,
            Err(HasStarted),
            Err(NotSending),
            Ok((Sending, false)),
            Ok((Cancelled, true)),
        ),
        (Finished, Err(IsOver), Err(IsOver), Err(IsOver), Err(IsOver)),
        (
            Cancelled,
            Err(IsOver),
            Err(IsOver),
            Err(IsOver),
            Err(IsOver),
        ),
    ] {
        let known = Campaign {
            id: campaign(),
            rev: 1,
            name: "c".to_owned(),
            template: TemplateId::parse("t").unwrap(),
            lists: Vec::new(),
            target_group: None,
            sender: Sender {
                name: SenderName::parse("S").unwrap(),
                email: EmailAddress::parse("a@b.example").unwrap(),
            },
            scheduled_at: Some(noon()),
            time_zone: String::new(),
            state,
            started_at: None,
            problem: None,
            created_at: noon(),
        };
        let running = Control {
            state,
            ..control(1, 10)
        };
        let held = (!matches!(state, Draft | Scheduled)).then_some(&running);
        let planned = known.scheduled(noon(), noon());
        assert_eq!(planned.map(|planned| planned.state), plan, "{state:?}");
        let dropped = known.unscheduled(None);
        let drop = plan.map(|_| Draft);
        assert_eq!(dropped.map(|dropped| dropped.state), drop, "{state:?}");
        let paused = known.pause(&running, PauseReason::Person, noon());
        assert_eq!(leads_to(paused), pause, "{state:?}");
        let interrupted = known.interrupt(&running, noon());
        assert_eq!(interrupted.is_some(), state == Sending, "{state:?}");
        if let Some(interrupted) = interrupted {
            assert_eq!(leads_to(Ok(interrupted)), Ok((Interrupted, false)));
        }
        let resumed = known.resume(&running, noon());
        assert_eq!(leads_to(resumed), resume, "{state:?}");
        let cancelled = known.cancel(&account, held, noon());
        assert_eq!(leads_to(cancelled), cancel, "{state:?}");
        // One that was cancelled while it waited has no control item, now and ever.
        if state == Cancelled {
            let again = known.cancel(&account, None, noon());
            assert_eq!(leads_to(again), Err(IsOver));
        }
    }
}

#[test]
fn the_rate_is_shared_fairly_between_accounts_and_a_tenth_is_kept() {
    let running = |account: &str, campaign: &str| {
        (
            AccountId::parse(account).unwrap(),
            CampaignId::parse(campaign).unwrap(),
        )
    };
    let (a, b, c) = (running("a", "1"), running("b", "1"), running("b", "2"));
    let quota = |rate, day, used| Quota { rate, day, used };
    for (quota, sending, spacings) in [
        (quota(100.0, -1.0, 5e9), vec![&a], vec![11_112]),
        (
            quota(100.0, -1.0, 0.0),
            vec![&a, &b, &c],
            vec![22_223, 44_445, 44_445],
        ),
        (quota(100_000.0, -1.0, 0.0), vec![&a], vec![12]),
        (quota(1e9, -1.0, 0.0), vec![&a], vec![1]),
        (quota(1.0, 200.0, 189.0), vec![&a], vec![1_111_112]),
        (quota(1.0, 200.0, 190.0), vec![&a], vec![0]),
        (quota(0.0, -1.0, 0.0), vec![&a], vec![0]),
    ] {
        let sending: Vec<_> = sending.into_iter().cloned().collect();
        let shares = share(&quota, &sending);
        let got: Vec<i64> = sending.iter().map(|one| shares[one]).collect();
        assert_eq!(got, spacings, "{quota:?}");
    }
}

#[test]
fn as_many_arcs_are_released_as_the_rate_can_send_in_two_minutes() {
    let limits = Limits::default();
    for (rate, arcs, released) in [(1_i64, 50, 1), (100, 50, 24), (100_000, 50, 50), (1, 1, 1)] {
        let control = control(arcs, 1_000_000 / rate);
        let first = release(&control, &[], control.spacing, &limits, noon());
        assert_eq!(first.len(), released, "{rate}");
        // A minute later they are still out: nothing more, unless some were returned or closed.
        let mut open: Vec<Arc> = first.into_iter().map(|(arc, _)| arc).collect();
        let soon = plus_seconds(noon(), 60);
        assert!(release(&control, &open, control.spacing, &limits, soon).is_empty());
        open[0] = open[0].returned(1, soon);
        let again = release(&control, &open, control.spacing, &limits, soon);
        assert_eq!(again[0].0.number, 0);
        // Whose worker died comes again after its time.
        let late = plus_seconds(noon(), limits.release_seconds);
        let again = release(&control, &open, control.spacing, &limits, late);
        assert_eq!(again.len(), released.max(1));
    }
    assert!(release(&control(5, 10), &[], 0, &limits, noon()).is_empty());
}

#[test]
fn a_claim_without_outcome_is_settled_at_fifteen_minutes_and_not_before() {
    let span = Span {
        from: PersonKey::at(0),
        until: None,
    };
    let entry = Entry {
        campaign: campaign(),
        round: 0,
        arc: 0,
        number: 0,
        rev: 1,
        nonce: EventId::generate(noon(), &SeededEntropy::new(1)),
        claimed_at: noon(),
        span: Some(span),
        recipients: People(vec![PersonKey::at(1)]),
        classes: vec![(Class::default(), 1)],
        skipped: BTreeMap::default(),
        retries: Vec::new(),
        retries_skipped: Vec::new(),
        attempt: 0,
        outcomes: None,
        delivered: BTreeSet::default(),
        bounced: BTreeSet::default(),
        complained: BTreeSet::default(),
        gone_at: noon(),
    };
    let limits = Limits::default();
    let mut ledger = Ledger::new(span, vec![entry]);
    for (seconds, settled) in [(0, false), (899, false), (900, true)] {
        let now = plus_seconds(noon(), seconds);
        assert_eq!(ledger.to_settle(&limits, now).is_some(), settled);
    }
    let (totals, complete) = ledger.totals(&limits, CampaignState::Sending);
    assert!((totals.unknown, complete) == (1, false));
    ledger.record(0, Outcomes(vec![Outcome::Unknown]));
    let (totals, complete) = ledger.totals(&limits, CampaignState::Sending);
    assert!((totals.unknown, complete) == (1, true) && totals.reconciles());
}
