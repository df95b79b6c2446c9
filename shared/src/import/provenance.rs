//! Where imported people come from and on which ground they may be written to, as the controller
//! says it.
//!
//! Reads and judges what was stated. What a row leads to is `decision`'s part.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::person::LegalBasis;

/// Longest source in characters (engineering).
pub const MAX_SOURCE_CHARACTERS: usize = 200;
/// Longest proof in characters: a reference to where it is kept, or its words.
pub const MAX_PROOF_CHARACTERS: usize = 2_000;

/// What answers and reports say where consent has no day or no proof.
const PROOF_MISSING: &str = "proof_missing";
/// What they say where not every condition of a soft opt-in was stated.
const CONDITIONS_MISSING: &str = "conditions_missing";

/// What must all be so for advertising without consent to customers (L-03, L-04): § 174(4)
/// TKG 2021 and § 7(3) UWG ask the same in other words. The controller states each; that nobody
/// listed under § 7 ECG is written to is checked besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftOptInCondition {
    /// The address came with the sale of goods or a service to the person.
    ObtainedInSale,
    /// What is advertised is the controller's own and similar to what was bought.
    OwnSimilarProducts,
    /// The person could refuse, free of charge and plainly, when the address was taken.
    OptOutAtCollection,
    /// The person can refuse in every mail.
    OptOutInEveryMail,
    /// The person has not refused before.
    NotRefused,
}

impl SoftOptInCondition {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ObtainedInSale,
        Self::OwnSimilarProducts,
        Self::OptOutAtCollection,
        Self::OptOutInEveryMail,
        Self::NotRefused,
    ];

    /// The name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ObtainedInSale => "obtained_in_sale",
            Self::OwnSimilarProducts => "own_similar_products",
            Self::OptOutAtCollection => "opt_out_at_collection",
            Self::OptOutInEveryMail => "opt_out_in_every_mail",
            Self::NotRefused => "not_refused",
        }
    }

    /// Reads names with commas between them, each once.
    fn parse_all(text: &str) -> Result<BTreeSet<Self>, &'static str> {
        let mut found = BTreeSet::new();
        for name in text.split(',') {
            let named = Self::ALL.into_iter().find(|one| one.name() == name.trim());
            if !found.insert(named.ok_or("unknown")?) {
                return Err("repeated");
            }
        }
        Ok(found)
    }
}

/// Where imported people come from and why they may be written to (T-15, L-01).
///
/// Day, proof and conditions are optional: nobody's data are refused for lack of them. But people
/// whose consent has no day and proof, or whose soft opt-in lacks a condition, are not written to,
/// and every answer about the import says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Where the controller has the data from.
    pub source: String,
    /// On which ground the people may be written to.
    pub legal_basis: LegalBasis,
    /// When they consented.
    #[serde(default)]
    pub consented_on: Option<Date>,
    /// What proves it.
    #[serde(default)]
    pub proof: Option<String>,
    /// Which conditions of a soft opt-in are met, in the controller's word.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub conditions: BTreeSet<SoftOptInCondition>,
}

/// A provenance as it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClaimedProvenance<'a> {
    /// `source`
    pub source: Option<&'a str>,
    /// `legal_basis`
    pub legal_basis: Option<&'a str>,
    /// `consented_on`
    pub consented_on: Option<&'a str>,
    /// `proof`
    pub proof: Option<&'a str>,
    /// `conditions`
    pub conditions: Option<&'a str>,
}

impl Provenance {
    /// Whether people may get list mail on this ground: consent needs a day and a proof (Art. 7(1)
    /// GDPR), a soft opt-in each of its conditions.
    pub fn is_sendable(&self) -> bool {
        self.warning().is_none()
    }

    /// Why they may not, as a stable code.
    pub fn warning(&self) -> Option<&'static str> {
        let complete = match self.legal_basis {
            LegalBasis::Consent => self.consented_on.is_some() && self.proof.is_some(),
            LegalBasis::SoftOptInAt | LegalBasis::SoftOptInDe => {
                self.conditions.len() == SoftOptInCondition::ALL.len()
            }
            LegalBasis::Transactional => return Some("no_list_mail"),
        };
        (!complete).then(|| Self::lack(self.legal_basis))
    }

    /// What is missing where a consent on this ground is not proven, as a stable code.
    pub(crate) const fn lack(basis: LegalBasis) -> &'static str {
        match basis {
            LegalBasis::SoftOptInAt | LegalBasis::SoftOptInDe => CONDITIONS_MISSING,
            LegalBasis::Consent | LegalBasis::Transactional => PROOF_MISSING,
        }
    }

    /// Reads what was sent; `today` is the account's calendar day.
    ///
    /// # Errors
    /// Each field that cannot be taken, with a stable code.
    pub fn parse(
        claimed: ClaimedProvenance<'_>,
        today: Date,
    ) -> Result<Self, Vec<(&'static str, &'static str)>> {
        let mut problems = Vec::new();
        let mut keep = |field, read: Result<Option<String>, &'static str>| {
            read.unwrap_or_else(|code| {
                problems.push((field, code));
                None
            })
        };
        let source = keep(
            "source",
            claimed
                .source
                .ok_or("missing")
                .and_then(|source| line(source, MAX_SOURCE_CHARACTERS))
                .map(Some),
        );
        let proof = keep(
            "proof",
            claimed
                .proof
                .map(|proof| line(proof, MAX_PROOF_CHARACTERS))
                .transpose(),
        );
        let legal_basis = claimed
            .legal_basis
            .ok_or("missing")
            .and_then(|basis| LegalBasis::parse(basis).ok_or("unknown"));
        if let Err(code) = legal_basis {
            problems.push(("legal_basis", code));
        }
        let consented_on = claimed
            .consented_on
            .map(|day| past_day(day, today))
            .transpose();
        if let Err(code) = consented_on {
            problems.push(("consented_on", code));
        }
        let conditions = claimed
            .conditions
            .map(SoftOptInCondition::parse_all)
            .transpose()
            .map(Option::unwrap_or_default);
        let conditions = match (conditions, legal_basis) {
            // Stated where they mean nothing, the basis is not what was meant.
            (Ok(stated), Ok(LegalBasis::Consent | LegalBasis::Transactional))
                if !stated.is_empty() =>
            {
                Err("not_of_this_basis")
            }
            (conditions, _) => conditions,
        };
        if let Err(code) = conditions {
            problems.push(("conditions", code));
        }
        match (source, legal_basis, consented_on, conditions) {
            (Some(source), Ok(legal_basis), Ok(consented_on), Ok(conditions))
                if problems.is_empty() =>
            {
                Ok(Self {
                    source,
                    legal_basis,
                    consented_on,
                    proof,
                    conditions,
                })
            }
            _ => Err(problems),
        }
    }
}

/// `YYYY-MM-DD`, not after `today`.
fn past_day(text: &str, today: Date) -> Result<Date, &'static str> {
    // `Date` reads other spellings, too.
    let day = text
        .parse::<Date>()
        .ok()
        .filter(|day| day.to_string() == text)
        .ok_or("invalid")?;
    if day <= today {
        Ok(day)
    } else {
        Err("in_the_future")
    }
}

/// One line that says something.
fn line(text: &str, max_characters: usize) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("empty");
    }
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err("control_character");
    }
    if text.chars().count() > max_characters {
        return Err("too_long");
    }
    // English sources call double opt-in "confirmed opt-in" (O-04): the bare words prove either.
    let plain: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if ["coi", "confirmed", "confirmedoptin"].contains(&plain.as_str()) {
        return Err("ambiguous_opt_in");
    }
    Ok(text.to_owned())
}
