//! A person's new address (L-18): a sign-up of its own, which they confirm from there.
//!
//! The lists they are on, through the setup that they came by; nothing changes until then, and
//! nothing else of them is written down under an address that may be mistyped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::address::EmailAddress;
use rundbrief::consent::{FormOrigin, change_wording};
use rundbrief::form::Submission;
use rundbrief::guard::CLIENT_LIMIT;
use rundbrief::id::EventId;
use rundbrief::key::AccountScope;
use rundbrief::message::{MESSAGE_VERSION, NoticeMessage};
use rundbrief::person::{Person, Proof};
use rundbrief::personal::ClientIp;
use rundbrief::setup::{FormDefinition, Mode, Setup};
use rundbrief::sign_up::SignUp;

use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;
use crate::signup::{self, Asked, form_of};
use crate::store::GuardAnswer;

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The new address is asked to confirm, or nothing is: the answer does not say which.
    Asked,
    /// It is the address that is known.
    Same,
    /// The person is on no list: there is nothing to take along.
    OnNoList,
    /// No setup is left that could ask for the confirmation.
    NoSetup,
    /// Too many sign-ups came from this client.
    TooMany,
}

/// Begins the change of a person's address.
///
/// # Errors
/// When a service does not answer.
pub(crate) async fn begin(
    app: &App,
    (account, scope): (&Account, &AccountScope),
    person: &Person,
    address: EmailAddress,
    ip: ClientIp,
    now: Timestamp,
) -> Result<Begun, Trouble> {
    let Some(language) = person.profile.as_ref().map(|profile| profile.language) else {
        return Ok(Begun::OnNoList);
    };
    if scope.person(&address) == person.key {
        return Ok(Begun::Same);
    }
    let lists = person.active_lists();
    if lists.is_empty() {
        return Ok(Begun::OnNoList);
    }
    let Some(mut setup) = setup_of(app, (account, scope), person, now).await? else {
        return Ok(Begun::NoSetup);
    };
    // Nobody fills other people's mailboxes with it (M-30).
    let client = app.keys().await?.guard.client(ip);
    let counted = app.store.count(&CLIENT_LIMIT, &client, now).await?;
    if let GuardAnswer::NotBefore(_) = counted {
        return Ok(Begun::TooMany);
    }
    // The question is asked here and not on the setup's page, and of the lists they are on.
    setup.mode = Mode::Double;
    setup.lists = lists.iter().cloned().collect();
    setup.form_url = format!("{}/preferences", app.settings.public_url()?);
    setup.addresses_minors = false;
    let submission = Submission {
        address,
        values: BTreeMap::new(),
        lists: lists.into_iter().collect(),
        interests: Vec::new(),
        tracking_consent: false,
        profiling_consent: false,
        age_confirmed: false,
        honeypot: false,
        form_time: None,
    };
    let (whose, spoken) = ((account.clone(), scope.clone()), Some(language));
    let mut form = form_of(app, whose.0, whose.1, setup, spoken, now).await?;
    ask_only_for_the_change(&mut form.definition);
    let outbox = EventId::generate(now, app.entropy.as_ref());
    let message = NoticeMessage {
        v: MESSAGE_VERSION,
        account: account.id.clone(),
        person: scope.person(&submission.address),
        outbox,
    };
    let asked = Asked {
        submission,
        origin: FormOrigin { ip, claimed: None },
        outbox,
        looks_human: true,
        former: Some(person.key),
    };
    Box::pin(signup::record(app, &form, asked, now)).await?;
    let setting = InvalidSetting("NOTICE_QUEUE_URL");
    let queue = app.settings.notice_queue_url.as_deref().ok_or(setting)?;
    // The record stands: without the message it is found again through the due index.
    if app.enqueue(queue, &message).await.is_err() {
        tracing::warn!("a notice will be sent later, because its message could not be queued");
    }
    Ok(Begun::Asked)
}

/// What the setup's own form asks nobody is asked here: the evidence states what mail and page show,
/// and no more.
fn ask_only_for_the_change(form: &mut FormDefinition) {
    form.setup.fields = Vec::new();
    form.setup.interests = Vec::new();
    form.setup.email_purpose = None;
    form.setup.asks_tracking_consent = false;
    form.setup.asks_profiling_consent = false;
    form.setup.minimum_age = None;
    form.setup.consent_wording = Some(change_wording(form));
    form.interests = Vec::new();
}

/// The setup that the person came by, or else the first published one that asks twice.
async fn setup_of(
    app: &App,
    (account, scope): (&Account, &AccountScope),
    person: &Person,
    now: Timestamp,
) -> Result<Option<Setup>, Trouble> {
    let sign_ups: Vec<SignUp> = app
        .store
        .records(scope, person.key, SignUp::RECORD, now)
        .await?;
    let proofs = person
        .profile
        .iter()
        .flat_map(|profile| profile.lists.values());
    let by = proofs
        .filter_map(|consent| match &consent.proof {
            Proof::SignUp(event) => sign_ups.iter().find(|known| known.event == *event),
            Proof::Import(_) => None,
        })
        .max_by_key(|sign_up| sign_up.signed_up_at)
        .map(|sign_up| sign_up.setup.clone());
    let mut setups: Vec<Setup> = app.store.configured(scope, now).await?;
    setups.retain(|setup| rundbrief::privacy_notice::is_published(account, setup));
    let place = setups
        .iter()
        .position(|setup| Some(&setup.id) == by.as_ref())
        .or_else(|| setups.iter().position(|setup| setup.mode == Mode::Double));
    Ok(place.map(|place| setups.swap_remove(place)))
}
