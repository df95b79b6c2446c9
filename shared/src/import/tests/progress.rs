//! Progress that is counted once: a small store with conditions, and workers that die in it.
//!
//! What a row leads to is tested beside this.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::*;
use crate::subscriber_file::RowError;

/// A map with conditions: enough of a store to carry out what is decided here.
#[derive(Default)]
pub(super) struct Model {
    pub(super) people: HashMap<PersonKey, Person>,
    chunks: HashMap<u32, ImportChunk>,
    import: Option<Import>,
}

impl Model {
    pub(super) fn person(&self, key: PersonKey) -> Person {
        self.people
            .get(&key)
            .cloned()
            .unwrap_or_else(|| Person::unknown(key))
    }

    pub(super) fn commit(&mut self, transaction: &Transaction) -> Result<(), ()> {
        let holds = |expect: &Expect, rev: Option<u64>| match expect {
            Expect::Absent => rev.is_none(),
            Expect::Revision(wanted) => rev == Some(*wanted),
        };
        for step in &transaction.0 {
            if let Step::Put(record, expect) = step {
                let rev = match record {
                    Record::Profile(new) => self.person(new.person).profile.map(|p| p.rev),
                    Record::ImportChunk(new) => self.chunks.get(&new.number).map(|c| c.rev),
                    Record::Import(_) => self.import.as_ref().map(|i| i.rev),
                    _ => None,
                };
                if !holds(expect, rev) {
                    return Err(());
                }
            }
        }
        for step in &transaction.0 {
            if let Step::Put(record, _) = step {
                match record.clone() {
                    Record::Profile(new) => {
                        let person = self
                            .people
                            .entry(new.person)
                            .or_insert_with(|| Person::unknown(new.person));
                        person.profile = Some(*new);
                    }
                    Record::Withdrawal(new) => {
                        let person = self.people.get_mut(&new.person).unwrap();
                        person.withdrawal = Some(new);
                    }
                    Record::Tombstone(new) => {
                        let person = self.people.get_mut(&new.person).unwrap();
                        person.tombstone = Some(new);
                    }
                    Record::ImportChunk(new) => {
                        self.chunks.insert(new.number, *new);
                    }
                    Record::Import(new) => self.import = Some(*new),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Works on a chunk as the handler does; `stop_after` steps it dies.
fn work(model: &mut Model, number: u32, file: &str, live: usize, stop_after: usize) {
    let scope = scope();
    let import = model.import.clone().unwrap();
    let all = rows(&import, &model.chunks[&number], file);
    for _ in 0..stop_after {
        let chunk = model.chunks[&number].clone();
        if chunk.is_complete() {
            let import = model.import.clone().unwrap();
            if let Some(transaction) = import.close(&chunk, at(NOW)) {
                model.commit(&transaction).unwrap();
            }
            return;
        }
        let next = chunk.next_rows(&all, live);
        let people = chunk
            .people(&scope, next)
            .into_iter()
            .map(|key| (key, model.person(key)))
            .collect();
        let batch = chunk.step(&scope, &import, Language::De, next, &people);
        assert!(batch.transaction.0.len() <= 100);
        model.commit(&batch.transaction).unwrap();
    }
}

#[test]
fn every_row_has_one_outcome_however_often_a_worker_dies_and_comes_back() {
    let mut file = "email,date_of_birth\n".to_owned();
    for row in 0..1_001 {
        match row % 7 {
            // A repetition of the row before, a broken address, a broken date.
            1 => writeln!(file, "P{}@x.example,", row - 1).unwrap(),
            2 => file.push_str("nobody,\n"),
            3 => writeln!(file, "p{row}@x.example,31.12.1999").unwrap(),
            // Comes again in the last row but one, chunks later.
            _ if row == 4 => file.push_str("again@x.example,\n"),
            _ if row == 999 => file.push_str("AGAIN@x.example,\n"),
            _ => writeln!(file, "p{row}@x.example,").unwrap(),
        }
    }
    let mut reports = Vec::new();
    for (live, stop_after) in [(25, 1_000), (25, 1), (1, 7), (7, 3)] {
        let (import, chunks) = import_of(&file, LegalBasis::Consent, None);
        assert_eq!(import.chunks, 3);
        let mut model = Model {
            chunks: chunks
                .into_iter()
                .map(|chunk| (chunk.number, chunk))
                .collect(),
            import: Some(import),
            ..Model::default()
        };
        // The last chunk first: the order of work decides nothing.
        for _ in 0..700 {
            for number in [2, 0, 1] {
                work(&mut model, number, &file, live, stop_after);
            }
            if !model.import.as_ref().unwrap().is_open() {
                break;
            }
        }
        let import = model.import.clone().unwrap();
        assert_eq!(
            (import.state, import.tally.rows()),
            (ImportState::Finished, 1_001)
        );
        assert_eq!(
            (
                import.tally.created,
                import.tally.skipped,
                import.tally.failed
            ),
            (571, 144, 286)
        );
        assert_eq!(model.people.len(), 571);
        // Nobody was written twice.
        assert!(
            model
                .people
                .values()
                .filter_map(|person| person.profile.as_ref())
                .all(|one| one.rev == Profile::first_revision(import.id.as_str().as_bytes()))
        );
        let report: Vec<_> = (0..3).flat_map(|n| model.chunks[&n].report()).collect();
        assert_eq!(report.len(), 1_001);
        assert_eq!(report[999].row, 1_001);
        assert_eq!(report[999].code.as_deref(), Some("repeated_in_file"));
        reports.push(report);
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_dry_run_says_the_same_and_writes_nobody() {
    let file = "email\nerika@x.example\nmax@x.example\nnobody\n";
    let (mut import, chunks) = import_of(file, LegalBasis::Consent, None);
    import.dry_run = true;
    let mut model = Model {
        chunks: chunks
            .into_iter()
            .map(|chunk| (chunk.number, chunk))
            .collect(),
        import: Some(import),
        ..Model::default()
    };
    work(&mut model, 0, file, 25, 10);
    let import = model.import.unwrap();
    assert_eq!((import.tally.created, import.tally.failed), (2, 1));
    assert!(model.people.is_empty());
}

#[test]
fn rows_that_need_nobody_travel_with_the_next_who_does() {
    let file = "email\nbad\na@x.example\nbad\nb@x.example\nbad\n";
    let (import, chunks) = import_of(file, LegalBasis::Consent, None);
    let all = rows(&import, &chunks[0], file);
    assert!(matches!(all[0].1, Err(RowError::Address(_))));
    for (live, taken) in [(1, 3), (2, 5), (25, 5)] {
        assert_eq!(chunks[0].next_rows(&all, live).len(), taken, "{live}");
    }
}

#[test]
fn the_file_of_an_import_is_over_a_day_after_it_was_asked_for() {
    let asked = at(NOW);
    let import = ImportId::generate(asked, &SeededEntropy::new(7));
    assert_eq!(import.made_at(), Some(asked));
    for (now, is_over) in [
        (NOW, false),
        ("2027-02-01T11:59:59.999Z", false),
        ("2027-02-01T12:00:00Z", true),
        ("2027-03-01T00:00:00Z", true),
    ] {
        assert_eq!(file_is_over(&import, at(now)), is_over, "{now}");
    }
    // What no import of ours is called is left to the bucket's own rule.
    for strange in ["imp_1", "x", "imp_01j8zq4n5y8w3v6t7r9p2m1k0"] {
        let strange = ImportId::parse(strange).unwrap();
        assert!(!file_is_over(&strange, Timestamp::MAX), "{strange}");
    }
}
