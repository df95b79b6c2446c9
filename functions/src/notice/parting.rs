//! The mails about leaving: the question whether it is meant, and the farewell (P-14).
//!
//! Both are void when the person is erased, and when there is nothing (any more) to say.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::id::{CampaignId, EventId, ListId};
use rundbrief::key::AccountScope;
use rundbrief::outbox::Outbox;
use rundbrief::page_language::Language;
use rundbrief::person::Unsubscription;
use rundbrief::record::Stored;
use rundbrief::setup::List;
use rundbrief::token::Token;
use rundbrief::unsubscribe_setup::{Reason, UnsubscribeSetup};

use super::Composed;
use super::letter::{Letter, Words};
use crate::app::{App, Trouble};

/// Whose mail it is.
pub(super) struct About<'a> {
    pub(super) app: &'a App,
    pub(super) account: &'a Account,
    pub(super) scope: &'a AccountScope,
    pub(super) outbox: &'a Outbox,
    pub(super) now: Timestamp,
}

impl About<'_> {
    async fn list_names<'a>(
        &self,
        lists: impl IntoIterator<Item = &'a ListId>,
    ) -> Result<String, Trouble> {
        let mut names = Vec::new();
        for list in lists {
            let key = self.scope.configuration(List::KIND, list.as_str());
            let found: Option<List> = self.app.store.get(&key, self.now).await?;
            names.push(found.map_or_else(|| list.to_string(), |list| list.name));
        }
        Ok(names.join(", "))
    }

    /// Asks whether the person wants to leave.
    pub(super) async fn request(
        &self,
        campaign: Option<CampaignId>,
        list: Option<ListId>,
        reason: Option<Reason>,
    ) -> Result<Option<Composed>, Trouble> {
        let key = self.outbox.person;
        let person = self.app.store.person(self.scope, key, self.now).await?;
        let active = person.active_lists();
        let left: Vec<&ListId> = match &list {
            Some(list) => active.iter().filter(|one| *one == list).collect(),
            None => active.iter().collect(),
        };
        let Some(profile) = person.profile.as_ref().filter(|_| !left.is_empty()) else {
            return Ok(None);
        };
        let (name, lists) = (&self.account.name, self.list_names(left).await?);
        let words = match profile.language {
            Language::De => Words {
                subject: format!("Bitte bestätigen Sie Ihre Abmeldung bei {name}"),
                before: format!(
                    "Sie möchten „{lists}“ von {name} nicht mehr erhalten. Bitte bestätigen Sie das:"
                ),
                link_label: "Abmeldung bestätigen",
                after:
                    "Wenn Sie das nicht waren, brauchen Sie nichts zu tun: Es bleibt, wie es ist."
                        .to_owned(),
                denial: None,
            },
            Language::En => Words {
                subject: format!("Please confirm that you unsubscribe from {name}"),
                before: format!(
                    "you want to receive “{lists}” from {name} no longer. Please confirm it:"
                ),
                link_label: "Confirm unsubscribing",
                after: "If that was not you, there is nothing to do: everything stays as it is."
                    .to_owned(),
                denial: None,
            },
        };
        let token = self.app.keys().await?.sealer.seal(&Token::Leave {
            account: self.account.id.clone(),
            person: key,
            campaign,
            list,
            reason,
        });
        let link = format!("{}/unsubscribe/{token}", self.app.settings.public_url()?);
        Ok(Some(Composed {
            to: profile.address.clone(),
            letter: Letter::write("leave_request", self.account, profile.language, link, words),
            sign_up: None,
        }))
    }

    /// Tells that the person has left.
    pub(super) async fn farewell(&self, event: EventId) -> Result<Option<Composed>, Trouble> {
        let (app, scope, now) = (self.app, self.scope, self.now);
        let key = self.outbox.person;
        let record = scope.record(key, Unsubscription::RECORD, event);
        let (person, left) = futures::try_join!(
            app.store.person(scope, key, now),
            app.store.get::<Unsubscription>(&record, now),
        )?;
        let (Some(profile), Some(left)) = (&person.profile, left) else {
            return Ok(None);
        };
        let active = person.active_lists();
        let is_back = left.lists.iter().all(|list| active.contains(list));
        if is_back || person.is_restricted() {
            return Ok(None);
        }
        let setup: Option<UnsubscribeSetup> = match &left.setup {
            Some(id) => {
                let place = scope.configuration(UnsubscribeSetup::KIND, id.as_str());
                app.store.get(&place, now).await?
            }
            None => None,
        };
        let language = profile.language;
        let (name, lists) = (&self.account.name, self.list_names(&left.lists).await?);
        let (subject, before) = match language {
            Language::De => (
                format!("Sie sind bei {name} abgemeldet"),
                format!("diese Adresse erhält „{lists}“ von {name} nicht mehr."),
            ),
            Language::En => (
                format!("You are unsubscribed from {name}"),
                format!("this address receives “{lists}” from {name} no longer."),
            ),
        };
        let after = setup.and_then(|setup| setup.farewell).unwrap_or_else(|| {
            language
                .pick(
                    "Das war die letzte E-Mail dazu. Sie brauchen nichts zu tun.",
                    "This was the last e-mail about it. There is nothing to do.",
                )
                .to_owned()
        });
        let words = Words {
            subject,
            before,
            link_label: "",
            after,
            denial: None,
        };
        Ok(Some(Composed {
            to: profile.address.clone(),
            letter: Letter::write("farewell", self.account, language, String::new(), words),
            sign_up: None,
        }))
    }
}
