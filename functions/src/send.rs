//! `send`: sends arcs of campaigns through SES.
//!
//! Carries out what the worker's machine in the domain asks for, one command after the other.
//! Stops by itself before its time is up: the ledger says where the next one goes on.

mod call;
mod mail;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::campaign::arc::{Arc as CampaignArc, Span};
use rundbrief::campaign::audience::{Audience, Judgement};
use rundbrief::campaign::content::Content;
use rundbrief::campaign::control::{Control, NoSlot, PauseReason};
use rundbrief::campaign::ledger::Skip;
use rundbrief::campaign::reading::{Found, Reader};
use rundbrief::campaign::worker::{Command, Event, Stop, Worker};
use rundbrief::campaign::{CampaignState, Limits};
use rundbrief::id::{ListId, PersonKey};
use rundbrief::key::AccountScope;
use rundbrief::message::ArcMessage;
use rundbrief::record::Expect;
use rundbrief::suppression::Rules;
use rundbrief::template::Template;
use rundbrief::time::plus_seconds;
use serde_json::Value;

use self::mail::Mail;
use crate::app::{App, Trouble};
use crate::campaign::{ChangeError, pause};
use crate::function::{self, Failure, Verdict};
use crate::store::{Claim, WriteError};

/// A worker lets go of its arc after this long: the function's time limit is 300 s, and a call
/// to SES may take [`call::TIMEOUT`] of that.
const WORK_SECONDS: i64 = 200;
/// How old the account's rules may be when people are judged: less than a mail may be on its way
/// from the judgement to the call.
const RULES_SECONDS: i64 = 5;

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::messages(&app, event, take).await
}

async fn take(app: &App, message: ArcMessage) -> Result<Verdict, Trouble> {
    match work(app, &message).await {
        Ok(stop) => {
            tracing::info!(
                account = %message.account, campaign = %message.campaign, arc = message.arc,
                ?stop, "a worker stopped"
            );
        }
        // Not again: the arc is released again by the schedule, and the dead-letter queue is for
        // crashes only.
        Err(trouble) => {
            tracing::error!(
                account = %message.account, campaign = %message.campaign, arc = message.arc,
                %trouble, "an arc could not be worked on"
            );
        }
    }
    Ok(Verdict::Done)
}

/// One worker's work on one arc.
struct Job<'a> {
    app: &'a App,
    message: &'a ArcMessage,
    account: Account,
    scope: AccountScope,
    content: Content,
    template: Template,
    limits: Limits,
    control: Option<Control>,
    span: Option<Span>,
    people: HashMap<PersonKey, Found>,
    mails: HashMap<PersonKey, Mail>,
    rules: (Option<Timestamp>, Rules),
}

async fn work(app: &App, message: &ArcMessage) -> Result<Stop, Trouble> {
    let now = app.now();
    let Some((account, scope)) = app.open_account(&message.account, now).await? else {
        return Ok(Stop::NoArc);
    };
    let key = scope.campaign(&message.campaign, Content::SORT_KEY);
    let Some(content) = app.store.get::<Content>(&key, now).await? else {
        return Ok(Stop::NoArc);
    };
    let Ok(template) = Template::parse(&content.source) else {
        // It was checked when it was frozen: the platform's rules have changed since.
        let why = PauseReason::Misconfigured;
        let _held = pause(app, &scope, &message.campaign, why, now).await;
        return Ok(Stop::NotSending);
    };
    let limits = Limits::default();
    let mut job = Job {
        app,
        message,
        account,
        scope,
        content,
        template,
        limits,
        control: None,
        span: None,
        people: HashMap::new(),
        mails: HashMap::new(),
        rules: (None, Rules::default()),
    };
    let (mut worker, mut command) = Worker::new(limits, plus_seconds(now, WORK_SECONDS));
    loop {
        if let Command::Stop(stop) = command {
            return Ok(stop);
        }
        let event = job.carry_out(command).await;
        command = worker.next(event, app.now(), app.entropy.as_ref());
    }
}

