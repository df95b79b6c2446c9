//! A person's consent history: what signing up, confirming and leaving change.
//!
//! Decides only: takes what was read, answers with the transaction to carry out. Every decision
//! depends on what it read by a condition, so two at once cannot both stand.

mod barring;
mod controller;
mod denying;
mod leaving_under;
mod left_lists;
mod objection;
mod purposes;
mod rectification;
mod succession;
pub mod unused;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::evidence::{Entry, Statement};
use crate::form::{FieldValue, Submission};
use crate::guard::ADDRESS_LIMIT;
use crate::hold;
use crate::id::{CampaignId, EventId, FieldKey, ListId, PersonKey};
use crate::key::AccountScope;
use crate::outbox::{Notice, Outbox};
use crate::person::{
    LegalBasis, ListConsent, Person, Profile, Proof, Tombstone, TombstoneKind, UnsubscribedVia,
    Unsubscription, Withdrawal,
};
use crate::personal::{ClientIp, PersonalText};
use crate::record::{Expect, Record, Transaction};
use crate::setup::{FormDefinition, Mode, Setup};
use crate::sign_up::{Channel, FieldAnswer, ListSnapshot, SignUp, SignUpState};
use crate::time::{day_in, plus_days, plus_seconds, to_millisecond};
use crate::web_address::ClaimedAddress;
use crate::webhook::{News, Topic};

pub use self::barring::{Barred, bar};
pub use self::controller::{HasEnded, end, ended, lift_restriction, mark_customer, restrict};
pub use self::denying::{Denial, NothingToDeny, deniable, deny};
pub use self::leaving_under::{Terms, leave_under, note_terms};
pub use self::left_lists::as_shown;
pub(crate) use self::left_lists::may_add;
pub use self::objection::object;
pub use self::purposes::end_purpose;
pub use self::rectification::{Rectified, changeable, changed, rectify};
pub use self::succession::{
    Succession, change_wording, follow, formers, successors, take_over, taken,
};

/// Where a form post came from.
#[derive(Debug, Clone)]
pub struct FormOrigin {
    /// The client, as the trusted hop saw it.
    pub ip: ClientIp,
    /// The page that the browser claims (S-15).
    pub claimed: Option<ClaimedAddress>,
}

/// What a sign-up request leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct SignUpDecision {
    /// What to write: the evidence, always (S-11).
    pub transaction: Transaction,
    /// The evidence's event.
    pub sign_up: EventId,
    /// Whether a mail was promised, under [`SignUpRequest::outbox`].
    pub mails: bool,
}

/// A valid request to subscribe.
#[derive(Debug)]
pub struct SignUpRequest<'a> {
    /// What the form was.
    pub form: &'a FormDefinition,
    /// What was sent.
    pub submission: Submission,
    /// From where.
    pub origin: FormOrigin,
    /// Whether the account suppresses addresses like this one.
    pub is_suppressed: bool,
    /// The new sign-up's event.
    pub event: EventId,
    /// The new outbox record's event.
    pub outbox: EventId,
    /// Where the evidence will stand in the ledger.
    pub entry: Entry,
    /// Now.
    pub now: Timestamp,
}

/// A request like one that waits for its confirmation is a repetition of it for so long.
pub const REPEAT_SECONDS: i64 = ADDRESS_LIMIT.gap_seconds;

/// Whether a request repeats a sign-up that waits for its confirmation: then it writes nothing.
/// `sign_ups` are the person's, of the last [`REPEAT_SECONDS`] at least.
///
/// Asking for another list is no repetition, and neither is a form that asks for no confirmation.
pub fn repeats(
    setup: &Setup,
    submission: &Submission,
    sign_ups: &[SignUp],
    now: Timestamp,
) -> bool {
    let since = plus_seconds(now, -REPEAT_SECONDS);
    setup.mode == Mode::Double
        && sign_ups.iter().any(|known| {
            known.state == SignUpState::Pending
                && known.signed_up_at > since
                && asks_no_more(&submission.lists, known)
        })
}

