//! Holds `docs/requirements-trace.md` against the sources: every test it names exists.
//!
//! Of the rows from the seed, on modes, tensions and law, what is not done has a reason; of twenty
//! the line is named whose removal breaks their test, and is still there. Whether a test proves its
//! row is a person's judgement, not this file's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../../docs/requirements-trace.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Everything wrong with the document, as sentences. `read` gives a source file's text.
fn mistakes(document: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [row, state, _, tests] = cells[..] else {
            found.push(format!("not four cells: {line}"));
            continue;
        };
        if row == "row" || row.starts_with("---") {
            continue;
        }
        *rows.entry(row).or_default() += 1;
        let has_reason = document.contains(&format!("\n- **{row}**: "));
        let needs_one = state != "done" && row.starts_with(['S', 'O', 'T', 'L']);
        match (needs_one, has_reason) {
            (true, false) => found.push(format!("{row}: no reason why it is not done")),
            (false, true) => found.push(format!("{row}: a reason although it is done")),
            _ => {}
        }
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        match state {
            "open" if tests.is_empty() => {}
            "done" | "part" if !tests.is_empty() => {}
            _ => found.push(format!("{row}: state {state:?} with {} tests", tests.len())),
        }
        for test in tests {
            let Some((path, name)) = test.rsplit_once("::") else {
                found.push(format!("{row}: {test} is not path::name"));
                continue;
            };
            match read(path) {
                None => found.push(format!("{row}: no file {path}")),
                Some(source) if !has_test(&source, name) => {
                    found.push(format!("{row}: no test {name} in {path}"));
                }
                Some(_) => {}
            }
        }
    }
    let known = register(document);
    if known.is_empty() {
        found.push("no register of rows".to_owned());
    }
    for id in &known {
        match rows.remove(id.as_str()) {
            Some(1) => {}
            Some(times) => found.push(format!("{id}: {times} times")),
            None => found.push(format!("{id}: missing")),
        }
    }
    found.extend(rows.keys().map(|row| format!("{row}: not in the register")));
    found
}

/// A line of code, the row that needs it, and the test that its removal breaks.
struct Line<'a> {
    row: &'a str,
    file: &'a str,
    code: &'a str,
    test: &'a str,
}

/// The lines ``- **ROW** `file` `code` `path::test` `` of the document.
fn lines(document: &str) -> Vec<Line<'_>> {
    let entries = document.lines().filter_map(|line| {
        let (row, rest) = line.strip_prefix("- **")?.split_once("** `")?;
        let mut spans = rest.split('`').step_by(2);
        Some(Line {
            row,
            file: spans.next()?,
            code: spans.next()?,
            test: spans.next()?,
        })
    });
    entries.collect()
}

/// Everything wrong with the named lines: each stands in its file once, and its test is one of
/// its row's.
fn mistakes_of_lines(document: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for Line {
        row,
        file,
        code,
        test,
    } in lines(document)
    {
        let times = read(file).map_or(0, |source| source.matches(code).count());
        if times != 1 {
            found.push(format!("{row}: {times} times in {file}: {code}"));
        }
        let of_row = document
            .lines()
            .find(|line| line.starts_with(&format!("| {row} |")))
            .is_some_and(|line| line.contains(&format!("`{test}`")));
        if !of_row {
            found.push(format!("{row}: {test} is no test of this row"));
        }
    }
    found
}

/// The ids of the line `Register: S-01..S-30, O-01..O-07, ...`.
fn register(document: &str) -> Vec<String> {
    let Some(line) = document
        .lines()
        .find_map(|line| line.strip_prefix("Register: "))
    else {
        return Vec::new();
    };
    line.trim_end_matches('.')
        .split(", ")
        .flat_map(|range| {
            let (first, last) = range.split_once("..").unwrap_or((range, range));
            let number = |id: &str| id[2..].parse::<u32>().expect("an id ends with its number");
            let letter = first[..1].to_owned();
            (number(first)..=number(last)).map(move |n| format!("{letter}-{n:02}"))
        })
        .collect()
}

/// Whether a function of this name carries a test attribute (or, in the infrastructure
/// checks, is an assertion). A mention in a comment is not enough.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let declares = ["fn ", "async fn ", "def "].iter().any(|start| {
            line.strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(&format!("{name}(")))
        });
        declares
            && lines[..at]
                .iter()
                .rev()
                .take_while(|above| above.starts_with(['#', '@', '/']) || above.ends_with(")]"))
                .any(|above| is_test_attribute(above))
    })
}

fn is_test_attribute(line: &str) -> bool {
    line == "#[test]" || line.starts_with("#[tokio::test") || line == "@assertion"
}

fn read_source(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(ROOT).join(path)).ok()
}

#[test]
fn every_test_that_the_trace_names_exists_and_no_row_is_forgotten() {
    assert_eq!(mistakes(DOCUMENT, &read_source), Vec::<String>::new());
}

