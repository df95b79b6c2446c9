//! The questionnaire on whether a data protection impact assessment is needed (Art. 35 GDPR), and
//! what its result changes (S-28).
//!
//! Not the assessment itself: that is a document of the controller's, and named here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, ApiKey, Scope};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;

/// A question to be answered by yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Large scale.
    LargeScale,
    /// Art. 9 or 10 data.
    SpecialCategories,
    /// Celebrities: the seed's example of a high risk.
    Celebrities,
    /// People who cannot easily object.
    VulnerablePersons,
    /// Children and young people.
    Minors,
    /// Evaluation and scoring.
    Profiling,
    /// Decisions without a person, with legal or similar effect.
    AutomatedDecisions,
    /// Systematic monitoring.
    SystematicMonitoring,
    /// Data of several origins combined.
    CombinedData,
    /// New technology.
    NewTechnology,
    /// People are kept from a right, a service or a contract.
    KeptFromRights,
}

/// What the answers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpiaResult {
    /// The default of a newsletter.
    NormallyNotRequired,
    /// An assessment is needed.
    Required,
}

/// The risk for the people concerned, as the controller sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// No higher than in any newsletter.
    #[default]
    Normal,
    /// High: an assessment must be named, access is stricter, nobody's opening is tracked.
    High,
}

/// Why answers cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DpiaProblem {
    /// Answers or risk demand an assessment, and none is named.
    #[error("an assessment must be named")]
    ReferenceMissing,
}

/// The answers of an account's controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dpia {
    /// Grows with each write.
    pub rev: u64,
    /// Questions answered by yes.
    pub yes: Vec<Question>,
    /// Questions answered by no; one that is in neither list is open.
    pub no: Vec<Question>,
    /// The risk.
    #[serde(default)]
    pub risk: Risk,
    /// Which document is the assessment.
    #[serde(default)]
    pub reference: Option<String>,
    /// Reasons, in the controller's words.
    #[serde(default)]
    pub reasons: String,
    /// Who answered: a role or an office.
    #[serde(default)]
    pub answered_by: String,
    /// When.
    pub answered_at: Timestamp,
    /// Since when the risk has been high without a break.
    #[serde(default)]
    pub high_since: Option<Timestamp>,
}

/// What persons are told of automated decisions (Art. 13(2)(f), 15(1)(h) GDPR), by what the
/// account's questionnaire says.
pub const fn automated_decisions(account: &Account, language: Language) -> &'static str {
    if account.automated_decisions {
        language.pick(
            "Nach Angabe des Verantwortlichen fallen automatisierte Entscheidungen nach Art. 22 DSGVO; über die Logik dahinter und die Folgen für Sie gibt er Auskunft.",
            "The controller states that there are automated decisions within the meaning of Art. 22 GDPR, and answers what logic is behind them and what they mean for you.",
        )
    } else {
        language.pick(
            "Es gibt keine automatisierte Entscheidung und kein Profiling nach Art. 22 DSGVO.",
            "There is no automated decision and no profiling within the meaning of Art. 22 GDPR.",
        )
    }
}

impl Dpia {
    /// Whether there are automated decisions, by the answers.
    pub fn says_automated_decisions(&self) -> bool {
        self.yes.contains(&Question::AutomatedDecisions)
    }
}

impl Question {
    /// All questions, in their order.
    pub const ALL: [Self; 11] = [
        Self::LargeScale,
        Self::SpecialCategories,
        Self::Celebrities,
        Self::VulnerablePersons,
        Self::Minors,
        Self::Profiling,
        Self::AutomatedDecisions,
        Self::SystematicMonitoring,
        Self::CombinedData,
        Self::NewTechnology,
        Self::KeptFromRights,
    ];

