//! A campaign's content: subject, HTML and text as templates in a bounded language.
//!
//! Compiles and renders. Who is written to, and how the parts travel to SES, is decided
//! elsewhere.
//!
//! The language is `MiniJinja` without file system, includes, imports and inheritance (its
//! `multi_template` feature is off). Each render has fuel, so no template can hold a worker.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use crate::header::{HeaderText, MAX_HEADER_TEXT_CHARACTERS};
use crate::plain_text;

mod context;
mod error;
mod lint;
mod names;
mod stored;
mod text_part;

#[cfg(test)]
mod tests;

pub use context::{Context, Subscriber};
pub use error::{InvalidTemplate, Part, RenderError, Required};
pub use names::UnknownName;
pub use stored::StoredTemplate;

/// Longest subject template: that of a header line (RFC 5322 section 2.1.1).
pub const MAX_SUBJECT_CHARACTERS: usize = MAX_HEADER_TEXT_CHARACTERS;
/// Longest HTML. With a text of [`MAX_TEXT_OCTETS`] and the subject it stays under the 400 KB
/// of a `DynamoDB` item, names and keys included.
pub const MAX_HTML_OCTETS: usize = 300 * 1000;
/// Longest text part.
pub const MAX_TEXT_OCTETS: usize = 80 * 1000;
/// Longest rendered part. SES takes 262,144 characters of replacement data per person
/// a mail beyond this limit would be cut by every mailbox provider long before.
pub const MAX_RENDERED_OCTETS: usize = 512 * 1024;
/// Fuel of one render: about one unit per instruction and per 64 octets written. The
/// newsletter of the benchmark (31 KB) takes about 600; this allows 3 MB or 50,000 steps,
/// some milliseconds.
pub const FUEL_PER_RENDER: u64 = 50_000;
/// Nested calls of macros and loops, as deep as a worker's stack surely carries.
const MAX_RECURSION: usize = 50;

/// A template as the controller wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSource {
    /// One line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part; made from the HTML where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A compiled template: compile once, render for everybody.
pub struct Template {
    environment: Environment<'static>,
    text: TextPart,
}

/// Where the text part comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextPart {
    /// A template of its own: given, or made from the HTML's source.
    Compiled,
    /// Made from each person's HTML: the template's statements stand where no text can, so
    /// its source could not be turned into text.
    FromRenderedHtml,
}

/// One person's mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line without controls.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rendered(***)")
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Template")
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// Compiles a template that may be mailed: it has what the law asks of advertising mail,
    /// an imprint and a visible way out, in both parts (L-04, M-10).
    pub fn parse(source: &TemplateSource) -> Result<Self, InvalidTemplate> {
        let template = Self::compile(source)?;
        lint::check(&template)?;
        Ok(template)
    }

    /// Compiles a template as it is, without that check: for previews of a draft, and for
    /// measuring. Nothing compiled this way may be sent.
    pub fn compile(source: &TemplateSource) -> Result<Self, InvalidTemplate> {
        let too_long = |part| Err(InvalidTemplate::TooLong { part });
        if source.subject.chars().count() > MAX_SUBJECT_CHARACTERS {
            return too_long(Part::Subject);
        }
        if source.html.len() > MAX_HTML_OCTETS {
            return too_long(Part::Html);
        }
        if source
            .text
            .as_ref()
            .is_some_and(|text| text.len() > MAX_TEXT_OCTETS)
        {
            return too_long(Part::Text);
        }
        let mut environment = environment();
        add(&mut environment, Part::Subject, source.subject.clone())?;
        add(&mut environment, Part::Html, source.html.clone())?;
        let text = match &source.text {
            Some(text) => {
                add(&mut environment, Part::Text, text.clone())?;
                TextPart::Compiled
            }
            None => match text_part::from_html_source(&source.html)
                .map(|made| add(&mut environment, Part::Text, made))
            {
                Some(Ok(())) => TextPart::Compiled,
                Some(Err(_)) | None => TextPart::FromRenderedHtml,
            },
        };
        Ok(Self { environment, text })
    }

    /// One person's mail. An error concerns this person only.
    pub fn render(&self, context: &Context<'_>) -> Result<Rendered, RenderError> {
        let subscriber = context.subscriber_value();
        let plain = context.plain_values(&subscriber);
        let subject = self.render_part(Part::Subject, plain.clone())?;
        let subject = HeaderText::from_rendered(&subject)
            .map_err(|_| RenderError::TooLong {
                part: Part::Subject,
            })?
            .into_revealed();
        let html = self.render_part(Part::Html, context.html_values(&subscriber))?;
        let text = match self.text {
            TextPart::Compiled => self.render_part(Part::Text, plain)?,
            TextPart::FromRenderedHtml => {
                plain_text::from_html(&html).map_err(|_| RenderError::Failed {
                    part: Part::Text,
                    line: 0,
                })?
            }
        };
        Ok(Rendered {
            subject,
            html,
            text,
        })
    }

    fn render_part(&self, part: Part, values: Value) -> Result<String, RenderError> {
        let rendered = self
            .environment
            .get_template(part.name())
            .and_then(|template| template.render(values))
            // Only kind and line leave: a detail can quote a person's value.
            .map_err(|error| match error.kind() {
                ErrorKind::OutOfFuel => RenderError::OutOfFuel { part },
                _ => RenderError::Failed {
                    part,
                    line: line_of(&error),
                },
            })?;
        if rendered.len() > MAX_RENDERED_OCTETS {
            return Err(RenderError::TooLong { part });
        }
        Ok(rendered)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL_PER_RENDER));
    environment.set_recursion_limit(MAX_RECURSION);
    // A value that a person has not given is nothing, however deep it is asked for.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|name| {
        if name == Part::Html.name() {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    // Prints every value there is.
    environment.remove_global("debug");
    environment
}

fn add(
    environment: &mut Environment<'static>,
    part: Part,
    source: String,
) -> Result<(), InvalidTemplate> {
    environment
        .add_template_owned(part.name(), source)
        .map_err(|error| InvalidTemplate::Syntax {
            part,
            line: line_of(&error),
        })
}

/// Line of an error, from 1; 0 where it is not known.
fn line_of(error: &minijinja::Error) -> u32 {
    error
        .line()
        .and_then(|line| u32::try_from(line).ok())
        .unwrap_or(0)
}