/// Whether all these lists are among those of a sign-up.
fn asks_no_more<'a>(lists: impl IntoIterator<Item = &'a ListId>, than: &SignUp) -> bool {
    lists
        .into_iter()
        .all(|list| than.lists.iter().any(|known| known.id == *list))
}

/// What signing up changes.
pub fn sign_up(
    scope: &AccountScope,
    person: &Person,
    request: SignUpRequest<'_>,
) -> SignUpDecision {
    let now = to_millisecond(request.now);
    let setup = &request.form.setup;
    let barred = person.is_blocked()
        || person.is_restricted()
        || left_lists::has_left_all(person, &request.submission.lists);
    let is_suppressed =
        request.is_suppressed || person.is_suppressed() || person.has_denied(&setup.id);
    let sendable = person.sendable_lists();
    let stays_off = |list: &ListId| setup.mode != Mode::Double && person.has_left(list);
    let has_it_all = request
        .submission
        .lists
        .iter()
        .all(|list| sendable.contains(list) || stays_off(list));
    let state = match setup.mode {
        _ if is_suppressed => SignUpState::Suppressed,
        Mode::Double => SignUpState::Pending,
        Mode::Single | Mode::Confirmed if barred => SignUpState::Suppressed,
        Mode::Single | Mode::Confirmed => SignUpState::Active,
    };
    let gone_at = match state {
        SignUpState::Active | SignUpState::Confirmed => None,
        SignUpState::Pending | SignUpState::Superseded | SignUpState::Suppressed => {
            Some(plus_days(now, setup.confirm_days))
        }
    };
    let evidence = evidence(person.key, &request, state, now, gone_at);
    let mut transaction = Transaction::default();

    if state == SignUpState::Active {
        let profile = joined(person, &evidence, &request.submission, now);
        transaction.put(
            Record::Profile(Box::new(profile)),
            Expect::unchanged(person.profile.as_ref()),
        );
        transaction.check(
            scope.withdrawal(person.key),
            Expect::unchanged(person.withdrawal.as_ref()),
        );
        transaction.check(
            scope.tombstone(person.key),
            Expect::unchanged(person.tombstone.as_ref()),
        );
    }

    // Who has it all already is not mailed again (M-29); restricted people are not mailed.
    let notice = match (setup.mode, state) {
        _ if has_it_all || person.is_restricted() || is_suppressed => None,
        (Mode::Double, _) => Some(Notice::Confirmation {
            sign_up: request.event,
        }),
        (Mode::Confirmed, SignUpState::Active) => Some(Notice::Information {
            sign_up: request.event,
        }),
        (Mode::Single | Mode::Confirmed, _) => None,
    };
    let mails = notice.is_some();
    if let Some(notice) = notice {
        let give_up_at = match notice {
            Notice::Confirmation { sign_up } => {
                let end = plus_days(now, setup.confirm_days);
                if setup.reminder_days > 0 && setup.reminder_days < setup.confirm_days {
                    let at = plus_days(now, setup.reminder_days);
                    let reminder = Outbox::reminder(sign_up, person.key, at, end);
                    transaction.put(Record::Outbox(Box::new(reminder)), Expect::Absent);
                }
                end
            }
            Notice::Reminder { .. }
            | Notice::Information { .. }
            | Notice::MailboxProof
            | Notice::LeaveRequest { .. }
            | Notice::Farewell { .. } => Outbox::waits_until(now),
        };
        let outbox = Outbox::new(request.outbox, person.key, notice, now, give_up_at);
        transaction.put(Record::Outbox(Box::new(outbox)), Expect::Absent);
    }
    let statement = Statement::signed_up(scope.account(), &evidence);
    transaction.put(
        Record::Leaf(request.entry.leaf_of(&statement)),
        Expect::Absent,
    );
    transaction.put(Record::SignUp(Box::new(evidence)), Expect::Absent);
    SignUpDecision {
        transaction,
        sign_up: request.event,
        mails,
    }
}