    /// Its name in the API.
    pub const fn key(self) -> &'static str {
        match self {
            Self::LargeScale => "large_scale",
            Self::SpecialCategories => "special_categories",
            Self::Celebrities => "celebrities",
            Self::VulnerablePersons => "vulnerable_persons",
            Self::Minors => "minors",
            Self::Profiling => "profiling",
            Self::AutomatedDecisions => "automated_decisions",
            Self::SystematicMonitoring => "systematic_monitoring",
            Self::CombinedData => "combined_data",
            Self::NewTechnology => "new_technology",
            Self::KeptFromRights => "kept_from_rights",
        }
    }

    /// The question as people read it.
    pub const fn text(self, language: Language) -> &'static str {
        let (de, en) = match self {
            Self::LargeScale => (
                "Werden Daten in großem Umfang verarbeitet (Zahl der Personen, Menge, Dauer, Gebiet)?",
                "Are data processed on a large scale (people, volume, duration, area)?",
            ),
            Self::SpecialCategories => (
                "Werden besondere Kategorien von Daten (Art. 9) oder Daten über Straftaten (Art. 10) verarbeitet, auch mittelbar durch das Thema einer Liste?",
                "Are special categories of data (Art. 9) or data on offences (Art. 10) processed, even indirectly by the subject of a list?",
            ),
            Self::Celebrities => (
                "Sind Personen des öffentlichen Lebens betroffen, deren Adressen besonders schutzwürdig sind?",
                "Are celebrities concerned, whose addresses need special protection?",
            ),
            Self::VulnerablePersons => (
                "Sind schutzbedürftige Personen betroffen (etwa Beschäftigte, Patientinnen und Patienten)?",
                "Are vulnerable persons concerned (such as employees or patients)?",
            ),
            Self::Minors => (
                "Richtet sich das Angebot an Minderjährige?",
                "Is the offer directed at minors?",
            ),
            Self::Profiling => (
                "Werden Personen bewertet oder eingestuft (Profiling, Scoring)?",
                "Are people evaluated or scored (profiling)?",
            ),
            Self::AutomatedDecisions => (
                "Fallen automatisierte Entscheidungen mit rechtlicher oder ähnlich erheblicher Wirkung (Art. 22)?",
                "Are automated decisions taken with legal or similarly significant effect (Art. 22)?",
            ),
            Self::SystematicMonitoring => (
                "Werden Personen systematisch beobachtet?",
                "Are people monitored systematically?",
            ),
            Self::CombinedData => (
                "Werden Datenbestände verschiedener Herkunft zusammengeführt oder abgeglichen?",
                "Are datasets of different origin matched or combined?",
            ),
            Self::NewTechnology => (
                "Werden neue Technologien oder neue organisatorische Lösungen eingesetzt?",
                "Are new technologies or new organisational solutions used?",
            ),
            Self::KeptFromRights => (
                "Hindert die Verarbeitung Personen daran, ein Recht auszuüben oder eine Leistung oder einen Vertrag zu erhalten?",
                "Does the processing keep people from exercising a right or from a service or contract?",
            ),
        };
        language.pick(de, en)
    }

    /// Which criterion of the working party's nine it belongs to (WP 248 rev.01, III.B); the
    /// three groups of people who need protection are one.
    const fn criterion(self) -> u8 {
        match self {
            Self::Profiling => 1,
            Self::AutomatedDecisions => 2,
            Self::SystematicMonitoring => 3,
            Self::SpecialCategories => 4,
            Self::LargeScale => 5,
            Self::CombinedData => 6,
            Self::Celebrities | Self::VulnerablePersons | Self::Minors => 7,
            Self::NewTechnology => 8,
            Self::KeptFromRights => 9,
        }
    }

    /// Whether a yes to it alone demands an assessment: automated decisions (Art. 35(3)(a)), and
    /// celebrities, whom the seed names as a high risk.
    const fn suffices(self) -> bool {
        matches!(self, Self::AutomatedDecisions | Self::Celebrities)
    }
}

impl Dpia {
    /// Where an account's is.
    pub fn place(scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, "answers")
    }

    /// Whether every question of today has an answer.
    pub fn is_answered(&self) -> bool {
        Question::ALL
            .iter()
            .all(|question| self.yes.contains(question) || self.no.contains(question))
    }

    /// What the answers come to: two criteria demand an assessment as a rule (WP 248 rev.01).
    pub fn result(&self) -> DpiaResult {
        let mut criteria: Vec<u8> = self.yes.iter().map(|yes| yes.criterion()).collect();
        criteria.sort_unstable();
        criteria.dedup();
        if criteria.len() >= 2 || self.yes.iter().any(|yes| yes.suffices()) {
            DpiaResult::Required
        } else {
            DpiaResult::NormallyNotRequired
        }
    }

    /// Whether these answers can be taken.
    ///
    /// # Errors
    /// When an assessment is needed and none is named.
    pub fn check(&self) -> Result<(), DpiaProblem> {
        let needed = self.risk == Risk::High || self.result() == DpiaResult::Required;
        let named = self.reference.as_ref().is_some_and(|text| !text.is_empty());
        if needed && !named {
            Err(DpiaProblem::ReferenceMissing)
        } else {
            Ok(())
        }
    }

    /// Whether openings may be tracked in this account, where a person consents.
    pub fn allows_open_tracking(&self) -> bool {
        self.risk != Risk::High
    }

    /// Whether a key that has `scope` may use it. Where the risk is high, people's data leave the
    /// account (`export`, `restore`) only with a key made for that alone and since then, so that
    /// no everyday key can.
    pub fn admits(&self, key: &ApiKey, scope: Scope) -> bool {
        let discloses = matches!(scope, Scope::Export | Scope::Restore);
        let (true, Risk::High, Some(since)) = (discloses, self.risk, self.high_since) else {
            return true;
        };
        key.created_at >= since
            && key
                .scopes
                .iter()
                .all(|scope| matches!(scope, Scope::Read | Scope::Export | Scope::Restore))
    }
}

impl Stored for Dpia {
    const KIND: &'static str = "dpia";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
