//! Files as spreadsheets write them, broken ones, and rows that must not get lost.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn declared() -> Vec<Field> {
    serde_json::from_value(serde_json::json!([
        {"key": "size", "rev": 1, "label": "Größe"},
        {"key": "children", "rev": 1, "label": "Kinder", "type": "number"},
    ]))
    .unwrap()
}

fn read(file: &[u8]) -> Vec<(u32, Result<ImportRow, RowError>)> {
    let layout = Layout::of_file(file, &declared()).unwrap();
    layout
        .chunks()
        .iter()
        .flat_map(|chunk| layout.read_chunk(chunk, &file[chunk.start..chunk.end]))
        .collect()
}

/// `address|key=value|...` of each row, or its error code.
fn shown(file: &[u8]) -> Vec<(u32, String)> {
    let layout = Layout::of_file(file, &declared()).unwrap();
    read(file)
        .into_iter()
        .map(|(number, row)| {
            let shown = match row {
                Ok(row) => row
                    .values
                    .iter()
                    .fold(row.address.reveal().to_owned(), |shown, (key, value)| {
                        format!("{shown}|{key}={}", value.reveal())
                    }),
                Err(error) => layout.error_code(error),
            };
            (number, shown)
        })
        .collect()
}

#[test]
fn rows_are_read_as_spreadsheets_write_them() {
    type Expected<'a> = &'a [(u32, &'a str)];
    let table: [(&[u8], Expected<'_>); 9] = [
        (b"email\nmax@x.de\n", &[(2, "max@x.de")]),
        (
            b"email\r\nmax@x.de\r\neva@x.de",
            &[(2, "max@x.de"), (3, "eva@x.de")],
        ),
        (
            b"\xef\xbb\xbfemail;first_name\r\nmax@x.de;Max\r\n",
            &[(2, "max@x.de|first_name=Max")],
        ),
        (
            b"customer_number,email,branch_number\n00042,Max@X.DE,007\n",
            &[(2, "Max@x.de|branch_number=007|customer_number=00042")],
        ),
        (
            b" Email , First_Name \nmax@x.de , Max\n",
            &[(2, "max@x.de|first_name=Max")],
        ),
        (
            b"email,first_name,last_name\nmax@x.de,,\"Muster, \"\"M\"\"\"\n",
            &[(2, "max@x.de|last_name=Muster, \"M\"")],
        ),
        (
            b"email,field.size,field.children\nmax@x.de,XL,3\n",
            &[(2, "max@x.de|children=3|size=XL")],
        ),
        (
            b"email,advertising_criteria\nmax@x.de,Wein | K\xc3\xa4se|\n",
            &[(2, "max@x.de|advertising_criteria=Wein, K\u{e4}se")],
        ),
        (
            b"\n\nemail\n\nmax@x.de\n\n\neva@x.de\n\n",
            &[(2, "max@x.de"), (3, "eva@x.de")],
        ),
    ];
    for (file, expected) in table {
        let expected: Vec<_> = expected
            .iter()
            .map(|(row, text)| (*row, (*text).to_owned()))
            .collect();
        assert_eq!(shown(file), expected, "{}", String::from_utf8_lossy(file));
    }
}

#[test]
fn a_bad_row_is_named_by_number_and_code_and_stops_no_other() {
    let long_cell = format!("max@x.de,{},,", "x".repeat(MAX_CELL_OCTETS + 1));
    let long_text = format!("max@x.de,{},,", "x".repeat(501));
    let table: [(&[u8], &str); 13] = [
        (b"max,,,", "address_missing_at"),
        (b",Max,,", "address_empty"),
        (b"  ,Max,,", "address_empty"),
        (b"m\xe4x@x.de,,,", "row_not_utf8"),
        (b"max@x.de,M\xfcller,,", "row_not_utf8"),
        (b"max@x.de,Max", "row_cell_count"),
        (b"max@x.de,Max,,,", "row_cell_count"),
        (b"max@x.de,\"a\nb\",,", "first_name:control_character"),
        (b"max@x.de,,31.12.1990,", "date_of_birth:invalid"),
        (b"max@x.de,,1990-02-30,", "date_of_birth:invalid"),
        (b"max@x.de,,,drei", "field.children:invalid"),
        (long_cell.as_bytes(), "row_cell_too_long"),
        (long_text.as_bytes(), "first_name:too_long"),
    ];
    for (row, code) in table {
        let file = [
            b"email,first_name,date_of_birth,field.children\neva@x.de,,,\n".as_slice(),
            row,
            b"\nudo@x.de,,,\n",
        ]
        .concat();
        let expected = [(2, "eva@x.de"), (3, code), (4, "udo@x.de")];
        let shown = shown(&file);
        let shown: Vec<_> = shown
            .iter()
            .map(|(row, text)| (*row, text.as_str()))
            .collect();
        assert_eq!(shown, expected);
    }
}

#[test]
fn a_bad_header_row_refuses_the_file_without_an_echo() {
    use InvalidFile as E;
    let too_long = vec![b'a'; MAX_FILE_OCTETS + 1];
    let table: [(&[u8], E); 10] = [
        (b"", E::Empty),
        (b"\xef\xbb\xbf\r\n\r\n", E::Empty),
        (b"max@x.de,Max\n", E::UnknownColumn { column: 1 }),
        (b"email,password\n", E::UnknownColumn { column: 2 }),
        (b"email,\n", E::UnknownColumn { column: 2 }),
        (b"email,field.colour\n", E::UnknownColumn { column: 2 }),
        (b"email,city,Email\n", E::DuplicateColumn { column: 3 }),
        (b"first_name\nMax\n", E::MissingEmailColumn),
        (b"\xff\xfee\0m\0", E::HeaderNotUtf8),
        (&too_long, E::TooLong),
    ];
    for (file, expected) in table {
        assert_eq!(Layout::of_file(file, &declared()), Err(expected));
    }
    let mut largest = b"email\n".to_vec();
    largest.resize(MAX_FILE_OCTETS, b'a');
    assert!(Layout::of_file(&largest, &[]).is_ok());
}

#[test]
fn chunks_have_500_rows_and_end_between_rows() {
    for (rows, chunks) in [(0, 0), (1, 1), (499, 1), (500, 1), (501, 2), (1_001, 3)] {
        let mut file = "email,first_name\r\n".to_owned();
        for row in 0..rows {
            write!(file, "p{row}@x.de,\"a \"\"\r\n{row}\"\r\n").unwrap();
        }
        let layout = Layout::of_file(file.as_bytes(), &[]).unwrap();
        assert_eq!(layout.rows(), rows);
        assert_eq!(layout.chunks().len(), chunks);
        let read = read(file.as_bytes());
        assert_eq!(read.len(), rows as usize);
        assert!(read.iter().map(|(row, _)| *row).eq(2..rows + 2));
        let json = serde_json::to_string(&layout).unwrap();
        assert_eq!(serde_json::from_str::<Layout>(&json).unwrap(), layout);
    }
}

#[test]
fn a_report_has_one_line_per_row_and_no_value() {
    let report = write_report(&[
        ReportRow {
            row: 2,
            outcome: Outcome::Created,
            code: None,
        },
        ReportRow {
            row: 3,
            outcome: Outcome::Failed,
            code: Some("first_name:too_long".to_owned()),
        },
    ]);
    assert_eq!(
        report,
        "row,outcome,code\r\n2,created,\r\n3,failed,first_name:too_long\r\n"
    );
}

#[test]
fn no_exported_cell_is_a_formula() {
    for formula in [
        "=1+1",
        "+43 1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\u{ff1d}1",
        // Not a formula, but what is read back as one.
        "'=1",
        "''-1",
    ] {
        assert_eq!(guard_formula(formula), format!("'{formula}"));
        assert_eq!(report::unguard(&guard_formula(formula)), formula);
    }
    for text in ["", "Max", "00042", "a=b", "'", "'s-Gravenhage", "O'=1"] {
        assert_eq!(guard_formula(text), text);
        assert_eq!(report::unguard(text), text);
    }
}

proptest! {
    // Each case has up to 1,100 rows: a few cases are many rows.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn splitting_loses_and_changes_no_row(
        rows in prop::collection::vec("[a@.\", \n\r;x]{0,12}", 0..1_100)
    ) {
        let file = format!("email,city\n{}", rows.join("\n"));
        let layout = Layout::of_file(file.as_bytes(), &[]).unwrap();
        let split = read(file.as_bytes());
        let body = layout.chunks().first().map_or(file.len(), |chunk| chunk.start);
        let whole = Chunk { start: body, end: file.len(), first_row: 2, rows: layout.rows() };
        prop_assert_eq!(&split, &layout.read_chunk(&whole, &file.as_bytes()[body..]));
        prop_assert_eq!(split.len(), layout.rows() as usize);
        prop_assert!(layout.chunks().iter().all(|chunk| chunk.rows <= ROWS_PER_CHUNK));
        prop_assert!(layout.chunks().windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