fn evidence(
    person: PersonKey,
    request: &SignUpRequest<'_>,
    state: SignUpState,
    now: Timestamp,
    gone_at: Option<Timestamp>,
) -> SignUp {
    let (form, submission) = (request.form, &request.submission);
    let setup = &form.setup;
    let mut fields = vec![FieldAnswer {
        #[expect(clippy::expect_used, reason = "a constant that is an identifier")]
        key: FieldKey::parse("email").expect("`email` is an identifier"),
        label: crate::setup::built_in_label("email", setup.language)
            .unwrap_or_default()
            .to_owned(),
        required: true,
        value: PersonalText::parse(submission.address.reveal())
            .ok()
            .map(FieldValue::One),
    }];
    fields.extend(
        setup
            .fields
            .iter()
            .filter(|field| field.key.as_str() != "email")
            .map(|field| FieldAnswer {
                key: field.key.clone(),
                label: form.label(&field.key),
                required: field.required,
                value: submission.values.get(&field.key).cloned(),
            }),
    );
    SignUp {
        event: request.event,
        person,
        rev: 1,
        setup: setup.id.clone(),
        mode: setup.mode,
        channel: Some(Channel::Email),
        state,
        email: submission.address.clone(),
        form_url: setup.form_url.clone(),
        form_url_claimed: request.origin.claimed.clone(),
        form_ip: request.origin.ip,
        confirm_ip: None,
        signed_up_at: now,
        confirmed_at: None,
        fields,
        lists: form
            .lists
            .iter()
            .filter(|list| submission.lists.contains(&list.id))
            .map(|list| ListSnapshot {
                id: list.id.clone(),
                name: list.name.clone(),
            })
            .collect(),
        interests: submission.interests.clone(),
        tracking_consent: setup
            .asks_tracking_consent
            .then_some(submission.tracking_consent),
        profiling_consent: setup
            .asks_profiling_consent
            .then_some(submission.profiling_consent),
        age_confirmed: setup.minimum_age.map(|_| submission.age_confirmed),
        subscriber: (state == SignUpState::Active).then_some(person),
        form_version: form.version(),
        consent_wording: form.consent_wording(),
        notice_version: Some(form.notice_version.to_string()),
        language: setup.language,
        gone_at,
        entry: Some(request.entry),
        confirmed_entry: None,
        former: None,
        mails: Vec::new(),
    }
}

/// The profile of somebody who signed up without confirmation: new, or with lists added; the data
/// of an existing one stay as they are, and no list is added that the person left.
fn joined(person: &Person, evidence: &SignUp, submission: &Submission, now: Timestamp) -> Profile {
    match &person.profile {
        Some(profile) => {
            let sendable = person.sendable_lists();
            let mut profile = profile.clone();
            profile.rev += 1;
            for list in &evidence.lists {
                if !sendable.contains(&list.id) && may_add(person, evidence, &list.id) {
                    profile
                        .lists
                        .insert(list.id.clone(), consent_by(evidence.event, now));
                }
            }
            profile.ended_on = None;
            profile.gone_at = None;
            profile
        }
        None => new_profile(person, evidence, submission.values.clone(), now),
    }
}

fn new_profile(
    person: &Person,
    evidence: &SignUp,
    values: std::collections::BTreeMap<FieldKey, FieldValue>,
    now: Timestamp,
) -> Profile {
    let mut profile = Profile {
        person: evidence.person,
        rev: Profile::first_revision(&evidence.event.to_bytes()),
        address: evidence.email.clone(),
        spellings: vec![evidence.email.clone()],
        values,
        lists: evidence
            .lists
            .iter()
            .filter(|list| may_add(person, evidence, &list.id))
            .map(|list| (list.id.clone(), consent_by(evidence.event, now)))
            .collect(),
        provenance: Vec::new(),
        interests: evidence.interests.clone(),
        tracking_since: None,
        profiling_since: None,
        language: evidence.language,
        customer: false,
        created_at: now,
        ended_on: None,
        gone_at: None,
    };
    purposes::agree(&mut profile, person, evidence, now);
    profile
}

