//! What became of each row of a file, as CSV without personal data; and the guard for CSV
//! with it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new subscriber.
    Created,
    /// A known one, with new data.
    Updated,
    /// Left alone: suppressed, or named earlier in the file.
    Skipped,
    /// Not readable.
    Failed,
}

impl Outcome {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A row's line in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// Its number in the file; the header is row 1.
    pub row: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for those skipped and failed, or what is missing: a stable code, never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The report as CSV (RFC 4180), with a header row.
pub fn write_report<'a>(rows: impl IntoIterator<Item = &'a ReportRow>) -> String {
    let mut report = String::from("row,outcome,code\r\n");
    for ReportRow { row, outcome, code } in rows {
        let code = code.as_deref().unwrap_or_default();
        // Codes are made of letters, digits and `_.:-`, so nothing needs quotes; writing to
        // a String cannot fail.
        let _ = write!(report, "{row},{},{code}\r\n", outcome.name());
    }
    report
}

/// A cell's text such that no spreadsheet takes it for a formula, and that an import gives back as
/// it was, with apostrophes of its own too (`unguard`).
///
/// A visitor who signs up as `=HYPERLINK(...)` would otherwise run it on the desk of whoever
/// opens the export (OWASP, "CSV Injection"). The apostrophe is shown by no spreadsheet.
pub fn guard_formula(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text of a cell without the apostrophe that keeps a spreadsheet from calculating it: our own
/// files have it, and those of others who guard theirs.
pub(super) fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text.trim_start_matches('\'')) => text,
        _ => cell,
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ])
}
