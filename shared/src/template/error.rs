//! What can be wrong with a template, and what can go wrong with one person's mail.
//!
//! Closed and `Copy`: parts, lines and codes, never a value and never the source.

/// A part of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The subject line.
    Subject,
    /// The HTML part.
    Html,
    /// The text part.
    Text,
}

impl Part {
    /// Its name in the API and in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

/// What advertising mail must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Required {
    /// `{{ unsubscribe_url }}`, in HTML as a link with something to click on: section 7(2)
    /// no. 3 UWG, and Google's sender guidelines.
    UnsubscribeLink,
    /// `{{ imprint }}`: section 7(2) no. 3 UWG, section 5 DDG.
    Imprint,
}

/// Why a source is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// Longer than the part's limit.
    #[error("the {} is too long", part.name())]
    TooLong {
        /// Which part.
        part: Part,
    },
    /// Not the template language.
    #[error("the {} has a syntax error in line {line}", part.name())]
    Syntax {
        /// Which part.
        part: Part,
        /// From 1; 0 where it is not known.
        line: u32,
    },
    /// It compiles, but renders for nobody: an unknown filter, an endless loop.
    #[error("the {} cannot be rendered: line {line}", part.name())]
    Unrenderable {
        /// Which part.
        part: Part,
        /// From 1; 0 where it is not known.
        line: u32,
    },
    /// Something the law asks for is not shown to everybody.
    #[error("the {} lacks a mandatory element", part.name())]
    Missing {
        /// Where.
        part: Part,
        /// What.
        required: Required,
    },
}

impl InvalidTemplate {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong { part } => match part {
                Part::Subject => "template_subject_too_long",
                Part::Html => "template_html_too_long",
                Part::Text => "template_text_too_long",
            },
            Self::Syntax { part, .. } => match part {
                Part::Subject => "template_subject_syntax",
                Part::Html => "template_html_syntax",
                Part::Text => "template_text_syntax",
            },
            Self::Unrenderable { part, .. } => match part {
                Part::Subject => "template_subject_unrenderable",
                Part::Html => "template_html_unrenderable",
                Part::Text => "template_text_unrenderable",
            },
            Self::Missing { part, required } => match (part, required) {
                (Part::Html, Required::UnsubscribeLink) => "template_html_without_unsubscribe_link",
                (_, Required::UnsubscribeLink) => "template_text_without_unsubscribe_link",
                (Part::Html, Required::Imprint) => "template_html_without_imprint",
                (_, Required::Imprint) => "template_text_without_imprint",
            },
        }
    }

    /// The part it is about: the field of the request.
    pub const fn part(self) -> Part {
        match self {
            Self::TooLong { part }
            | Self::Syntax { part, .. }
            | Self::Unrenderable { part, .. }
            | Self::Missing { part, .. } => part,
        }
    }

    /// The line it is about, from 1.
    pub const fn line(self) -> Option<u32> {
        match self {
            Self::Syntax { line, .. } | Self::Unrenderable { line, .. } if line > 0 => Some(line),
            _ => None,
        }
    }
}

/// Why one person's mail could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// More steps than [`FUEL_PER_RENDER`](super::FUEL_PER_RENDER) allows.
    #[error("the {} takes too many steps", part.name())]
    OutOfFuel {
        /// Which part.
        part: Part,
    },
    /// The rendered part is longer than its limit.
    #[error("the rendered {} is too long", part.name())]
    TooLong {
        /// Which part.
        part: Part,
    },
    /// An operation that this person's values do not allow.
    #[error("the {} failed in line {line}", part.name())]
    Failed {
        /// Which part.
        part: Part,
        /// From 1; 0 where it is not known.
        line: u32,
    },
}

impl RenderError {
    /// Stable code for the campaign's log.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OutOfFuel { .. } => "render_out_of_fuel",
            Self::TooLong { .. } => "render_too_long",
            Self::Failed { .. } => "render_failed",
        }
    }

    /// The part it is about.
    pub const fn part(self) -> Part {
        match self {
            Self::OutOfFuel { part } | Self::TooLong { part } | Self::Failed { part, .. } => part,
        }
    }
}