fn consent_by(event: EventId, since: Timestamp) -> ListConsent {
    ListConsent {
        since,
        basis: LegalBasis::Consent,
        proof: Proof::SignUp(event),
    }
}

/// Why a confirmation link leads to nothing: the page of an unknown token, in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmRefusal {
    /// The sign-up is not there (any more) or needs no confirmation.
    #[error("no sign-up waits for this confirmation")]
    NothingToConfirm,
    /// The person left, objected or was erased after signing up.
    #[error("withdrawn since")]
    Withdrawn,
    /// Processing is restricted.
    #[error("processing is restricted")]
    Restricted,
}

/// Somebody presses the button.
#[derive(Debug, Clone, Copy)]
pub struct Press {
    /// Who, as the trusted hop saw the client.
    pub ip: ClientIp,
    /// Where the confirmation will stand in the ledger.
    pub entry: Entry,
    /// Now.
    pub now: Timestamp,
}

/// What pressing the button leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmation {
    /// Write this.
    Complete(Transaction),
    /// It was completed before; nothing changes, the result page is shown again (M-33).
    AlreadyComplete,
}

/// Whether a confirmation link still leads somewhere; what a GET shows.
///
/// # Errors
/// When it does not.
pub fn confirmable(person: &Person, sign_up: Option<&SignUp>) -> Result<(), ConfirmRefusal> {
    let sign_up = sign_up.ok_or(ConfirmRefusal::NothingToConfirm)?;
    // Of somebody who was erased nothing is shown, although clean-up may not have come yet.
    let tombstone = person.tombstone.as_ref();
    if tombstone.is_some_and(|tombstone| tombstone.hides(sign_up.signed_up_at)) {
        return Err(ConfirmRefusal::Withdrawn);
    }
    match sign_up.state {
        SignUpState::Confirmed | SignUpState::Superseded => return Ok(()),
        SignUpState::Active | SignUpState::Suppressed => {
            return Err(ConfirmRefusal::NothingToConfirm);
        }
        SignUpState::Pending => {}
    }
    if person.is_restricted() {
        return Err(ConfirmRefusal::Restricted);
    }
    if person.is_suppressed() || person.has_denied(&sign_up.setup) {
        return Err(ConfirmRefusal::Withdrawn);
    }
    if has_withdrawn_since(person, sign_up.signed_up_at)
        || left_lists::adds_nothing(person, sign_up)
    {
        Err(ConfirmRefusal::Withdrawn)
    } else {
        Ok(())
    }
}

/// Whether the person left everything, objected, complained or was erased at `instant` or later:
/// what was asked for by then is void.
fn has_withdrawn_since(person: &Person, instant: Timestamp) -> bool {
    let left_since = person.withdrawal.as_ref().is_some_and(|withdrawal| {
        withdrawal.all_at.is_some_and(|at| at >= instant)
            || withdrawal.complained_at.is_some_and(|at| at >= instant)
    });
    let tombstone = person.tombstone.as_ref();
    left_since || tombstone.is_some_and(|tombstone| tombstone.voids_sign_up_of(instant))
}

/// What confirming changes. `others` are the person's other sign-ups.
///
/// A second press changes nothing: the first confirmation stands, with its own time and address.
///
/// # Errors
/// When the link leads nowhere any more.
pub fn confirm(
    scope: &AccountScope,
    person: &Person,
    sign_up: Option<&SignUp>,
    others: &[SignUp],
    by: Press,
) -> Result<Confirmation, ConfirmRefusal> {
    confirmable(person, sign_up)?;
    let sign_up = sign_up.ok_or(ConfirmRefusal::NothingToConfirm)?;
    if sign_up.state != SignUpState::Pending {
        return Ok(Confirmation::AlreadyComplete);
    }
    // What is to replace another address is decided with that person in sight: by `take_over`.
    if sign_up.former.is_some() {
        return Err(ConfirmRefusal::NothingToConfirm);
    }
    let transaction = complete(scope, person, sign_up, others, by, subscribed);
    Ok(Confirmation::Complete(transaction))
}

