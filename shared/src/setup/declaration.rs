//! What a visitor declares beside the consent to the mails themselves: each in a box of its own,
//! never ticked beforehand (L-10, L-27). The words are part of the evidence.

use super::FormDefinition;
use crate::page_language::Language;

/// A box of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The form's field.
    pub name: &'static str,
    /// What it is about.
    pub legend: &'static str,
    /// What ticking it declares.
    pub words: String,
    /// Whether nobody can sign up without it.
    pub required: bool,
}

/// What the box of the age is about; problems with it are named so, too.
pub fn age_legend(language: Language) -> &'static str {
    language.pick("Alter", "Age")
}

impl FormDefinition {
    /// The boxes that the form shows, in their order.
    pub fn declarations(&self) -> Vec<Declaration> {
        let (setup, language) = (&self.setup, self.setup.language);
        let optional = |name, legend, words: &str| Declaration {
            name,
            legend,
            words: words.to_owned(),
            required: false,
        };
        let tracking = setup.asks_tracking_consent.then(|| {
            optional(
                "tracking_consent",
                language.pick("Auswertung", "Evaluation"),
                language.pick(
                    "Ich bin einverstanden, dass ausgewertet wird, ob ich die E-Mails öffne und welche Links ich anklicke (freiwillig).",
                    "I agree that it is evaluated whether I open the e-mails and which links I follow (optional).",
                ),
            )
        });
        let profiling = setup.asks_profiling_consent.then(|| {
            optional(
                "profiling_consent",
                language.pick("Persönliche Inhalte", "Personal contents"),
                language.pick(
                    "Ich bin einverstanden, dass Inhalte nach meinen Angaben und meinem Verhalten für mich ausgewählt werden (Profiling, freiwillig).",
                    "I agree that contents are chosen for me by my details and my behaviour (profiling, optional).",
                ),
            )
        });
        let age = setup.minimum_age.map(|age| Declaration {
            name: "age_confirmed",
            legend: age_legend(language),
            words: match language {
                Language::De => format!("Ich bin mindestens {age} Jahre alt."),
                Language::En => format!("I am {age} years old or older."),
            },
            required: true,
        });
        [tracking, profiling, age].into_iter().flatten().collect()
    }
}