#[test]
fn the_register_has_every_row() {
    // Counted in the register of requirements; it grows only with a new section of it.
    assert_eq!(register(DOCUMENT).len(), 183);
}

#[test]
fn of_twenty_rows_the_line_whose_removal_breaks_the_test_is_named_and_still_there() {
    assert_eq!(
        mistakes_of_lines(DOCUMENT, &read_source),
        Vec::<String>::new()
    );
    let lines = lines(DOCUMENT);
    let rows: BTreeSet<&str> = lines.iter().map(|line| line.row).collect();
    assert!(rows.len() >= 20, "{rows:?}");
    let whole = |line: &&Line<'_>| line.test.starts_with("tests/tests/system");
    assert!(lines.iter().filter(whole).count() >= 4);
}

#[test]
fn a_doctored_line_is_found_out() {
    let read = |path: &str| (path == "a.rs").then(|| "one();\ntwo();\ntwo();\n".to_owned());
    let rows = "| S-01 | done | a | `a.rs::it_holds` |\n";
    for (line, found) in [
        ("- **S-01** `a.rs` `one();` `a.rs::it_holds`", None),
        (
            "- **S-01** `a.rs` `two();` `a.rs::it_holds`",
            Some("S-01: 2 times in a.rs: two();"),
        ),
        (
            "- **S-01** `a.rs` `three();` `a.rs::it_holds`",
            Some("S-01: 0 times in a.rs: three();"),
        ),
        (
            "- **S-01** `b.rs` `one();` `a.rs::it_holds`",
            Some("S-01: 0 times in b.rs: one();"),
        ),
        (
            "- **S-01** `a.rs` `one();` `a.rs::another`",
            Some("S-01: a.rs::another is no test of this row"),
        ),
        (
            "- **S-02** `a.rs` `one();` `a.rs::it_holds`",
            Some("S-02: a.rs::it_holds is no test of this row"),
        ),
    ] {
        let mistakes = mistakes_of_lines(&format!("{rows}{line}\n"), &read);
        assert_eq!(mistakes, Vec::from_iter(found.map(str::to_owned)));
    }
}

#[test]
fn a_doctored_trace_is_found_out() {
    let source = "#[test]\nfn it_holds() {}\n\n// fn it_is_only_mentioned()\nfn is_no_test() {}\n";
    let read = |path: &str| (path == "a.rs").then(|| source.to_owned());
    let document = |rows: &str| {
        format!(
            "Register: S-01..S-02.\n\n| row | state | module | test |\n| --- | --- | --- | --- |\n{rows}\n- **S-02**: for a reason.\n"
        )
    };
    let open = "| S-02 | open | | |\n";
    for (rows, found) in [
        ("| S-01 | done | a | `a.rs::it_holds` |\n", None),
        (
            "| S-01 | done | a | `a.rs::it_breaks` |\n",
            Some("S-01: no test it_breaks in a.rs"),
        ),
        (
            "| S-01 | done | a | `a.rs::is_no_test` |\n",
            Some("S-01: no test is_no_test in a.rs"),
        ),
        (
            "| S-01 | part | a | `a.rs::it_is_only_mentioned` |\n",
            Some("S-01: no test it_is_only_mentioned in a.rs"),
        ),
        (
            "| S-01 | done | a | `b.rs::it_holds` |\n",
            Some("S-01: no file b.rs"),
        ),
        (
            "| S-01 | done | a | `it_holds` |\n",
            Some("S-01: it_holds is not path::name"),
        ),
        (
            "| S-01 | done | a | |\n",
            Some("S-01: state \"done\" with 0 tests"),
        ),
        (
            "| S-01 | open | a | `a.rs::it_holds` |\n",
            Some("S-01: state \"open\" with 1 tests"),
        ),
        (
            "| S-01 | fine | a | |\n",
            Some("S-01: state \"fine\" with 0 tests"),
        ),
        (
            "| S-01 | open | |\n",
            Some("not four cells: | S-01 | open | |"),
        ),
        (
            "| S-01 | open | | |\n",
            Some("S-01: no reason why it is not done"),
        ),
        (
            "| S-01 | done | a | `a.rs::it_holds` |\n\n- **S-01**: but why.\n",
            Some("S-01: a reason although it is done"),
        ),
        ("", Some("S-01: missing")),
        (
            "| S-01 | open | | |\n| S-01 | open | | |\n",
            Some("S-01: 2 times"),
        ),
        (
            "| S-01 | open | | |\n| S-03 | open | | |\n",
            Some("S-03: not in the register"),
        ),
    ] {
        let mistakes = mistakes(&document(&format!("{rows}{open}")), &read);
        match found {
            None => assert_eq!(mistakes, Vec::<String>::new()),
            Some(sentence) => assert!(
                mistakes.iter().any(|m| m == sentence),
                "{sentence}: {mistakes:?}"
            ),
        }
    }
    assert!(!mistakes("", &read).is_empty());
}
