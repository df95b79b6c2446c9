//! Who processes on behalf of the processor, and that controllers hear of a new one in time to
//! object (Art. 28(2) and (4), L-21).

use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Days between announcing a sub-processor and its first day (engineering: the GDPR asks for the
/// opportunity to object and names no number).
pub const NOTICE_DAYS: i64 = 30;
/// Notices kept (engineering): at one a month, eight years of them.
const MAX_NOTICES: usize = 100;

/// Somebody who processes on behalf of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubProcessor {
    /// Who.
    pub name: String,
    /// Where.
    #[serde(default)]
    pub address: String,
    /// What for.
    #[serde(default)]
    pub purpose: String,
    /// The third country and the safeguard, if data leave the EEA (Art. 44 ff.).
    #[serde(default)]
    pub transfer: Option<String>,
    /// Its first day; none where it was there before anybody could be told.
    #[serde(default)]
    pub from: Option<Date>,
}

impl SubProcessor {
    /// Whether it processes on `day`.
    pub fn is_in_use(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day)
    }
}

/// What became of a sub-processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubProcessorChange {
    /// It is to come.
    Added,
    /// What is said of it is another.
    Changed,
    /// It is there no more.
    Removed,
}

/// A change, as controllers are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubProcessorNotice {
    /// When it was announced.
    pub at: Timestamp,
    /// What changes.
    pub change: SubProcessorChange,
    /// Who it is about.
    pub name: String,
    /// From when on.
    pub from: Date,
}

/// Why a list of sub-processors cannot be taken, for one of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubProcessorProblem {
    /// Two of one name.
    Repeated,
    /// Its first day leaves controllers less than [`NOTICE_DAYS`].
    TooSoon,
    /// It is to move data to a third country that it did not: that is a new one, with a name of
    /// its own and the time to object.
    NewTransfer,
}

/// What a new list of sub-processors comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// The list, each new entry with its first day.
    pub list: Vec<SubProcessor>,
    /// What there is to tell of it.
    pub notices: Vec<SubProcessorNotice>,
}

/// Announces what `stated` changes in `known`; `None` where the operator states who it is for the
/// first time, and there is nobody yet to be told.
///
/// # Errors
/// The index of each entry that cannot be taken, and why.
pub fn announce(
    known: Option<&[SubProcessor]>,
    mut stated: Vec<SubProcessor>,
    today: Date,
    now: Timestamp,
) -> Result<Announced, Vec<(usize, SubProcessorProblem)>> {
    let mut problems: Vec<_> = (0..stated.len())
        .filter(|index| {
            let earlier = stated.iter().take(*index);
            earlier
                .map(|one| &one.name)
                .any(|name| *name == stated[*index].name)
        })
        .map(|index| (index, SubProcessorProblem::Repeated))
        .collect();
    let mut notices = Vec::new();
    if let Some(known) = known {
        let earliest = today.saturating_add(NOTICE_DAYS.days());
        let mut tell = |change, name: &str, from| {
            notices.push(SubProcessorNotice {
                at: now,
                change,
                name: name.to_owned(),
                from,
            });
        };
        for (index, one) in stated.iter_mut().enumerate() {
            let Some(was) = known.iter().find(|was| was.name == one.name) else {
                let from = *one.from.get_or_insert(earliest);
                if from < earliest {
                    problems.push((index, SubProcessorProblem::TooSoon));
                }
                tell(SubProcessorChange::Added, &one.name, from);
                continue;
            };
            one.from = one.from.or(was.from);
            if one.from < was.from {
                problems.push((index, SubProcessorProblem::TooSoon));
            }
            if one.transfer.is_some() && one.transfer != was.transfer {
                problems.push((index, SubProcessorProblem::NewTransfer));
            }
            if *one != *was {
                tell(SubProcessorChange::Changed, &one.name, today);
            }
        }
        for was in known {
            if !stated.iter().any(|one| one.name == was.name) {
                tell(SubProcessorChange::Removed, &was.name, today);
            }
        }
    }
    if problems.is_empty() {
        Ok(Announced {
            list: stated,
            notices,
        })
    } else {
        Err(problems)
    }
}

