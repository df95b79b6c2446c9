//! Reading many people at once, as consistently as one.
//!
//! For work on people that are known beforehand; ranges of people are read by `page`.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;
use rundbrief::id::PersonKey;
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::person::{Person, Profile, Tombstone, Withdrawal};
use rundbrief::record::Stored;
use rundbrief::restore::replay::Known;
use rundbrief::sign_up::SignUp;

use super::{Item, Store, item, trouble};
use crate::app::Trouble;

/// Keys of one `BatchGetItem`.
const KEYS_PER_READ: usize = 100;
/// Three of each person.
const PEOPLE_PER_READ: usize = KEYS_PER_READ / 3;
/// Unprocessed keys are asked for again so often, with growing pauses.
const ATTEMPTS: u32 = 8;

impl Store {
    /// Reads everything that decides about these people, consistently.
    ///
    /// # Errors
    /// When a table cannot be read or an item is damaged.
    pub async fn persons(
        &self,
        scope: &AccountScope,
        keys: &[PersonKey],
        now: Timestamp,
    ) -> Result<HashMap<PersonKey, Person>, Trouble> {
        let mut people: HashMap<PersonKey, Person> = keys
            .iter()
            .map(|key| (*key, Person::unknown(*key)))
            .collect();
        for keys in keys.chunks(PEOPLE_PER_READ) {
            for found in self.persons_items(scope, keys).await? {
                if item::is_present(&found, now) {
                    take(&mut people, found)?;
                }
            }
        }
        Ok(people)
    }

    /// Which of these items of the main table are there, and which are there although their time
    /// is over; the others are absent. No key twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn known(
        &self,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<HashMap<Key, Known>, Trouble> {
        let mut known: HashMap<Key, Known> = keys
            .iter()
            .map(|key| (key.clone(), Known::Absent))
            .collect();
        for keys in keys.chunks(KEYS_PER_READ) {
            let wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .projection_expression("pk, sk, kind, rev, confirmed_at, expires_ms")
                .set_keys(Some(keys.iter().map(item::key).collect()))
                .build()
                .map_err(|_| Trouble::Store)?;
            let request = HashMap::from([(self.name(Table::Main).to_owned(), wanted)]);
            for found in self.batch_get(request).await? {
                let text = |name: &str| found.get(name).and_then(|value| value.as_s().ok());
                let (Some(pk), Some(sk)) = (text("pk"), text("sk")) else {
                    return Err(Trouble::Damaged);
                };
                let key = Key {
                    table: Table::Main,
                    pk: pk.clone(),
                    sk: sk.clone(),
                };
                let is_present = item::is_present(&found, now);
                let is_confirmed = || {
                    let at = found.get("confirmed_at");
                    at.is_some_and(|at| !at.is_null())
                };
                let state = if item::kind(&found) == Some(SignUp::KIND) && !is_confirmed() {
                    let revision = found.get("rev").and_then(|rev| rev.as_n().ok());
                    let revision = revision.and_then(|rev| rev.parse().ok());
                    Known::Unconfirmed {
                        revision: revision.ok_or(Trouble::Damaged)?,
                        is_over: !is_present,
                    }
                } else if is_present {
                    Known::Present
                } else {
                    Known::Expired
                };
                known.insert(key, state);
            }
        }
        Ok(known)
    }

    /// The tombstones of these people, consistently.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub(crate) async fn tombstones(
        &self,
        scope: &AccountScope,
        people: &BTreeSet<PersonKey>,
    ) -> Result<HashMap<PersonKey, Tombstone>, Trouble> {
        let people: Vec<&PersonKey> = people.iter().collect();
        let mut found = HashMap::new();
        for some in people.chunks(KEYS_PER_READ) {
            let keys = some
                .iter()
                .map(|person| item::key(&scope.tombstone(**person)))
                .collect();
            let wanted = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(keys))
                .build()
                .map_err(|_| Trouble::Store)?;
            let table = self.name(Table::Tombstones).to_owned();
            for one in self.batch_get(HashMap::from([(table, wanted)])).await? {
                let tombstone: Tombstone = item::record(one)?;
                found.insert(tombstone.person, tombstone);
            }
        }
        Ok(found)
    }

    async fn persons_items(
        &self,
        scope: &AccountScope,
        keys: &[PersonKey],
    ) -> Result<Vec<Item>, Trouble> {
        let wanted = |keys: Vec<Key>| {
            KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(keys.iter().map(item::key).collect()))
                .build()
                .map_err(|_| Trouble::Store)
        };
        let main = keys
            .iter()
            .flat_map(|key| [scope.profile(*key), scope.withdrawal(*key)])
            .collect();
        let tombstones = keys.iter().map(|key| scope.tombstone(*key)).collect();
        self.batch_get(HashMap::from([
            (self.name(Table::Main).to_owned(), wanted(main)?),
            (self.name(Table::Tombstones).to_owned(), wanted(tombstones)?),
        ]))
        .await
    }

    async fn batch_get(
        &self,
        mut rest: HashMap<String, KeysAndAttributes>,
    ) -> Result<Vec<Item>, Trouble> {
        let mut items = Vec::new();
        for attempt in 0..ATTEMPTS {
            let answer = self
                .client()
                .batch_get_item()
                .set_request_items(Some(rest))
                .send()
                .await
                .map_err(|error| trouble(&error, "batch get"))?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            rest = answer.unprocessed_keys.unwrap_or_default();
            if rest.is_empty() {
                return Ok(items);
            }
            tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
        }
        tracing::error!(call = "batch get", "keys stayed unprocessed");
        Err(Trouble::Store)
    }
}

fn take(people: &mut HashMap<PersonKey, Person>, found: Item) -> Result<(), Trouble> {
    macro_rules! into {
        ($type:ty, $slot:ident) => {{
            let record: $type = item::record(found)?;
            let person = people.get_mut(&record.person).ok_or(Trouble::Damaged)?;
            person.$slot = Some(record);
        }};
    }
    match item::kind(&found) {
        Some(Profile::KIND) => into!(Profile, profile),
        Some(Withdrawal::KIND) => into!(Withdrawal, withdrawal),
        Some(Tombstone::KIND) => into!(Tombstone, tombstone),
        _ => return Err(Trouble::Damaged),
    }
    Ok(())
}
