//! What a visitor agrees to by sending a form, where the controller says it in no words of their own.

use super::FormDefinition;
use crate::page_language::Language;

impl FormDefinition {
    /// What the visitor agrees to. Of several lists each is chosen on its own (L-10), so the words
    /// are true whichever of them were: beside them the evidence names those (L-09).
    pub fn consent_wording(&self) -> String {
        match &self.setup.consent_wording {
            Some(wording) => wording.clone(),
            None if self.lists.len() > 1 => self.wording_of_a_choice(),
            None => self.wording_of_all(),
        }
    }

    fn list_names(&self) -> String {
        let names: Vec<&str> = self.lists.iter().map(|list| list.name.as_str()).collect();
        names.join(", ")
    }

    fn wording_of_a_choice(&self) -> String {
        let (controller, lists) = (&self.controller, self.list_names());
        let wanted = match self.setup.language {
            Language::De => format!(
                "Ich möchte von {controller} per E-Mail erhalten, was ich ausgewählt habe (zur \
                 Auswahl: {lists})."
            ),
            Language::En => format!(
                "I would like to receive by e-mail from {controller} what I have chosen (to choose \
                 from: {lists})."
            ),
        };
        wanted + self.wording_of_withdrawal()
    }

    /// The words where nothing is to be chosen: every list is wanted.
    pub fn wording_of_all(&self) -> String {
        let (controller, lists) = (&self.controller, self.list_names());
        let wanted = match self.setup.language {
            Language::De => {
                format!("Ich möchte von {controller} per E-Mail erhalten: {lists}.")
            }
            Language::En => {
                format!("I would like to receive by e-mail from {controller}: {lists}.")
            }
        };
        wanted + self.wording_of_withdrawal()
    }

    fn wording_of_withdrawal(&self) -> &'static str {
        self.setup.language.pick(
            " Ich kann diese Einwilligung jederzeit mit Wirkung für die Zukunft widerrufen, am \
             einfachsten über den Abmeldelink in jeder E-Mail.",
            " I can withdraw this consent at any time with effect for the future, most easily \
             through the unsubscribe link in every e-mail.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Digest;
    use crate::id::ListId;
    use crate::setup::tests::setup;
    use crate::setup::{List, Setup};

    /// What visitors of a setup with these lists see.
    fn shown_with(setup: Setup, lists: &[&str]) -> FormDefinition {
        let list = |name: &&str| List {
            id: ListId::parse(&name.to_lowercase()).unwrap(),
            rev: 1,
            name: (*name).to_owned(),
        };
        FormDefinition {
            setup,
            lists: lists.iter().map(list).collect(),
            declared: Vec::new(),
            interests: Vec::new(),
            controller: "Muster GmbH".to_owned(),
            notice_version: Digest::of(&[]),
        }
    }

    #[test]
    fn of_several_lists_the_wording_claims_none_that_was_not_chosen() {
        let one = shown_with(setup(), &["News"]);
        assert_eq!(
            one.consent_wording(),
            "Ich möchte von Muster GmbH per E-Mail erhalten: News. Ich kann diese Einwilligung \
             jederzeit mit Wirkung für die Zukunft widerrufen, am einfachsten über den Abmeldelink \
             in jeder E-Mail."
        );
        let mut several = shown_with(setup(), &["News", "Aktionen"]);
        let chosen = "per E-Mail erhalten, was ich ausgewählt habe (zur Auswahl: News, Aktionen). ";
        assert!(several.consent_wording().contains(chosen));
        assert!(
            several
                .wording_of_all()
                .contains("erhalten: News, Aktionen. ")
        );
        several.setup.language = Language::En;
        assert!(several.consent_wording().contains("what I have chosen"));
        several.setup.consent_wording = Some("Ja, bitte.".to_owned());
        assert_eq!(several.consent_wording(), "Ja, bitte.");
    }

    #[test]
    fn a_setup_with_words_of_the_controllers_own_speaks_its_own_language_only() {
        let own = |wording: Option<&str>, notice: Option<&str>| Setup {
            consent_wording: wording.map(str::to_owned),
            notice_version: notice.map(str::to_owned),
            ..setup()
        };
        for (setup, english) in [
            (own(None, None), true),
            (own(Some("Ja, bitte."), None), false),
            (own(None, Some("00")), false),
        ] {
            assert!(setup.speaks(Language::De));
            assert_eq!(setup.speaks(Language::En), english);
        }
    }
}