/// The notices kept, newest first.
pub fn keep(
    new: Vec<SubProcessorNotice>,
    before: &[SubProcessorNotice],
) -> Vec<SubProcessorNotice> {
    let mut all = new;
    all.extend_from_slice(before);
    all.truncate(MAX_NOTICES);
    all
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn one(name: &str, from: Option<Date>, transfer: Option<&str>) -> SubProcessor {
        SubProcessor {
            name: name.to_owned(),
            address: String::new(),
            purpose: "Bereitschaft".to_owned(),
            transfer: transfer.map(str::to_owned),
            from,
        }
    }

    type Told = (SubProcessorChange, String, Date);

    /// What is told of going from one list to the other on 15 January 2027.
    fn told(
        known: Option<&[SubProcessor]>,
        stated: &[SubProcessor],
    ) -> Result<Vec<Told>, Vec<(usize, SubProcessorProblem)>> {
        let now = Timestamp::UNIX_EPOCH;
        let announced = announce(known, stated.to_vec(), date(2027, 1, 15), now)?;
        let notices = announced.notices.into_iter();
        Ok(notices
            .map(|one| (one.change, one.name, one.from))
            .collect())
    }

    #[test]
    fn nobody_new_processes_data_before_controllers_had_time_to_object() {
        let day = date(2027, 2, 14);
        let old = one("Alt", None, None);
        let known = [old.clone()];
        let added = |from| (SubProcessorChange::Added, "Neu".to_owned(), from);
        for (from, expected) in [
            (None, Ok(vec![added(day)])),
            (Some(day), Ok(vec![added(day)])),
            (Some(date(2027, 6, 1)), Ok(vec![added(date(2027, 6, 1))])),
            (
                Some(date(2027, 2, 13)),
                Err(vec![(1, SubProcessorProblem::TooSoon)]),
            ),
        ] {
            let stated = [old.clone(), one("Neu", from, None)];
            assert_eq!(told(Some(&known), &stated), expected, "{from:?}");
        }
        // Before anybody could be told there is nobody to wait for.
        assert_eq!(told(None, &[one("Neu", None, None)]), Ok(vec![]));
        let repeated = [old.clone(), old];
        assert_eq!(
            told(None, &repeated),
            Err(vec![(1, SubProcessorProblem::Repeated)])
        );
    }

    #[test]
    fn who_is_known_comes_no_sooner_and_moves_data_nowhere_else_unannounced() {
        let known = [one("Neu", Some(date(2027, 3, 1)), Some("USA: SCC"))];
        let changed = Ok(vec![(
            SubProcessorChange::Changed,
            "Neu".to_owned(),
            date(2027, 1, 15),
        )]);
        let problem = |problem| Err(vec![(0, problem)]);
        for (stated, expected) in [
            (one("Neu", None, Some("USA: SCC")), Ok(vec![])),
            (one("Neu", None, None), changed.clone()),
            (
                one("Neu", Some(date(2027, 4, 1)), Some("USA: SCC")),
                changed,
            ),
            (
                one("Neu", Some(date(2027, 2, 20)), Some("USA: SCC")),
                problem(SubProcessorProblem::TooSoon),
            ),
            (
                one("Neu", None, Some("Indien: SCC")),
                problem(SubProcessorProblem::NewTransfer),
            ),
        ] {
            assert_eq!(
                told(Some(&known), std::slice::from_ref(&stated)),
                expected,
                "{stated:?}"
            );
        }
        let removed = (
            SubProcessorChange::Removed,
            "Neu".to_owned(),
            date(2027, 1, 15),
        );
        assert_eq!(told(Some(&known), &[]), Ok(vec![removed]));
    }
}