impl Job<'_> {
    async fn carry_out(&mut self, command: Command) -> Event {
        match self.try_to(command).await {
            Ok(event) => event,
            Err(trouble) => {
                tracing::warn!(%trouble, "a step on an arc failed");
                Event::Failed
            }
        }
    }

    async fn try_to(&mut self, command: Command) -> Result<Event, Trouble> {
        let now = self.app.now();
        Ok(match command {
            Command::LoadLedger => self.load(now).await?,
            Command::TakeSlot { recipients } => self.take_slot(recipients, now).await?,
            Command::Read { from, people } => self.read(from, people, now).await?,
            Command::ReadAgain(people) => self.read_again(people, now).await?,
            Command::Render(people) => Event::Rendered(self.render(people).await?),
            Command::Claim(entry) => match self.app.store.claim(&self.scope, &entry).await? {
                Claim::Stands => Event::Claimed,
                Claim::Taken(nonce) => Event::Taken(nonce),
            },
            Command::Send {
                entry, recipients, ..
            } => {
                let answer = call::send(
                    self.app,
                    self.message,
                    &self.content,
                    entry,
                    &recipients,
                    &self.mails,
                )
                .await;
                Event::Answered(answer)
            }
            Command::Record {
                entry,
                nonce,
                outcomes,
            } => {
                let key = self.scope.ledger_entry(
                    &self.message.campaign,
                    self.message.round,
                    self.message.arc,
                    entry,
                );
                let store = &self.app.store;
                store.record_outcomes(&key, nonce, outcomes).await?;
                Event::Recorded
            }
            Command::Hold(why) => self.hold(why, now).await?,
            Command::PutArc(arc, expect) => self.put_arc(&arc, expect, now).await?,
            Command::Stop(_) => Event::NoArc,
        })
    }

    async fn load(&mut self, now: Timestamp) -> Result<Event, Trouble> {
        let ArcMessage {
            campaign,
            round,
            arc,
            ..
        } = self.message;
        let key = self
            .scope
            .campaign(campaign, CampaignArc::sort_key(*round, *arc));
        let Some(arc) = self.app.store.get::<CampaignArc>(&key, now).await? else {
            return Ok(Event::NoArc);
        };
        let key = self.scope.campaign(campaign, Control::SORT_KEY);
        let Some(control) = self.app.store.get::<Control>(&key, now).await? else {
            return Ok(Event::NoArc);
        };
        let entries = crate::campaign::ledger(self.app, &self.scope, &arc, now).await?;
        let spacing = control.spacing;
        self.span = Some(arc.span);
        self.control = Some(control);
        Ok(Event::Loaded {
            arc: Box::new(arc),
            entries,
            spacing,
        })
    }

    async fn take_slot(&mut self, recipients: u16, now: Timestamp) -> Result<Event, Trouble> {
        let Some(known) = self.control.take() else {
            return Ok(Event::NoSlot(NoSlot::State(CampaignState::Interrupted)));
        };
        self.control = Some(known.clone());
        let (control, slot) = self
            .app
            .store
            .take_slot(&self.scope, known, recipients, &self.limits, now)
            .await?;
        self.control = Some(control);
        let begins = match slot {
            Ok(begins) => begins,
            Err(why) => return Ok(Event::NoSlot(why)),
        };
        let wait = begins.saturating_sub(self.app.now().as_microsecond());
        if let Ok(wait) = u64::try_from(wait)
            && wait > 0
        {
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
        Ok(Event::Slot)
    }

    async fn read(
        &mut self,
        from: PersonKey,
        people: u16,
        now: Timestamp,
    ) -> Result<Event, Trouble> {
        let Some(span) = self.span else {
            return Ok(Event::Failed);
        };
        let (found, next) = self.find(span, from, usize::from(people), now).await?;
        self.people.clear();
        self.mails.clear();
        self.refresh_rules(now).await?;
        let people = found
            .into_iter()
            .map(|found| (found.person, self.judge(found)))
            .collect();
        Ok(Event::People { people, next })
    }

    async fn read_again(
        &mut self,
        people: Vec<PersonKey>,
        now: Timestamp,
    ) -> Result<Event, Trouble> {
        self.people.clear();
        self.mails.clear();
        self.refresh_rules(now).await?;
        let mut judged = Vec::with_capacity(people.len());
        // Retries are few: one query each.
        for person in people {
            let span = Span {
                from: person,
                until: person.position().checked_add(1).map(PersonKey::at),
            };
            let (found, _) = self.find(span, person, 1, now).await?;
            let judgement = found
                .into_iter()
                .next()
                .map_or(Judgement::Outside, |found| self.judge(found));
            judged.push((person, judgement));
        }
        Ok(Event::People {
            people: judged,
            next: None,
        })
    }

    async fn find(
        &self,
        span: Span,
        from: PersonKey,
        wanted: usize,
        now: Timestamp,
    ) -> Result<(Vec<Found>, Option<PersonKey>), Trouble> {
        let mut reader = Reader::new(span, from, wanted);
        while let Some(query) = reader.query() {
            let (items, more) = self.app.store.people(&self.scope, &query).await?;
            reader.take(items, more, now);
        }
        let page = reader.finish();
        Ok((page.people, page.next))
    }

    /// What is suppressed by domain or pattern, as it was at most [`RULES_SECONDS`] ago.
    async fn refresh_rules(&mut self, now: Timestamp) -> Result<(), Trouble> {
        if self
            .rules
            .0
            .is_none_or(|at| plus_seconds(at, RULES_SECONDS) <= now)
        {
            let rules = self.app.store.address_rules(&self.scope, now).await?;
            self.rules = (Some(now), rules);
        }
        Ok(())
    }

    /// What the person is to the campaign; who is to be mailed is kept for rendering.
    fn judge(&mut self, found: Found) -> Judgement {
        let audience = Audience {
            lists: &self.content.lists,
            started_at: self.content.started_at,
        };
        let mut judgement = audience.judge(&found);
        if matches!(judgement, Judgement::Recipient { .. })
            && let Some(profile) = &found.profile
            && self.rules.1.match_address(&profile.address)
        {
            judgement = Judgement::Skipped(Skip::Suppressed);
        }
        if matches!(judgement, Judgement::Recipient { .. }) {
            self.people.insert(found.person, found);
        }
        judgement
    }

    async fn render(
        &mut self,
        people: Vec<(PersonKey, ListId)>,
    ) -> Result<Vec<Option<usize>>, Trouble> {
        let sealer = &self.app.keys().await?.sealer;
        let writer = mail::Writer {
            account: &self.account.id,
            campaign: &self.message.campaign,
            content: &self.content,
            template: &self.template,
            sealer,
            public_url: self.app.settings.public_url()?,
        };
        let mut sizes = Vec::with_capacity(people.len());
        for (person, list) in people {
            let profile = self
                .people
                .get(&person)
                .and_then(|found| found.profile.as_deref());
            let mail = profile.and_then(|profile| writer.write(profile, &list));
            sizes.push(mail.as_ref().map(Mail::octets));
            if let Some(mail) = mail {
                self.mails.insert(person, mail);
            }
        }
        Ok(sizes)
    }

    async fn hold(&self, why: PauseReason, now: Timestamp) -> Result<Event, Trouble> {
        tracing::error!(
            account = %self.message.account, campaign = %self.message.campaign, ?why,
            "the mail service refuses: the campaign is held"
        );
        match pause(self.app, &self.scope, &self.message.campaign, why, now).await {
            Err(ChangeError::Trouble(trouble)) => Err(trouble),
            Ok(_) | Err(ChangeError::NotFound | ChangeError::Refused(_)) => Ok(Event::Held),
        }
    }

    async fn put_arc(
        &self,
        arc: &CampaignArc,
        expect: Expect,
        now: Timestamp,
    ) -> Result<Event, Trouble> {
        match self.app.store.put(&self.scope, arc, expect, now).await {
            Ok(()) => Ok(Event::ArcPut),
            Err(WriteError::Conflict) => Ok(Event::ArcConflict),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }
}
