//! The words of mails to one person, in German and English.
//!
//! Free of advertising (L-07): the links of its purpose, the imprint, the privacy notice, no image. Nothing that a
//! visitor typed is in them (P-05).

use askama::Template;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::evidence::Digest;
use rundbrief::page_language::Language;
use rundbrief::person::Profile;
use rundbrief::sign_up::SignUp;
use rundbrief::time::zone;
use rundbrief::token::{MAILBOX_PROOF_MINUTES, MailOrigin, Token, TokenSealer};

use super::change::{self, Time};
use crate::page::privacy_label;

/// The kind of the mail that asks to confirm.
pub(super) const CONFIRMATION: &str = "confirmation";
/// The kind of the one that asks once more.
pub(super) const REMINDER: &str = "reminder";

/// A mail, ready for SES.
#[derive(Debug)]
pub(super) struct Letter {
    /// What kind of notice, as a tag.
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    /// Subject and text with `{link}` where the person's own link stands: the same for everybody.
    pub(super) document: String,
}

/// What both parts say.
struct Content<'a> {
    subject: String,
    /// Before the link, the greeting first.
    before: [&'a str; 2],
    link: String,
    link_label: &'a str,
    after: &'a str,
    /// "That was not me": what it is called, and where it leads.
    denial: Option<(&'a str, String)>,
    imprint: &'a str,
    privacy_url: &'a str,
    privacy_label: &'a str,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Html<'a> {
    language: Language,
    content: &'a Content<'a>,
}

#[derive(Template)]
#[template(path = "notice.txt", escape = "none")]
struct Text<'a> {
    content: &'a Content<'a>,
}

/// What a mail says.
pub(super) struct Words {
    pub(super) subject: String,
    /// After the greeting.
    pub(super) before: String,
    pub(super) link_label: &'static str,
    pub(super) after: String,
    /// Where "that was not me" leads, in the mails that somebody else may have caused.
    pub(super) denial: Option<String>,
}

impl Letter {
    /// Asks to confirm.
    pub(super) fn confirmation(
        account: &Account,
        sign_up: &SignUp,
        sealer: &TokenSealer,
        public_url: &str,
    ) -> Self {
        let token = confirm_token(account, sign_up, sealer);
        let (name, lists, until) = (&account.name, lists(sign_up), until(account, sign_up));
        let words = match sign_up.language {
            language if sign_up.former.is_some() => {
                change::words(language, (name, &lists, &until), Time::First)
            }
            Language::De => Words {
                subject: format!("Bitte bestätigen Sie Ihre Anmeldung bei {name}"),
                before: format!(
                    "mit dieser Adresse wurde eine Anmeldung zu „{lists}“ von {name} abgeschickt. Wenn Sie das waren, bestätigen Sie sie bitte:"
                ),
                link_label: "Anmeldung bestätigen",
                after: format!(
                    "Der Link gilt bis {until} Uhr. Wenn Sie sich nicht angemeldet haben, brauchen Sie nichts zu tun: Ohne Bestätigung erhalten Sie keine weiteren E-Mails, und Ihre Adresse wird gelöscht."
                ),
                denial: None,
            },
            Language::En => Words {
                subject: format!("Please confirm your sign-up with {name}"),
                before: format!(
                    "a sign-up for “{lists}” from {name} was sent with this address. If that was you, please confirm it:"
                ),
                link_label: "Confirm sign-up",
                after: format!(
                    "The link is valid until {until}. If you did not sign up, there is nothing to do: without confirmation you will receive no further e-mails, and your address will be deleted."
                ),
                denial: None,
            },
        };
        let link = format!("{public_url}/confirm/{token}");
        let words = Words {
            denial: Some(denial(account, sign_up, sealer, public_url)),
            ..words
        };
        Self::write(CONFIRMATION, account, sign_up.language, link, words)
    }

    /// Asks once more, and says that it is the last time (O-07).
    pub(super) fn reminder(
        account: &Account,
        sign_up: &SignUp,
        sealer: &TokenSealer,
        public_url: &str,
    ) -> Self {
        let (name, lists, until) = (&account.name, lists(sign_up), until(account, sign_up));
        let words = match sign_up.language {
            language if sign_up.former.is_some() => {
                change::words(language, (name, &lists, &until), Time::Last)
            }
            Language::De => Words {
                subject: format!("Erinnerung: Ihre Anmeldung bei {name} ist noch nicht bestätigt"),
                before: format!(
                    "mit dieser Adresse wurde eine Anmeldung zu „{lists}“ von {name} abgeschickt und noch nicht bestätigt. Wenn Sie das waren, bestätigen Sie sie bitte:"
                ),
                link_label: "Anmeldung bestätigen",
                after: format!(
                    "Der Link gilt bis {until} Uhr. Wir erinnern Sie nur dieses eine Mal. Wenn Sie sich nicht angemeldet haben, brauchen Sie nichts zu tun: Ohne Bestätigung wird Ihre Adresse gelöscht."
                ),
                denial: None,
            },
            Language::En => Words {
                subject: format!("Reminder: your sign-up with {name} is not confirmed yet"),
                before: format!(
                    "a sign-up for “{lists}” from {name} was sent with this address and is not confirmed yet. If that was you, please confirm it:"
                ),
                link_label: "Confirm sign-up",
                after: format!(
                    "The link is valid until {until}. We remind you only this once. If you did not sign up, there is nothing to do: without confirmation your address will be deleted."
                ),
                denial: None,
            },
        };
        let token = confirm_token(account, sign_up, sealer);
        let link = format!("{public_url}/confirm/{token}");
        let words = Words {
            denial: Some(denial(account, sign_up, sealer, public_url)),
            ..words
        };
        Self::write(REMINDER, account, sign_up.language, link, words)
    }

    /// Tells of a sign-up that is active already, with a way out (O-02).
    pub(super) fn information(
        account: &Account,
        sign_up: &SignUp,
        sealer: &TokenSealer,
        public_url: &str,
    ) -> Self {
        let token = sealer.seal(&Token::Unsubscribe {
            account: account.id.clone(),
            person: sign_up.person,
            origin: MailOrigin::SignUp(sign_up.event),
        });
        let (name, lists) = (&account.name, lists(sign_up));
        let words = match sign_up.language {
            Language::De => Words {
                subject: format!("Ihre Anmeldung bei {name}"),
                before: format!(
                    "diese Adresse wurde zu „{lists}“ von {name} angemeldet und erhält ab jetzt E-Mails dazu. Wenn Sie das nicht möchten, melden Sie sich hier ab:"
                ),
                link_label: "Abmelden",
                after: "Wenn Sie sich selbst angemeldet haben, brauchen Sie nichts zu tun."
                    .to_owned(),
                denial: None,
            },
            Language::En => Words {
                subject: format!("Your sign-up with {name}"),
                before: format!(
                    "this address was signed up for “{lists}” from {name} and receives e-mails from now on. If you do not want that, unsubscribe here:"
                ),
                link_label: "Unsubscribe",
                after: "If you signed up yourself, there is nothing to do.".to_owned(),
                denial: None,
            },
        };
        let link = format!("{public_url}/unsubscribe/{token}");
        Self::write("information", account, sign_up.language, link, words)
    }

    /// Brings the link that opens a person's data, fresh from now on (P-06).
    pub(super) fn mailbox_proof(
        account: &Account,
        profile: &Profile,
        (sealer, public_url): (&TokenSealer, &str),
        now: Timestamp,
    ) -> Self {
        let token = sealer.seal(&Token::MailboxProof {
            account: account.id.clone(),
            person: profile.person,
            mailed_at: now,
        });
        let name = &account.name;
        let minutes = MAILBOX_PROOF_MINUTES;
        let words = match profile.language {
            Language::De => Words {
                subject: format!("Ihr Link zu Ihren Daten bei {name}"),
                before: format!(
                    "für diese Adresse wurde ein Link zu den Daten angefordert, die {name} speichert. Mit ihm können Sie sie sehen, berichtigen, mitnehmen und löschen:"
                ),
                link_label: "Zu meinen Daten",
                after: format!(
                    "Der Link gilt {minutes} Minuten. Geben Sie diese E-Mail nicht weiter. Wenn Sie den Link nicht angefordert haben, brauchen Sie nichts zu tun."
                ),
                denial: None,
            },
            Language::En => Words {
                subject: format!("Your link to your data with {name}"),
                before: format!(
                    "a link to the data that {name} stores was requested for this address. With it you can see, correct, take along and delete them:"
                ),
                link_label: "To my data",
                after: format!(
                    "The link is valid for {minutes} minutes. Do not pass this e-mail on. If you did not request the link, there is nothing to do."
                ),
                denial: None,
            },
        };
        let link = format!("{public_url}/preferences/{token}");
        Self::write("mailbox_proof", account, profile.language, link, words)
    }

    /// Names exactly what was handed over.
    pub(super) fn digest(&self) -> Digest {
        let parts = [&self.subject, &self.text, &self.html];
        let parts: Vec<&[u8]> = parts
            .iter()
            .flat_map(|part| [part.as_bytes(), &[0]])
            .collect();
        Digest::of(&parts)
    }

    /// A mail in these words; without a link where that is empty.
    pub(super) fn write(
        kind: &'static str,
        account: &Account,
        language: Language,
        link: String,
        words: Words,
    ) -> Self {
        let imprint = if account.imprint.is_empty() {
            &account.name
        } else {
            &account.imprint
        };
        let greeting = match language {
            Language::De => "Guten Tag,",
            Language::En => "Hello,",
        };
        let mut content = Content {
            subject: words.subject,
            before: [greeting, &words.before],
            link,
            link_label: words.link_label,
            after: &words.after,
            denial: words.denial.map(|link| {
                let label = language.pick("Das war ich nicht", "That was not me");
                (label, link)
            }),
            imprint,
            privacy_url: &account.privacy_url,
            privacy_label: privacy_label(language),
        };
        // Rendering into a string fails for no input: the templates call nothing that can.
        let html = Html {
            language,
            content: &content,
        };
        let html = html.render().unwrap_or_default();
        let text = Text { content: &content }.render().unwrap_or_default();
        "{link}".clone_into(&mut content.link);
        if let Some((_, link)) = &mut content.denial {
            "{not_me_link}".clone_into(link);
        }
        let without_link = Text { content: &content }.render().unwrap_or_default();
        Self {
            kind,
            document: format!("{}\n\n{without_link}", content.subject),
            text,
            html,
            subject: content.subject,
        }
    }
}

/// The address behind "that was not me".
fn denial(account: &Account, sign_up: &SignUp, sealer: &TokenSealer, public_url: &str) -> String {
    let token = sealer.seal(&Token::NotMe {
        account: account.id.clone(),
        person: sign_up.person,
        sign_up: sign_up.event,
    });
    format!("{public_url}/not-me/{token}")
}

fn confirm_token(account: &Account, sign_up: &SignUp, sealer: &TokenSealer) -> String {
    sealer.seal(&Token::Confirm {
        account: account.id.clone(),
        person: sign_up.person,
        sign_up: sign_up.event,
    })
}

/// When a sign-up expires, in the account's time zone.
fn until(account: &Account, sign_up: &SignUp) -> String {
    let until = sign_up.gone_at.and_then(|at| {
        let local = at.to_zoned_datetime(zone(&account.time_zone).ok()?);
        Some(match sign_up.language {
            Language::De => local.strftime("%d.%m.%Y, %H:%M").to_string(),
            Language::En => local.strftime("%-d %B %Y, %H:%M").to_string(),
        })
    });
    until.unwrap_or_default()
}

fn lists(sign_up: &SignUp) -> String {
    sign_up
        .lists
        .iter()
        .map(|list| list.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
