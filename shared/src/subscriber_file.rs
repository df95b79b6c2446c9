//! Subscriber files: CSV whose header row names the contract's fields (P-31, DESIGN 9).
//!
//! Reads bytes into rows and chunks of rows. Whether a row creates, updates or is skipped is
//! decided with the stored profile at hand, elsewhere.
//!
//! Errors say where, by row and column number, and never what: in a file without a header
//! row the first person would stand in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::{EmailAddress, InvalidAddress};
use crate::form::{FieldProblemCode, FieldValue, fits_field, wire_name};
use crate::id::FieldKey;
use crate::import::SkipReason;
use crate::personal::PersonalText;
use crate::setup::{BUILT_IN_FIELDS, Field, FieldType};

mod report;

#[cfg(test)]
mod tests;

pub use report::{Outcome, ReportRow, guard_formula, write_report};

/// Longest file that the API takes itself (DESIGN 9); larger ones are uploaded to S3.
pub const MAX_FILE_OCTETS: usize = 4 * 1024 * 1024;
/// Longest file that can be uploaded: a million subscribers in a line of 64 octets each; the
/// function that finds its chunks holds it in memory.
pub const MAX_UPLOAD_OCTETS: u32 = 64 * 1024 * 1024;
/// As much of a file's beginning as is read for its header row.
pub const HEADER_OCTETS: u32 = 64 * 1024;
/// Rows of one queue message: 500 rows of 25-item batches are some 20 calls, seconds.
pub const ROWS_PER_CHUNK: u32 = 500;
/// Longest cell: 50 advertising criteria of 80 characters. Longer ones come from a quote
/// that is never closed.
pub const MAX_CELL_OCTETS: usize = 4_096;
/// Separates several values in one cell of a repeatable field.
pub const VALUE_SEPARATOR: char = '|';
/// As many values as a form may send.
const MAX_VALUES: usize = 50;
/// Spreadsheets count the header as row 1.
const FIRST_ROW: u32 = 2;

/// Why a whole file is refused. Columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFile {
    /// More than [`MAX_FILE_OCTETS`].
    #[error("the file is too long")]
    TooLong,
    /// No header row.
    #[error("the file is empty")]
    Empty,
    /// A header that is not UTF-8: often UTF-16 or Windows-1252 from a spreadsheet.
    #[error("the header row is not UTF-8")]
    HeaderNotUtf8,
    /// No built-in field and no declared one has this name.
    #[error("column {column} of the header row has an unknown name")]
    UnknownColumn {
        /// Which one.
        column: u32,
    },
    /// The name stands in an earlier column, too.
    #[error("column {column} of the header row repeats a name")]
    DuplicateColumn {
        /// Which one.
        column: u32,
    },
    /// No column `email`.
    #[error("the header row has no column email")]
    MissingEmailColumn,
}

impl InvalidFile {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "file_too_long",
            Self::Empty => "file_empty",
            Self::HeaderNotUtf8 => "file_header_not_utf8",
            Self::UnknownColumn { .. } => "file_unknown_column",
            Self::DuplicateColumn { .. } => "file_duplicate_column",
            Self::MissingEmailColumn => "file_missing_email_column",
        }
    }
}

/// Why one row is refused. The others are not touched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// A cell is not UTF-8.
    NotUtf8,
    /// More or fewer cells than the header row: values would slip into wrong fields.
    CellCount,
    /// A cell is longer than [`MAX_CELL_OCTETS`].
    CellTooLong,
    /// An empty cell in the column `email`.
    MissingAddress,
    /// No address.
    Address(InvalidAddress),
    /// A value that its field does not take.
    Cell {
        /// Index of the column in [`Layout::columns`], from 0.
        column: usize,
        /// Why.
        problem: FieldProblemCode,
    },
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The address.
    Email,
    /// A built-in or declared field.
    Field {
        /// Its key.
        key: FieldKey,
        /// What its values are.
        field_type: FieldType,
    },
}

impl Column {
    /// Its name in the header row.
    pub fn name(&self) -> String {
        match self {
            Self::Email => "email".to_owned(),
            Self::Field { key, .. } => wire_name(key.as_str()),
        }
    }
}

/// Some rows of a file: a range of its bytes that begins and ends between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// First byte.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
    /// Number of its first row; the header is row 1. Blank lines are no rows.
    pub first_row: u32,
    /// How many rows it has.
    pub rows: u32,
}

