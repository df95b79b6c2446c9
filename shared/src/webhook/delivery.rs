//! A message to one recipient: an outbox record, written in the same transaction as its cause.
//!
//! Decides when it is tried, when it is done and when it is given up; calling is `webhook`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{News, Topic, Webhook};
use crate::id::{AccountId, EventId, PersonKey, RecordId, WebhookId};
use crate::key::{AccountScope, Key};
use crate::message::{MESSAGE_VERSION, WebhookMessage};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};
use crate::time::{ShownInstant, plus_days, plus_seconds};

/// For so long a message is tried; then the recipient counts as not told.
pub const TRIED_DAYS: u32 = 7;
/// The wait after the first failed attempt. Longer than one may take, so that no two overlap.
const FIRST_WAIT_SECONDS: i64 = 60;
/// The longest wait between two attempts.
const MAX_WAIT_SECONDS: i64 = 6 * 3_600;

/// What one recipient is to be told: identifiers and times only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whose webhook.
    pub account: AccountId,
    /// Which.
    pub webhook: WebhookId,
    /// What happened.
    pub topic: Topic,
    /// To whom.
    pub person: PersonKey,
    /// Which time it happened.
    pub event: EventId,
    /// Whether the API shows a record under this event.
    pub is_record: bool,
    /// When it happened.
    pub at: Timestamp,
    /// Grows with each write.
    pub rev: u64,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// When the recipient acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// When it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<Timestamp>,
    /// When it was written.
    pub written_at: Timestamp,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It was acknowledged or given up.
    Done,
    /// It is not time yet, or somebody else is at it; the due index brings it back.
    NotYet,
    /// Write this under the old revision; the recipient's endpoint is waited for.
    PutOff(Box<Delivery>),
    /// Write this under the old revision, and that the endpoint fails.
    GiveUp(Box<Delivery>),
    /// Write this under the old revision, then call.
    Call(Box<Delivery>),
}

/// The wait after so many failed attempts before this one, in seconds: twice as long each time.
pub(super) fn back_off(failures: u32) -> i64 {
    (FIRST_WAIT_SECONDS << failures.min(12)).min(MAX_WAIT_SECONDS)
}

impl Delivery {
    /// The message to this webhook, due at once; `None` when it is not to be told of this.
    pub fn of(account: &AccountId, webhook: &Webhook, news: &News, now: Timestamp) -> Option<Self> {
        webhook.events.contains(&news.topic).then(|| Self {
            account: account.clone(),
            webhook: webhook.id.clone(),
            topic: news.topic,
            person: news.person,
            // Of what has no record of its own, one person has one at an instant.
            event: news.record.unwrap_or_else(|| EventId::earliest(news.at)),
            is_record: news.record.is_some(),
            at: news.at,
            rev: 1,
            attempts: 0,
            next_at: now,
            acknowledged_at: None,
            given_up_at: None,
            written_at: now,
            gone_at: Store::Delivery.kept().until(now).unwrap_or(Timestamp::MAX),
        })
    }

    /// Names the message, the same at each attempt: whoever has seen it may drop it.
    pub fn message_id(&self) -> String {
        format!("{}-{}-{}", self.person, self.event, self.topic.name())
    }

    /// What is sent: whoever got the data looks the person up by key.
    pub fn body(&self) -> String {
        let record = RecordId {
            person: self.person,
            event: self.event,
        };
        json!({
            "type": self.topic,
            "timestamp": ShownInstant(self.at),
            "data": {
                "account": self.account,
                "subscriber": self.person,
                "record": self.is_record.then_some(record),
            },
        })
        .to_string()
    }

    /// What to do at `now`, with the webhook as it is then.
    pub fn attempt(&self, webhook: Option<&Webhook>, now: Timestamp) -> Attempt {
        if self.is_settled() {
            return Attempt::Done;
        }
        if now < self.next_at {
            return Attempt::NotYet;
        }
        let Some(webhook) = webhook.filter(|_| now < plus_days(self.written_at, TRIED_DAYS)) else {
            return Attempt::GiveUp(Box::new(Self {
                rev: self.rev + 1,
                given_up_at: Some(now),
                ..self.clone()
            }));
        };
        match webhook.paused_until {
            Some(until) if now < until => Attempt::PutOff(Box::new(Self {
                rev: self.rev + 1,
                next_at: until,
                ..self.clone()
            })),
            _ => Attempt::Call(Box::new(Self {
                rev: self.rev + 1,
                attempts: self.attempts.saturating_add(1),
                next_at: plus_seconds(now, back_off(self.attempts)),
                ..self.clone()
            })),
        }
    }

    /// The message once its recipient answered with success.
    #[must_use]
    pub fn acknowledged(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            acknowledged_at: Some(now),
            ..self.clone()
        }
    }

    /// Whether nothing more is tried.
    pub fn is_settled(&self) -> bool {
        self.acknowledged_at.is_some() || self.given_up_at.is_some()
    }

    /// The sort key of a message.
    pub(crate) fn sort_key(
        person: PersonKey,
        event: EventId,
        topic: Topic,
        webhook: &WebhookId,
    ) -> String {
        format!("d#{person}#{event}#{}#{webhook}", topic.name())
    }

    /// What all sort keys of messages about a person begin with.
    pub fn prefix(person: PersonKey) -> String {
        format!("d#{person}#")
    }

    /// What the sort keys of all messages about one event begin with.
    pub fn event_prefix(person: PersonKey, event: EventId, topic: Topic) -> String {
        format!("d#{person}#{event}#{}#", topic.name())
    }

    /// The queue's message about the record with this key.
    pub fn message(key: &Key) -> Option<WebhookMessage> {
        let account = key.pk.strip_prefix("A#")?.strip_suffix("#W")?;
        let mut parts = key.sk.strip_prefix("d#")?.split('#');
        let mut part = || parts.next();
        Some(WebhookMessage {
            v: MESSAGE_VERSION,
            account: AccountId::parse(account).ok()?,
            person: PersonKey::parse(part()?).ok()?,
            event: EventId::parse(part()?).ok()?,
            topic: Topic::parse(part()?)?,
            webhook: WebhookId::parse(part()?).ok()?,
        })
    }
}

impl Stored for Delivery {
    const KIND: &'static str = "delivery";

    fn key(&self, _: &AccountScope) -> Key {
        Key::delivery(
            &self.account,
            self.person,
            self.event,
            self.topic,
            &self.webhook,
        )
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(if self.is_settled() {
            Due {
                work: DueWork::Expire,
                at: self.gone_at,
            }
        } else {
            Due {
                work: DueWork::Tell,
                at: self.next_at,
            }
        })
    }
}
