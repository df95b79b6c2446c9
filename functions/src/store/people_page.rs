//! Reading people page by page, each profile with its withdrawal item.
//!
//! For the management API; who is mailed is read by the send path.

use jiff::Timestamp;
use rundbrief::id::{Partition, PersonKey};
use rundbrief::key::{AccountScope, Table};
use rundbrief::person::{Profile, Withdrawal};
use rundbrief::record::Stored;

use super::{Page, Range, Store, item};
use crate::app::Trouble;

impl Store {
    /// One page of the people of one partition, consistently, behind `after`.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn people_page(
        &self,
        scope: &AccountScope,
        partition: Partition,
        after: Option<String>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(Profile, Option<Withdrawal>)>, Trouble> {
        let range = Range {
            table: Table::Main,
            pk: scope.profiles(partition),
            prefix: String::new(),
            after,
            // At most two items each.
            limit: i32::try_from(limit.saturating_mul(2)).unwrap_or(i32::MAX),
        };
        let page = self.item_page(&range, now).await?;
        let mut people: Vec<(Profile, Option<Withdrawal>)> = Vec::new();
        for found in page.items {
            match item::kind(&found) {
                Some(<Profile as Stored>::KIND) => people.push((item::record(found)?, None)),
                Some(<Withdrawal as Stored>::KIND) => {
                    let withdrawal: Withdrawal = item::record(found)?;
                    // A withdrawal outlives its profile.
                    if let Some((profile, slot)) = people.last_mut()
                        && profile.person == withdrawal.person
                    {
                        *slot = Some(withdrawal);
                    }
                }
                _ => return Err(Trouble::Damaged),
            }
        }
        let cut = people.len() > limit;
        people.truncate(limit);
        let next = match people.last() {
            Some((profile, _)) if cut => Some(profile.person.to_string()),
            _ => page.next,
        };
        // The page may have ended between a profile and its withdrawal.
        if let (Some(next), Some((profile, slot @ None))) = (&next, people.last_mut())
            && *next == profile.person.to_string()
        {
            *slot = self.withdrawal(scope, profile.person, now).await?;
        }
        Ok(Page {
            items: people,
            next,
        })
    }

    async fn withdrawal(
        &self,
        scope: &AccountScope,
        person: PersonKey,
        now: Timestamp,
    ) -> Result<Option<Withdrawal>, Trouble> {
        self.get(&scope.withdrawal(person), now).await
    }
}