/// The sign-up completed, and the profile that `profile_of` makes of it.
fn complete(
    scope: &AccountScope,
    person: &Person,
    sign_up: &SignUp,
    others: &[SignUp],
    by: Press,
    profile_of: impl FnOnce(&Person, &SignUp, Timestamp) -> Profile,
) -> Transaction {
    // The clock of another machine may be behind: confirming never predates signing up (S-16).
    let now = to_millisecond(by.now).max(sign_up.signed_up_at);
    let mut transaction = Transaction::default();

    let confirmed = SignUp {
        rev: sign_up.rev + 1,
        state: SignUpState::Confirmed,
        confirm_ip: Some(by.ip),
        confirmed_entry: Some(by.entry),
        confirmed_at: Some(now),
        subscriber: Some(person.key),
        gone_at: None,
        ..sign_up.clone()
    };
    transaction.put(
        Record::Profile(Box::new(profile_of(person, &confirmed, now))),
        Expect::unchanged(person.profile.as_ref()),
    );
    transaction.check(
        scope.withdrawal(person.key),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    match &person.tombstone {
        None => transaction.check(scope.tombstone(person.key), Expect::Absent),
        Some(tombstone) => transaction.put(
            Record::Tombstone(Tombstone {
                rev: tombstone.rev + 1,
                lifted_at: Some(now),
                ..tombstone.clone()
            }),
            Expect::Revision(tombstone.rev),
        ),
    };
    transaction.tell(News {
        topic: Topic::SignUpConfirmed,
        person: person.key,
        at: now,
        record: Some(confirmed.event),
    });
    if let Some(statement) = Statement::confirmed(scope.account(), &confirmed) {
        transaction.put(Record::Leaf(by.entry.leaf_of(&statement)), Expect::Absent);
    }
    transaction.put(
        Record::SignUp(Box::new(confirmed)),
        Expect::Revision(sign_up.rev),
    );
    // As many as fit beside the rest into one transaction; the limits per address keep them few.
    for other in others
        .iter()
        .filter(|other| other.event != sign_up.event && other.state == SignUpState::Pending)
        // What asks for another list still waits: confirming it adds that list.
        .filter(|other| asks_no_more(other.lists.iter().map(|list| &list.id), sign_up))
        // And who is to take over from somebody asks for more than a sign-up does.
        .filter(|other| other.former == sign_up.former)
        .take(80)
    {
        let superseded = SignUp {
            rev: other.rev + 1,
            state: SignUpState::Superseded,
            ..other.clone()
        };
        transaction.put(
            Record::SignUp(Box::new(superseded)),
            Expect::Revision(other.rev),
        );
    }
    transaction
}

/// The profile after a confirmation: lists added but for those left since the form was sent, fields
/// set where absent, end and expiry gone, the confirmed spelling taken over.
pub(crate) fn subscribed(person: &Person, confirmed: &SignUp, now: Timestamp) -> Profile {
    let values = confirmed
        .fields
        .iter()
        .filter(|answer| answer.key.as_str() != "email")
        .filter_map(|answer| Some((answer.key.clone(), answer.value.clone()?)));
    let Some(profile) = &person.profile else {
        return new_profile(person, confirmed, values.collect(), now);
    };
    let sendable = person.sendable_lists();
    let mut profile = profile.clone();
    profile.rev += 1;
    for (key, value) in values {
        profile.values.entry(key).or_insert(value);
    }
    for list in &confirmed.lists {
        if !sendable.contains(&list.id) && may_add(person, confirmed, &list.id) {
            profile
                .lists
                .insert(list.id.clone(), consent_by(confirmed.event, now));
        }
    }
    for interest in &confirmed.interests {
        if !profile.interests.contains(interest) {
            profile.interests.push(interest.clone());
        }
    }
    purposes::agree(&mut profile, person, confirmed, now);
    if !profile.spellings.contains(&confirmed.email) {
        profile.spellings.push(confirmed.email.clone());
    }
    profile.address = confirmed.email.clone();
    profile.language = confirmed.language;
    profile.ended_on = None;
    profile.gone_at = None;
    profile
}

/// A wish to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// One list, or all list mail.
    pub list: Option<ListId>,
    /// By which way.
    pub via: UnsubscribedVia,
    /// The campaign whose mail the link stood in.
    pub campaign: Option<CampaignId>,
    /// The new record's event.
    pub event: EventId,
    /// Where the record will stand in the evidence ledger.
    pub entry: Entry,
    /// Now.
    pub now: Timestamp,
}