/// How a file is to be read: all that a worker needs beside a chunk's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    delimiter: u8,
    columns: Vec<Column>,
    rows: u32,
    chunks: Vec<Chunk>,
}

/// A row that can be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    /// Who.
    pub address: EmailAddress,
    /// The cells that hold something; an empty cell leaves its field as it is.
    pub values: BTreeMap<FieldKey, FieldValue>,
    /// Why whoever it is must not be imported, where the address alone says so.
    pub barred: Option<SkipReason>,
}

impl Layout {
    /// Reads the header row and finds the chunks. `declared` are the account's own fields.
    pub fn of_file(file: &[u8], declared: &[Field]) -> Result<Self, InvalidFile> {
        if file.len() > MAX_FILE_OCTETS {
            return Err(InvalidFile::TooLong);
        }
        let mut layout = Self::of_header(file, declared)?;
        layout.find_chunks(file);
        Ok(layout)
    }

    /// Reads the header row alone, from a file's beginning; no rows and no chunks yet.
    ///
    /// # Errors
    /// When the file cannot be taken.
    pub fn of_header(file: &[u8], declared: &[Field]) -> Result<Self, InvalidFile> {
        let text = &file[text_start(file)..];
        let delimiter = detect_delimiter(text);
        let mut reader = reader(text, delimiter);
        let mut record = csv::ByteRecord::new();
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            return Err(InvalidFile::Empty);
        }
        Ok(Self {
            delimiter,
            columns: read_header(&record, declared)?,
            rows: 0,
            chunks: Vec::new(),
        })
    }

    /// Of a file that is not there yet.
    pub fn none() -> Self {
        Self {
            delimiter: b',',
            columns: Vec::new(),
            rows: 0,
            chunks: Vec::new(),
        }
    }

    /// Counts the rows behind the header row and finds the chunks.
    pub fn find_chunks(&mut self, file: &[u8]) {
        let text_start = text_start(file);
        let text = &file[text_start..];
        let mut reader = reader(text, self.delimiter);
        let mut record = csv::ByteRecord::new();
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            return;
        }
        let position = |reader: &csv::Reader<&[u8]>| {
            // Positions are those of bytes in memory, so they fit.
            text_start + usize::try_from(reader.position().byte()).unwrap_or(text.len())
        };
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut rows = 0;
        let mut start = position(&reader);
        while matches!(reader.read_byte_record(&mut record), Ok(true)) {
            let end = position(&reader);
            match chunks.last_mut() {
                Some(chunk) if chunk.rows < ROWS_PER_CHUNK => {
                    chunk.end = end;
                    chunk.rows += 1;
                }
                _ => chunks.push(Chunk {
                    start,
                    end,
                    first_row: FIRST_ROW + rows,
                    rows: 1,
                }),
            }
            rows += 1;
            start = end;
        }
        (self.rows, self.chunks) = (rows, chunks);
    }

    /// The columns in the file's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows the file has, the header not counted.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The chunks in the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Takes the chunks out, for who keeps each of them apart; columns and count stay.
    pub fn take_chunks(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.chunks)
    }

    /// The rows of a chunk with their numbers; `bytes` are the chunk's alone.
    pub fn read_chunk(
        &self,
        chunk: &Chunk,
        bytes: &[u8],
    ) -> Vec<(u32, Result<ImportRow, RowError>)> {
        let mut reader = reader(bytes, self.delimiter);
        let mut record = csv::ByteRecord::new();
        let mut rows = Vec::new();
        let mut number = chunk.first_row;
        while matches!(reader.read_byte_record(&mut record), Ok(true)) {
            rows.push((number, self.read_row(&record)));
            number += 1;
        }
        rows
    }

    /// The stable code of a row's error: `address_missing_at`, `first_name:too_long`.
    pub fn error_code(&self, error: RowError) -> String {
        match error {
            RowError::NotUtf8 => "row_not_utf8".to_owned(),
            RowError::CellCount => "row_cell_count".to_owned(),
            RowError::CellTooLong => "row_cell_too_long".to_owned(),
            RowError::MissingAddress => "address_empty".to_owned(),
            RowError::Address(invalid) => invalid.code().to_owned(),
            RowError::Cell { column, problem } => {
                let name = self
                    .columns
                    .get(column)
                    .map_or_else(String::new, Column::name);
                format!("{name}:{}", problem.code())
            }
        }
    }

    fn read_row(&self, record: &csv::ByteRecord) -> Result<ImportRow, RowError> {
        if record.iter().any(|cell| cell.len() > MAX_CELL_OCTETS) {
            return Err(RowError::CellTooLong);
        }
        if record.len() != self.columns.len() {
            return Err(RowError::CellCount);
        }
        let mut address = None;
        let mut values = BTreeMap::new();
        for (index, (column, cell)) in self.columns.iter().zip(record).enumerate() {
            let cell = std::str::from_utf8(cell).map_err(|_| RowError::NotUtf8)?;
            let cell = report::unguard(cell);
            match column {
                Column::Email if cell.trim_matches(' ').is_empty() => {
                    return Err(RowError::MissingAddress);
                }
                Column::Email => {
                    address = Some(EmailAddress::parse(cell).map_err(RowError::Address)?);
                }
                Column::Field { key, field_type } => {
                    let value =
                        read_cell(key, *field_type, cell).map_err(|problem| RowError::Cell {
                            column: index,
                            problem,
                        })?;
                    if let Some(value) = value {
                        values.insert(key.clone(), value);
                    }
                }
            }
        }
        let address = address.ok_or(RowError::MissingAddress)?;
        Ok(ImportRow {
            address,
            values,
            barred: None,
        })
    }
}

