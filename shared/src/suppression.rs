//! Whom an account writes to no more: single addresses, domains, patterns of addresses (P-13).
//!
//! A suppressed address is known by its keyed hash only, and marks the person's withdrawal and
//! tombstone, so that whoever reads a person sees it. No opt-in and no import lifts it: only
//! whoever put it there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::crypto::sha256_hex;
use crate::id::{InvalidId, PersonKey, SuppressionId};
use crate::key::{AccountScope, Key};
use crate::person::{Person, Tombstone, Withdrawal};
use crate::record::{Expect, Record, Stored, Transaction};
use crate::time::to_millisecond;

pub mod ecg;

/// Domains and patterns of one account at most: each is tried on each address (engineering).
pub const MAX_RULES: usize = 1_000;
/// Longest pattern in octets: as long as an address may be.
const MAX_PATTERN_OCTETS: usize = 254;
/// Wildcards of one pattern at most.
const MAX_WILDCARDS: usize = 8;
/// A pattern names at least so many letters or digits: `*@*.*` would suppress everybody.
const MIN_NAMED: usize = 3;

/// What is suppressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One address, by its keyed hash.
    Address(PersonKey),
    /// All addresses of a domain, in lower-case A-labels; not those of its subdomains.
    Domain(String),
    /// All addresses like this.
    Pattern(Pattern),
}

/// The text is no rule of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// No domain that mail could have.
    #[error("not a domain")]
    Domain,
    /// A pattern without a wildcard: it would be an address in clear.
    #[error("a pattern needs a wildcard")]
    WithoutWildcard,
    /// White space, a control character, or a character of no address.
    #[error("not a pattern")]
    Pattern,
    /// Too long, or too many wildcards.
    #[error("too long")]
    TooLong,
    /// It says too little.
    #[error("too broad")]
    TooBroad,
}

impl InvalidRule {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Domain => "not_a_domain",
            Self::WithoutWildcard => "without_wildcard",
            Self::Pattern => "not_a_pattern",
            Self::TooLong => "too_long",
            Self::TooBroad => "too_broad",
        }
    }
}

impl Rule {
    /// A domain.
    ///
    /// # Errors
    /// When it is none.
    pub fn domain(text: &str) -> Result<Self, InvalidRule> {
        let text = text.trim();
        EmailAddress::parse(&format!("a@{text}"))
            .ok()
            .filter(|_| !text.contains('@'))
            .map(|address| Self::Domain(address.domain().to_owned()))
            .ok_or(InvalidRule::Domain)
    }

    /// The identifier that follows from it: the same is not suppressed twice.
    ///
    /// # Errors
    /// Never for a rule that was made here.
    pub fn id(&self) -> Result<SuppressionId, InvalidId> {
        let text = match self {
            Self::Address(person) => format!("{ADDRESSES}{person}"),
            Self::Domain(domain) => rule_id("domain", domain),
            Self::Pattern(pattern) => rule_id("pattern", pattern.text()),
        };
        SuppressionId::parse(&text)
    }
}

const ADDRESSES: &str = "sup_a";
const RULES: &str = "sup_r";

fn rule_id(kind: &str, text: &str) -> String {
    let hash = sha256_hex(format!("{kind}\n{text}").as_bytes());
    format!("{RULES}{}", &hash[..32])
}