/// What leaving changes; `None` when there is nothing to leave. Leaving again moves the times
/// only, and leaves no second record.
///
/// Withdrawal, tombstone, record and profile change together: from the answer on no mail is
/// handed to SES any more, and no older sign-up can be confirmed.
pub fn leave(
    scope: &AccountScope,
    person: &Person,
    leaving: &Leaving,
    zone: &TimeZone,
) -> Option<Transaction> {
    let profile = person.profile.as_ref()?;
    let active = person.active_lists();
    // The clock of another machine may have been ahead: whatever is left was given before.
    let given = active.iter().filter_map(|list| profile.lists.get(list));
    let lifted = person.tombstone.as_ref().and_then(|known| known.lifted_at);
    let now = given
        .map(|consent| consent.since)
        .chain(lifted)
        .fold(to_millisecond(leaving.now), Timestamp::max);
    let left: Vec<ListId> = match &leaving.list {
        Some(list) => active
            .iter()
            .filter(|active| *active == list)
            .cloned()
            .collect(),
        None => active.iter().cloned().collect(),
    };
    if left.is_empty() && leaving.list.is_some() {
        return None;
    }
    // Who is out already and leaves again may have signed up in between: that is void now.
    let again = left.is_empty()
        && person
            .withdrawal
            .as_ref()
            .is_some_and(|withdrawal| withdrawal.all_at.is_some());
    let last = left.len() == active.len();

    let before = person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key));
    let mut withdrawal = Withdrawal {
        rev: before.rev + 1,
        ..before
    };
    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    for list in &left {
        withdrawal.lists.insert(list.clone(), now);
        tombstone.lists.insert(list.clone(), now);
    }
    if last {
        // A request that was long on its way takes nothing back.
        withdrawal.all_at = withdrawal.all_at.max(Some(now));
        tombstone.note(TombstoneKind::Unsubscribed, now);
    }

    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    if again {
        return Some(transaction);
    }
    let unsubscription = Unsubscription {
        event: leaving.event,
        person: person.key,
        rev: 1,
        at: now,
        via: leaving.via,
        lists: left,
        all: last,
        campaign: leaving.campaign.clone(),
        entry: Some(leaving.entry),
        setup: None,
        reason: None,
        anonymise_at: None,
        anonymised_at: None,
        successor: None,
    };
    let statement = Statement::left(scope.account(), &unsubscription);
    transaction.put(
        Record::Leaf(leaving.entry.leaf_of(&statement)),
        Expect::Absent,
    );
    transaction.put(Record::Unsubscription(unsubscription), Expect::Absent);
    transaction.tell(News {
        topic: Topic::Unsubscribed,
        person: person.key,
        at: now,
        record: Some(leaving.event),
    });
    let today = day_in(now, zone);
    // An end that was planned for later is not waited for.
    let goes_on = profile.ended_on.is_none_or(|end| end > today);
    let profile = if last && !profile.customer && goes_on {
        ended(profile, today, zone)
    } else {
        Profile {
            rev: profile.rev + 1,
            ..profile.clone()
        }
    };
    let profile = hold::kept(profile, person.withdrawal.as_ref());
    transaction.put(
        Record::Profile(Box::new(profile)),
        Expect::unchanged(person.profile.as_ref()),
    );
    Some(transaction)
}

#[cfg(test)]
mod tests;
