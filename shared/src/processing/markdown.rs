//! The record as Markdown (`CommonMark` with tables), for a file beside the controller's others.
//!
//! What people wrote is text and nothing else: whatever Markdown would read is escaped.

use super::document::{Document, Entry, Table};
use crate::page_language::Language;

impl Document {
    /// The document as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n> {}\n\n", text(&self.title), text(&self.notice));
        out.push_str(&self.made_line());
        out.push_str("\n\n");
        if !self.missing.is_empty() {
            out.push_str(&format!("## {}\n\n", self.missing_heading()));
            for missing in &self.missing {
                out.push_str(&format!(
                    "- {} (`{}`): **{}**\n",
                    text(&missing.label),
                    missing.path,
                    missing.by.flag(self.language)
                ));
            }
            out.push('\n');
        }
        for (index, section) in self.sections.iter().enumerate() {
            out.push_str(&format!("## {}. {}\n\n", index + 1, text(&section.heading)));
            for entry in &section.entries {
                entry_lines(&mut out, entry, self.language);
            }
            // A list ends where the next heading begins.
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// When it was made and for which account.
    pub fn made_line(&self) -> String {
        let day = self.made_on;
        match self.language {
            Language::De => format!("Konto {}, Stand {day}", self.account),
            Language::En => format!("Account {}, as of {day}", self.account),
        }
    }

    /// What stands above the list of what is missing.
    pub fn missing_heading(&self) -> &'static str {
        self.language
            .pick("Noch zu vervollständigen", "Still to be completed")
    }
}

fn entry_lines(out: &mut String, entry: &Entry, language: Language) {
    let label = text(&entry.label);
    if let Some(table) = &entry.table {
        if !out.ends_with("\n\n") {
            out.push('\n');
        }
        out.push_str(&format!("**{label}**\n\n"));
        table_lines(out, table);
        return;
    }
    if let Some(by) = entry.to_complete {
        out.push_str(&format!("- {label}: **[{}]**\n", by.flag(language)));
        return;
    }
    match entry.values.as_slice() {
        [value] => out.push_str(&format!("- {label}: {}\n", text(value))),
        values => {
            out.push_str(&format!("- {label}:\n"));
            for value in values {
                out.push_str(&format!("  - {}\n", item(value)));
            }
        }
    }
}

fn table_lines(out: &mut String, table: &Table) {
    let mut row = |cells: Vec<String>| out.push_str(&format!("| {} |\n", cells.join(" | ")));
    row(table.head.iter().map(|cell| text(cell)).collect());
    row(table.head.iter().map(|_| "---".to_owned()).collect());
    for cells in &table.rows {
        row(cells.iter().map(|cell| text(cell)).collect());
    }
    out.push('\n');
}

/// One line of plain text.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '\n' => escaped.push_str(", "),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '~' => {
                escaped.extend(['\\', c]);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Plain text that stands alone in an item, where it must not begin an item of its own.
fn item(plain: &str) -> String {
    let text = text(plain);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (before, rest) = text.split_at(digits);
    let begins_one = match rest.chars().next() {
        Some('-' | '+') => digits == 0,
        Some('.' | ')') => digits > 0,
        _ => false,
    };
    if begins_one {
        format!("{before}\\{rest}")
    } else {
        text
    }
}
