//! The next ledger entry while it is being put together from what was read and rendered.
//!
//! Nobody is claimed by it before it is written as an entry.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::Limits;
use super::super::arc::{Arc, Span, ledger_kept_until};
use super::super::audience::Judgement;
use super::super::ledger::{Class, Entry, People, Retry};
use super::super::outcome::Outcomes;
use super::{Named, Skip};
use crate::id::{EventId, ListId, PersonKey};

/// So many skipped people make an entry of their own: an item has at most 400 KB.
const MOST_SKIPPED: usize = 2_000;

#[derive(Debug)]
pub(super) struct Draft {
    pub(super) read_at: Timestamp,
    from: PersonKey,
    until: Option<PersonKey>,
    row: Vec<Chosen>,
    /// `Some` for a retry entry: counted attempts so far.
    attempt: Option<u8>,
}

#[derive(Debug)]
struct Chosen {
    person: PersonKey,
    name: Option<Named>,
    judgement: Judgement,
}

impl Draft {
    pub(super) fn fresh(from: PersonKey, read_at: Timestamp) -> Self {
        Self {
            read_at,
            from,
            until: None,
            row: Vec::new(),
            attempt: None,
        }
    }

    pub(super) fn retry(
        retry: Retry,
        people: Vec<(PersonKey, Judgement)>,
        read_at: Timestamp,
    ) -> Self {
        let row = retry
            .people
            .into_iter()
            .zip(people)
            .filter(|((_, asked), (answered, _))| asked == answered)
            .map(|((name, person), (_, judgement))| Chosen {
                person,
                name: Some(name),
                judgement: match judgement {
                    Judgement::Outside => Judgement::Skipped(Skip::NotInList),
                    judgement => judgement,
                },
            })
            .collect();
        Self {
            read_at,
            from: PersonKey::at(0),
            until: None,
            row,
            attempt: Some(retry.attempt),
        }
    }

    /// Adds people that were read up to `until`, as far as `most` recipients allow.
    pub(super) fn take(
        &mut self,
        people: Vec<(PersonKey, Judgement)>,
        until: Option<PersonKey>,
        most: u16,
    ) {
        self.until = until;
        let mut recipients = 0;
        for (person, judgement) in people {
            match judgement {
                Judgement::Outside => continue,
                Judgement::Skipped(_) => {}
                Judgement::Recipient { .. } if recipients == most => {
                    self.until = Some(person);
                    return;
                }
                Judgement::Recipient { .. } => recipients += 1,
            }
            self.row.push(Chosen {
                person,
                name: None,
                judgement,
            });
        }
    }

    /// Whether nothing in it is worth an entry yet.
    pub(super) fn is_empty(&self) -> bool {
        self.mails().is_empty() && self.row.len() < MOST_SKIPPED
    }

    pub(super) fn mails(&self) -> Vec<(PersonKey, ListId)> {
        self.row
            .iter()
            .filter_map(|chosen| match &chosen.judgement {
                Judgement::Recipient { list, .. } => Some((chosen.person, list.clone())),
                _ => None,
            })
            .collect()
    }

    /// Cuts it to what fits into one call, skips whom there is no mail for; the size of the
    /// largest mail.
    pub(super) fn cut(&mut self, sizes: &[Option<usize>], limits: &Limits) -> usize {
        let (mut bytes, mut largest, mut sizes) = (0_usize, 0, sizes.iter());
        let mut kept = 0;
        for chosen in &mut self.row {
            if matches!(chosen.judgement, Judgement::Recipient { .. }) {
                match sizes.next() {
                    Some(Some(size)) if *size <= limits.call_bytes => {
                        if bytes + size > limits.call_bytes {
                            self.until = Some(chosen.person);
                            break;
                        }
                        bytes += size;
                        largest = largest.max(*size);
                    }
                    _ => chosen.judgement = Judgement::Skipped(Skip::TemplateFailed),
                }
            }
            kept += 1;
        }
        self.row.truncate(kept);
        largest
    }

    pub(super) fn entry(self, arc: &Arc, number: u32, nonce: EventId, now: Timestamp) -> Entry {
        let mut recipients = Vec::new();
        let mut classes: Vec<(Class, u16)> = Vec::new();
        let mut skipped: BTreeMap<Skip, People> = BTreeMap::new();
        let (mut retries, mut retries_skipped) = (Vec::new(), Vec::new());
        for chosen in self.row {
            match (chosen.judgement, chosen.name) {
                (Judgement::Outside, _) => {}
                (Judgement::Recipient { class, .. }, name) => {
                    recipients.push(chosen.person);
                    retries.extend(name);
                    match classes.last_mut() {
                        Some((last, count)) if *last == class => *count += 1,
                        _ => classes.push((class, 1)),
                    }
                }
                (Judgement::Skipped(why), Some(name)) => retries_skipped.push((name, why)),
                (Judgement::Skipped(why), None) => {
                    skipped.entry(why).or_default().0.push(chosen.person);
                }
            }
        }
        Entry {
            campaign: arc.campaign.clone(),
            round: arc.round,
            arc: arc.number,
            number,
            rev: 1,
            nonce,
            claimed_at: now,
            span: self.attempt.is_none().then_some(Span {
                from: self.from,
                until: self.until,
            }),
            outcomes: recipients.is_empty().then(Outcomes::default),
            recipients: People(recipients),
            classes,
            skipped,
            retries,
            retries_skipped,
            attempt: self.attempt.unwrap_or(0),
            delivered: BTreeSet::default(),
            bounced: BTreeSet::default(),
            complained: BTreeSet::default(),
            gone_at: ledger_kept_until(now),
        }
    }
}
