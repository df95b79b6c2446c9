//! The two languages that pages and system mails are written in.
//!
//! Not a locale, and not the language of a campaign: that is whatever its template says.

use serde::{Deserialize, Serialize};

/// The language of a setup, an account or a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// German, the default of a setup.
    #[default]
    De,
    /// English.
    En,
}

/// Neither `de` nor `en`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the language is neither de nor en")]
pub struct InvalidLanguage;

impl Language {
    /// Every language, in the order in which pages offer them.
    pub const ALL: [Self; 2] = [Self::De, Self::En];

    /// Reads `de` or `en`, nothing else.
    pub fn parse(code: &str) -> Result<Self, InvalidLanguage> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
            .ok_or(InvalidLanguage)
    }

    /// The ISO 639-1 code, as in the API and in `<html lang>`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }

    /// Whichever of two wordings is in this language.
    pub const fn pick<'a>(self, de: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::De => de,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_codes_are_languages() {
        let table = [
            ("de", Ok(Language::De)),
            ("en", Ok(Language::En)),
            ("DE", Err(InvalidLanguage)),
            ("de-AT", Err(InvalidLanguage)),
            ("", Err(InvalidLanguage)),
        ];
        for (code, expected) in table {
            assert_eq!(Language::parse(code), expected, "{code}");
            let json = serde_json::from_value(serde_json::json!(code)).ok();
            assert_eq!(json, expected.ok(), "{code}");
        }
    }
}