/// A pattern of addresses: `*` stands for any characters, none included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; case does not count.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidRule> {
        let text = text.trim().to_ascii_lowercase();
        let wildcards = text.bytes().filter(|byte| *byte == b'*').count();
        if text.len() > MAX_PATTERN_OCTETS || wildcards > MAX_WILDCARDS {
            return Err(InvalidRule::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.matches('@').count() > 1 {
            return Err(InvalidRule::Pattern);
        }
        if wildcards == 0 {
            return Err(InvalidRule::WithoutWildcard);
        }
        let named = text.bytes().filter(u8::is_ascii_alphanumeric).count();
        if named < MIN_NAMED {
            return Err(InvalidRule::TooBroad);
        }
        Ok(Self(text))
    }

    /// The pattern as it is kept.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a folded address is like this. Looks for each part once, from left to right: no
    /// pattern makes that take long.
    fn matches(&self, address: &str) -> bool {
        let mut parts = self.0.split('*');
        let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else {
            return false;
        };
        let Some(mut rest) = address.strip_prefix(first) else {
            return false;
        };
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidRule;
    fn try_from(text: String) -> Result<Self, InvalidRule> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}

/// Something that an account writes to no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Which.
    pub id: SuppressionId,
    /// Grows with each write.
    pub rev: u64,
    /// What is suppressed.
    pub rule: Rule,
    /// Why, in the controller's words.
    #[serde(default)]
    pub note: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppression {
    /// What the keys of all suppressions begin with, in the account's partition.
    pub fn prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// The suppression of one address.
    ///
    /// # Errors
    /// Never: the identifier is of our own making.
    pub fn place_of(scope: &AccountScope, person: PersonKey) -> Result<Key, InvalidId> {
        Ok(Self::place(scope, &Rule::Address(person).id()?))
    }

    /// The suppression once its person is erased: what was noted of them is gone, that they are
    /// not written to stays. `None` where nothing was.
    pub fn without_note(&self) -> Option<Self> {
        (!self.note.is_empty()).then(|| Self {
            rev: self.rev + 1,
            note: String::new(),
            ..self.clone()
        })
    }

    /// Where it is kept.
    pub fn place(scope: &AccountScope, id: &SuppressionId) -> Key {
        scope.configuration(Self::KIND, id.as_str())
    }
}

/// Marks a person as suppressed since `at`, or with `None` no more.
pub fn mark(person: &Person, at: Option<Timestamp>) -> Transaction {
    let at = at.map(to_millisecond);
    let before = person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key));
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        suppressed_at: at,
        ..before
    };
    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let tombstone = Tombstone {
        rev: before.rev + 1,
        suppressed_at: at,
        ..before
    };
    let mut transaction = Transaction::default();
    transaction
        .put(
            Record::Tombstone(tombstone),
            Expect::unchanged(person.tombstone.as_ref()),
        )
        .put(
            Record::Withdrawal(withdrawal),
            Expect::unchanged(person.withdrawal.as_ref()),
        );
    transaction
}

/// What ending a suppression changes: it goes together with the marks of its person, so that what is
/// listed suppresses, and what suppresses is listed. `person` is whom it is about, if somebody.
pub fn end(
    scope: &AccountScope,
    suppression: &Suppression,
    person: Option<&Person>,
) -> Transaction {
    let marked = person.filter(|person| person.is_suppressed());
    let mut transaction = marked.map_or_else(Transaction::default, |person| mark(person, None));
    let expect = Expect::Revision(suppression.rev);
    transaction.delete(suppression.key(scope), expect);
    transaction
}

/// An account's domains and patterns.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// What the keys of domains and patterns begin with.
    pub fn prefix() -> String {
        format!("{}{RULES}", Suppression::prefix())
    }

    /// The rules that do not say whom they mean by a hash.
    pub fn of(suppressions: Vec<Suppression>) -> Self {
        Self(suppressions.into_iter().map(|one| one.rule).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them means this address.
    pub fn match_address(&self, address: &EmailAddress) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let folded = address.folded();
        let Ok(text) = std::str::from_utf8(folded.reveal_bytes()) else {
            return false;
        };
        self.0.iter().any(|rule| match rule {
            Rule::Address(_) => false,
            Rule::Domain(domain) => address.domain() == domain,
            Rule::Pattern(pattern) => pattern.matches(text),
        })
    }
}

