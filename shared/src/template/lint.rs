//! Whether a template shows what the law asks for, to everybody (L-04, M-10).
//!
//! Looks at rendered probes, not at the source: a link in a comment, in a hidden element or
//! in a branch that nobody reaches is in the source, and in no reader's mail.

use super::{
    Context, InvalidTemplate, Part, RenderError, Rendered, Required, Subscriber, Template,
};
use crate::plain_text;
use crate::setup::BUILT_IN_FIELDS;

// The `.invalid` domain never exists (RFC 2606), so nobody's template holds these by chance.
const UNSUBSCRIBE_URL: &str = "https://probe.invalid/unsubscribe/4f1d";
const PREFERENCES_URL: &str = "https://probe.invalid/preferences/4f1d";
const IMPRINT: &str = "ProbeImprint4f1d";

/// Renders for a person of whom nothing but the address is known, and for one of whom
/// everything is: what both see does not depend on a value being there.
pub(super) fn check(template: &Template) -> Result<(), InvalidTemplate> {
    let bare = Subscriber::default().with("email", "probe@probe.invalid");
    let full = BUILT_IN_FIELDS.into_iter().fold(
        Subscriber::default().with("email", "probe@probe.invalid"),
        |subscriber, name| subscriber.with(name, "probe"),
    );
    for subscriber in [bare, full] {
        let context = Context::new(subscriber, UNSUBSCRIBE_URL, PREFERENCES_URL, IMPRINT);
        check_mail(&template.render(&context).map_err(unrenderable)?)?;
    }
    Ok(())
}

fn check_mail(mail: &Rendered) -> Result<(), InvalidTemplate> {
    let missing = |part, required| Err(InvalidTemplate::Missing { part, required });
    let page = plain_text::read_page(&mail.html).map_err(|_| InvalidTemplate::Unrenderable {
        part: Part::Html,
        line: 0,
    })?;
    if !page.links.iter().any(|url| url == UNSUBSCRIBE_URL) {
        return missing(Part::Html, Required::UnsubscribeLink);
    }
    if !page.text.contains(IMPRINT) {
        return missing(Part::Html, Required::Imprint);
    }
    if !mail.text.contains(UNSUBSCRIBE_URL) {
        return missing(Part::Text, Required::UnsubscribeLink);
    }
    if !mail.text.contains(IMPRINT) {
        return missing(Part::Text, Required::Imprint);
    }
    Ok(())
}

fn unrenderable(error: RenderError) -> InvalidTemplate {
    InvalidTemplate::Unrenderable {
        part: error.part(),
        line: match error {
            RenderError::Failed { line, .. } => line,
            RenderError::OutOfFuel { .. } | RenderError::TooLong { .. } => 0,
        },
    }
}