/// `None` for an empty cell.
fn read_cell(
    key: &FieldKey,
    field_type: FieldType,
    cell: &str,
) -> Result<Option<FieldValue>, FieldProblemCode> {
    let read = |text: &str| {
        let text = PersonalText::parse(text)?;
        if text.is_empty() || fits_field(key.as_str(), field_type, &text) {
            Ok(text)
        } else {
            Err(FieldProblemCode::Invalid)
        }
    };
    if !is_repeatable(key) {
        let text = read(cell)?;
        return Ok((!text.is_empty()).then_some(FieldValue::One(text)));
    }
    let mut texts = Vec::new();
    for value in cell.split(VALUE_SEPARATOR) {
        let text = read(value)?;
        if !text.is_empty() {
            texts.push(text);
        }
    }
    if texts.len() > MAX_VALUES {
        return Err(FieldProblemCode::TooMany);
    }
    Ok((!texts.is_empty()).then_some(FieldValue::Many(texts)))
}

fn is_repeatable(key: &FieldKey) -> bool {
    key.as_str() == "advertising_criteria"
}

fn read_header(record: &csv::ByteRecord, declared: &[Field]) -> Result<Vec<Column>, InvalidFile> {
    let mut columns: Vec<Column> = Vec::new();
    for (cell, number) in record.iter().zip(1..) {
        let name = std::str::from_utf8(cell).map_err(|_| InvalidFile::HeaderNotUtf8)?;
        let name = name.trim().to_ascii_lowercase();
        let column =
            column_of(&name, declared).ok_or(InvalidFile::UnknownColumn { column: number })?;
        if columns.contains(&column) {
            return Err(InvalidFile::DuplicateColumn { column: number });
        }
        columns.push(column);
    }
    if columns.contains(&Column::Email) {
        Ok(columns)
    } else {
        Err(InvalidFile::MissingEmailColumn)
    }
}

fn column_of(name: &str, declared: &[Field]) -> Option<Column> {
    if name == "email" {
        return Some(Column::Email);
    }
    if BUILT_IN_FIELDS.contains(&name) {
        let field_type = if name == "date_of_birth" {
            FieldType::Date
        } else {
            FieldType::Text
        };
        let key = FieldKey::parse(name).ok()?;
        return Some(Column::Field { key, field_type });
    }
    let key = name.strip_prefix("field.")?;
    declared
        .iter()
        .find(|field| field.key.as_str() == key)
        .map(|field| Column::Field {
            key: field.key.clone(),
            field_type: field.field_type,
        })
}

/// Comma, or semicolon where the header line has more of them: German spreadsheets write
/// semicolons, because the comma is their decimal point.
/// Where the text begins: behind a byte order mark.
fn text_start(file: &[u8]) -> usize {
    if file.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    }
}

fn detect_delimiter(text: &[u8]) -> u8 {
    let header = text
        .split(|octet| matches!(octet, b'\r' | b'\n'))
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let cells = |delimiter: u8| header.split(|octet| *octet == delimiter).count();
    if cells(b';') > cells(b',') {
        b';'
    } else {
        b','
    }
}

fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes)
}
