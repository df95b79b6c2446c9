//! After each step: whom a campaign would write to, by the tables and by what happened; and
//! whether the proof of each consent is there and says what happened.

use jiff::Timestamp;

use super::Play;
use crate::campaign::audience::{Audience, Judgement};
use crate::histories::oracle::Verdict;
use crate::histories::premises::{FORMS, LISTS, first_name};
use crate::person::{Profile, Proof};
use crate::personal::ClientIp;
use crate::record::{Record, Stored as _};
use crate::setup::Mode;
use crate::sign_up::SignUp;

impl Play<'_> {
    /// Whom a campaign would write to now, against what happened.
    pub(super) fn check(&mut self) -> Result<(), String> {
        if self.split {
            return Ok(());
        }
        for who in 0..self.premises.people.len() {
            let person = self.person(who);
            let Some(profile) = &person.profile else {
                self.check_absent(who)?;
                continue;
            };
            let sendable = person.sendable_lists();
            for (number, list) in self.premises.lists.iter().enumerate() {
                let audience = Audience {
                    lists: std::slice::from_ref(list),
                    started_at: Timestamp::MAX,
                };
                let judgement = audience.judge_profile(profile, person.withdrawal.as_ref());
                let selected = matches!(judgement, Judgement::Recipient { .. });
                if selected && !sendable.contains(list) {
                    return Err(format!("{who} is mailed by {list} and not on it"));
                }
                match self.oracle.judge(who, number, self.now) {
                    Verdict::MustNot(why) if selected => {
                        let told = self.oracle.tell(who);
                        return Err(format!(
                            "{who} is mailed by {list}: {why}: {told} {person:?}"
                        ));
                    }
                    Verdict::Must if !selected => {
                        let told = self.oracle.tell(who);
                        return Err(format!("{who} is not mailed by {list}: {told} {person:?}"));
                    }
                    Verdict::Must => self.seen.count("somebody who must be mailed"),
                    Verdict::MustNot(_) => self.seen.count("somebody who must not be mailed"),
                    Verdict::May => {}
                }
                // A restore brings a person's records back after the profile.
                if selected && self.quarantine.is_none() {
                    self.evidence(who, number, profile).map_err(|what| {
                        let told = self.oracle.tell(who);
                        format!("evidence of {who} for {list}: {what}: {told} {person:?}")
                    })?;
                }
            }
        }
        Ok(())
    }

    fn check_absent(&self, who: usize) -> Result<(), String> {
        for (number, list) in self.premises.lists.iter().enumerate() {
            if self.oracle.judge(who, number, self.now) == Verdict::Must {
                let told = self.oracle.tell(who);
                return Err(format!(
                    "{who} is not there, and must be mailed by {list}: {told}"
                ));
            }
        }
        Ok(())
    }

    /// Whether the proof of a consent is there and says what happened.
    fn evidence(&mut self, who: usize, list: usize, profile: &Profile) -> Result<(), &'static str> {
        let id = &self.premises.lists[list];
        let consent = &profile.lists[id];
        let event = match &consent.proof {
            Proof::SignUp(event) => *event,
            Proof::Import(import) => {
                let said = profile
                    .provenance
                    .iter()
                    .find(|said| said.import == *import && said.list == *id)
                    .ok_or("no provenance")?;
                let whole = said.provenance.source == "Messe"
                    && said.provenance.consented_on.is_some()
                    && said.provenance.proof.as_deref() == Some("Formular");
                self.seen.count("a provenance read");
                return whole.then_some(()).ok_or("not whole");
            }
        };
        let key = self.premises.people[who].key;
        let place = self.premises.scope.record(key, SignUp::RECORD, event);
        let Some(Record::SignUp(found)) = self.copies.get(self.active, &place, self.now) else {
            return Err("no sign-up");
        };
        let asked = self.oracle.sign_up(who, event).ok_or("nobody asked")?;
        let (setup, mode, lists) = FORMS[asked.form];
        let (version, wording) = &self.premises.shown[asked.form];
        let names: Vec<String> = lists
            .iter()
            .map(|list| format!("List {}", LISTS[*list]))
            .collect();
        let answer = |key: &str| {
            let found = found.fields.iter().find(|field| field.key.as_str() == key);
            found
                .filter(|field| !field.label.is_empty())
                .and_then(|field| Some(field.value.as_ref()?.reveal()))
        };
        let (by, at) = (found.confirm_ip.as_ref(), found.confirmed_at);
        let confirmed = match mode {
            Mode::Double => {
                let known =
                    |(ip, time): &(&ClientIp, Timestamp)| by == Some(*ip) && at == Some(*time);
                asked.confirmed.iter().any(known)
            }
            Mode::Single | Mode::Confirmed => by.is_none() && at.is_none(),
        };
        let address = &self.premises.people[who].spellings[asked.spelling];
        for (holds, what) in [
            (found.email.reveal() == address.reveal(), "a: address"),
            (found.setup.as_str() == setup, "b: setup"),
            (found.mode == mode, "c: mode"),
            (
                found.form_url == format!("https://shop.example/{setup}"),
                "d: form",
            ),
            (found.form_ip == *asked.ip, "e: form address"),
            (confirmed, "f and h: confirming address and time"),
            (found.signed_up_at == asked.at, "g: time"),
            (
                answer("email").as_deref() == Some(address.reveal())
                    && answer("first_name") == Some(first_name(who)),
                "i: fields",
            ),
            (
                found.lists.iter().map(|list| &list.name).eq(&names)
                    && found.lists.iter().any(|list| list.id == *id),
                "i: lists",
            ),
            (found.subscriber == Some(key), "j: subscriber"),
            (found.form_version == *version, "form version"),
            (
                found.consent_wording == *wording && !wording.is_empty(),
                "wording",
            ),
            (found.entry.is_some(), "its place in the ledger"),
            (
                found.confirmed_entry.is_some() == (mode == Mode::Double),
                "the confirmation's place in the ledger",
            ),
            (found.expires_at().is_none(), "it expires"),
        ] {
            if !holds {
                return Err(what);
            }
        }
        self.seen.count("an evidence read");
        Ok(())
    }
}
