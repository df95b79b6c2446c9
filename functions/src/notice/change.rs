//! The words of the mail that asks a new address to take over from another (L-18).
//!
//! Whoever gets it by a slip of the pen must see that it is no sign-up, and that doing nothing is
//! enough. It says nothing of the other address (P-05).

use rundbrief::page_language::Language;

use super::letter::Words;

/// Which of the two mails about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// The question.
    First,
    /// The one reminder (O-07).
    Last,
}

/// What the mail says: the controller's name, the lists, and until when the link is valid.
pub(super) fn words(
    language: Language,
    (name, lists, until): (&str, &str, &str),
    time: Time,
) -> Words {
    let is_last = time == Time::Last;
    let once = match language {
        _ if !is_last => "",
        Language::De => " Wir erinnern Sie nur dieses eine Mal.",
        Language::En => " We remind you only this once.",
    };
    match language {
        Language::De => Words {
            subject: if is_last {
                format!("Erinnerung: Ihre neue Adresse bei {name} ist noch nicht bestätigt")
            } else {
                format!("Bitte bestätigen Sie die Änderung Ihrer Adresse bei {name}")
            },
            before: format!(
                "jemand, der bei {name} mit einer anderen E-Mail-Adresse gespeichert ist, hat diese Adresse als neue angegeben. Dies ist keine Anmeldung, sondern eine Änderung: Mit der Bestätigung übernimmt diese Adresse die Daten und Abonnements der anderen („{lists}“). Wenn Sie das selbst verlangt haben, bestätigen Sie es bitte:"
            ),
            link_label: "Änderung der Adresse bestätigen",
            after: format!(
                "Der Link gilt bis {until} Uhr.{once} Wenn Sie das nicht verlangt haben, tun Sie bitte nichts und bestätigen Sie nicht: Sie würden die Daten einer anderen Person übernehmen. Ohne Bestätigung ändert sich nichts, und diese Adresse wird gelöscht."
            ),
            denial: None,
        },
        Language::En => Words {
            subject: if is_last {
                format!("Reminder: your new address with {name} is not confirmed yet")
            } else {
                format!("Please confirm the change of your address with {name}")
            },
            before: format!(
                "somebody whom {name} knows under another e-mail address has given this one as their new address. This is no sign-up but a change: once confirmed, this address takes over the data and subscriptions of the other one (“{lists}”). If you asked for this yourself, please confirm it:"
            ),
            link_label: "Confirm the change of address",
            after: format!(
                "The link is valid until {until}.{once} If you did not ask for this, please do nothing and do not confirm: you would take over the data of another person. Without confirmation nothing changes, and this address will be deleted."
            ),
            denial: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_gets_it_by_mistake_reads_that_doing_nothing_is_enough() {
        for (language, said) in [
            (
                Language::De,
                [
                    "keine Anmeldung",
                    "tun Sie bitte nichts",
                    "einer anderen Person",
                ],
            ),
            (
                Language::En,
                ["no sign-up", "please do nothing", "of another person"],
            ),
        ] {
            for time in [Time::First, Time::Last] {
                let words = words(language, ("Muster GmbH", "News", "1.1."), time);
                let text = format!("{}{}", words.before, words.after);
                for part in said {
                    assert!(text.contains(part), "{part}: {text}");
                }
                let once = text.contains("nur dieses eine Mal") || text.contains("only this once");
                assert_eq!(once, time == Time::Last);
            }
        }
    }
}