impl Stored for Suppression {
    const KIND: &'static str = "suppression";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, &self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn suppression(rule: Rule) -> Suppression {
        Suppression {
            id: rule.id().unwrap(),
            rev: 1,
            rule,
            note: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn patterns_and_domains_mean_the_addresses_they_say_and_no_others() {
        for (pattern, address_text, means) in [
            ("*@shop.example", "Max@shop.example", true),
            ("*@SHOP.example", "max@shop.example", true),
            ("*@shop.example", "max@my.shop.example", false),
            ("*@*.shop.example", "max@my.shop.example", true),
            ("info*@*", "info.at@x.example", true),
            ("info*@*", "my.info@x.example", false),
            ("*+spam*", "max+spam@x.example", true),
            ("a*b*c@x.example", "aXbXc@x.example", true),
            ("a*b*c@x.example", "acb@x.example", false),
            // The parts must not overlap.
            ("aba*aba@x.example", "aba@x.example", false),
            ("no-reply@*", "no-reply@x.example", true),
        ] {
            let rule = Rule::Pattern(Pattern::parse(pattern).unwrap());
            let rules = Rules::of(vec![suppression(rule)]);
            assert_eq!(
                rules.match_address(&address(address_text)),
                means,
                "{pattern} {address_text}"
            );
        }
        let domain = Rule::domain("Müller.example").unwrap();
        assert_eq!(domain, Rule::Domain("xn--mller-kva.example".to_owned()));
        let rules = Rules::of(vec![suppression(domain)]);
        assert!(rules.match_address(&address("a@MÜLLER.example")));
        assert!(!rules.match_address(&address("a@sub.müller.example")));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let long = format!("*{}", "a".repeat(254));
        for (text, error) in [
            ("", InvalidRule::WithoutWildcard),
            ("max@shop.example", InvalidRule::WithoutWildcard),
            ("*@*", InvalidRule::TooBroad),
            ("*a@*", InvalidRule::TooBroad),
            ("*@shop .example", InvalidRule::Pattern),
            ("*@a@shop.example", InvalidRule::Pattern),
            ("*@müller.example", InvalidRule::Pattern),
            ("*********abc", InvalidRule::TooLong),
            (&long, InvalidRule::TooLong),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
        for text in [
            "",
            "example",
            "a@shop.example",
            "shop example.at",
            "127.0.0.1",
        ] {
            assert_eq!(Rule::domain(text), Err(InvalidRule::Domain), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_was_made_to_take_long_does_not() {
        let pattern = Pattern::parse(&format!("{}b", "*aaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(8)));
        let rules = Rules::of(vec![
            suppression(Rule::Pattern(pattern.unwrap()));
            MAX_RULES
        ]);
        let local = "a".repeat(64);
        assert!(!rules.match_address(&address(&format!("{local}@x.example"))));
    }

    #[test]
    fn a_suppression_and_the_marks_of_its_person_go_together() {
        use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
        use crate::record::Step;
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        let secrets = secrets.unwrap();
        let entropy = crate::entropy::SeededEntropy::new(1);
        let key = AccountKeyMaterial::generate(&secrets, &entropy);
        let account = crate::id::AccountId::parse("demo").unwrap();
        let scope = AccountScope::new(account, key.key(&secrets).unwrap());
        let mut person = Person::unknown(PersonKey::from_bytes([3; 16]));
        let suppression = suppression(Rule::Address(person.key));
        let goes = |transaction: &Transaction| {
            let wanted = Step::Delete(suppression.key(&scope), Expect::Revision(1));
            transaction.0.contains(&wanted)
        };
        // The marks are gone already: a run of before was cut short between its two writes.
        let rest = end(&scope, &suppression, Some(&person));
        assert!(goes(&rest) && rest.0.len() == 1);
        for step in mark(&person, Some(Timestamp::UNIX_EPOCH)).0 {
            match step {
                Step::Put(Record::Withdrawal(one), _) => person.withdrawal = Some(one),
                Step::Put(Record::Tombstone(one), _) => person.tombstone = Some(one),
                other => panic!("{other:?}"),
            }
        }
        let all = end(&scope, &suppression, Some(&person));
        assert!(goes(&all));
        let unmarked = |step: &Step| {
            let at = match step {
                Step::Put(Record::Withdrawal(one), Expect::Revision(1)) => one.suppressed_at,
                Step::Put(Record::Tombstone(one), Expect::Revision(1)) => one.suppressed_at,
                _ => return false,
            };
            at.is_none()
        };
        assert_eq!(all.0.iter().filter(|step| unmarked(step)).count(), 2);
        // A domain's is about nobody.
        let domain = self::suppression(Rule::domain("shop.example").unwrap());
        assert_eq!(end(&scope, &domain, None).0.len(), 1);
    }

    #[test]
    fn a_mark_stands_on_withdrawal_and_tombstone_and_goes_from_both() {
        let mut person = Person::unknown(PersonKey::from_bytes([3; 16]));
        for at in [Some(Timestamp::UNIX_EPOCH), None] {
            for step in mark(&person, at).0 {
                match step {
                    crate::record::Step::Put(Record::Withdrawal(one), _) => {
                        person.withdrawal = Some(one);
                    }
                    crate::record::Step::Put(Record::Tombstone(one), _) => {
                        person.tombstone = Some(one);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(person.is_suppressed(), at.is_some());
            assert!(!person.is_blocked(), "an opt-in decides about that alone");
            assert_eq!(person.withdrawal.as_ref().unwrap().suppressed_at, at);
        }
    }
}
