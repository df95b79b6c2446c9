//! One person's mail of a campaign: the parts, the links, the headers of list mail.
//!
//! Rendered whole here and carried to SES as replacement data, one hole per part.

use std::fmt;

use rundbrief::campaign::content::Content;
use rundbrief::header::{self, Header};
use rundbrief::id::{AccountId, CampaignId, ListId};
use rundbrief::person::Profile;
use rundbrief::template::{Context, Subscriber, Template};
use rundbrief::token::{MailOrigin, Token, TokenSealer};
use serde::Serialize;

/// Most characters of one person's data; SES takes 262,144 (A-03).
const MOST_DATA: usize = 250_000;
/// What an entry of a call needs besides data and headers: tags, names, punctuation.
const ENTRY_OCTETS: usize = 1_200;

/// A mail, ready to be handed over.
pub(super) struct Mail {
    pub(super) to: String,
    /// The holes' contents, as the JSON that SES takes.
    pub(super) data: String,
    pub(super) headers: Vec<Header>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(***)")
    }
}

/// The holes: one per part.
#[derive(Serialize)]
struct Holes<'a> {
    s: &'a str,
    h: &'a str,
    t: &'a str,
}

/// The template that SES fills in: nothing but the holes (A-02).
pub(super) const SUBJECT: &str = "{{s}}";
/// See [`SUBJECT`].
pub(super) const HTML: &str = "{{h}}";
/// See [`SUBJECT`].
pub(super) const TEXT: &str = "{{t}}";
/// What a hole holds that a person's data lack: without a default SES accepts and then fails.
pub(super) const DEFAULTS: &str = r#"{"s":"","h":"","t":""}"#;

impl Mail {
    /// About what it takes in a call's body, where the data are escaped a second time.
    pub(super) fn octets(&self) -> usize {
        let escaped = self
            .data
            .bytes()
            .filter(|byte| matches!(byte, b'"' | b'\\'))
            .count();
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 40)
            .sum();
        self.data.len() + escaped + headers + self.to.len() + ENTRY_OCTETS
    }
}

/// Writes the mails of one campaign.
pub(super) struct Writer<'a> {
    pub(super) account: &'a AccountId,
    pub(super) campaign: &'a CampaignId,
    pub(super) content: &'a Content,
    pub(super) template: &'a Template,
    pub(super) sealer: &'a TokenSealer,
    pub(super) public_url: &'a str,
}

impl Writer<'_> {
    /// The person's mail through this list; `None` when it cannot be written.
    pub(super) fn write(&self, profile: &Profile, list: &ListId) -> Option<Mail> {
        let origin = MailOrigin::Campaign {
            campaign: self.campaign.clone(),
            list: Some(list.clone()),
        };
        let unsubscribe = self.sealer.seal(&Token::Unsubscribe {
            account: self.account.clone(),
            person: profile.person,
            origin: origin.clone(),
        });
        let preferences = self.sealer.seal(&Token::Preferences {
            account: self.account.clone(),
            person: profile.person,
            origin,
        });
        let unsubscribe_url = format!("{}/unsubscribe/{unsubscribe}", self.public_url);
        let preferences_url = format!("{}/preferences/{preferences}", self.public_url);
        let context = Context::new(
            Subscriber::of_profile(&profile.address, &profile.values),
            &unsubscribe_url,
            &preferences_url,
            &self.content.imprint,
        );
        let rendered = self.template.render(&context).ok()?;
        let holes = Holes {
            s: &rendered.subject,
            h: &rendered.html,
            t: &rendered.text,
        };
        let data = serde_json::to_string(&holes).ok()?;
        if data.chars().count() > MOST_DATA {
            return None;
        }
        let namespace = self.content.sender.email.domain();
        let mut headers = header::list_unsubscribe(&unsubscribe_url, None).ok()?;
        headers.extend(header::list_id(self.account.as_str(), list.as_str(), namespace).ok()?);
        Some(Mail {
            to: profile.address.reveal().to_owned(),
            data,
            headers,
        })
    }
}
