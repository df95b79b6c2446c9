//! What the limits withstand: seeded attacks and ordinary days against the rules that the handlers
//! use, on a model of what they store. A seed replays exactly.
//!
//! Rules are called, not copied; what posts come is `traffic`'s part. No AWS, no clock.

mod traffic;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::json;

use self::traffic::{Post, Who};
use super::screening::{FormTime, Outcome, Screening, Signs, Step};
use super::{ADDRESS_LIMIT, CLIENT_LIMIT, GuardAnswer, HourlyBudget, SlidingLog};
use crate::consent::{FormOrigin, SignUpRequest, confirmable, repeats, sign_up};
use crate::crypto::{AccountKeyMaterial, GuardKey, PlatformSecrets};
use crate::entropy::{Entropy as _, SeededEntropy};
use crate::evidence::{Digest, Entry};
use crate::form::{SentValue, Submission};
use crate::id::{AccountId, EventId, PersonKey};
use crate::key::AccountScope;
use crate::outbox::{Attempt, Notice, Outbox};
use crate::person::Person;
use crate::record::{Record, Step as Write};
use crate::setup::{FormDefinition, List, Setup};
use crate::sign_up::{SignUp, SignUpState};
use crate::time::DueHour;

pub use self::traffic::{ALL, Profile};

/// What came of a profile's posts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Posts of the attack.
    pub requests: u64,
    /// Of them, answered as if all were well.
    pub accepted: u64,
    /// Of them, answered with 429.
    pub refused: u64,
    /// Mails to the attack's addresses.
    pub mails: u64,
    /// The most mails to one mailbox in any 24 hours.
    pub most_in_a_day: u64,
    /// The least seconds between two mails to one counted address.
    pub least_gap: Option<i64>,
    /// The most posts of one setup that were accepted in one hour, visitors' included.
    pub most_in_an_hour: u64,
    /// Posts of visitors meanwhile.
    pub visits: u64,
    /// Of them, answered with 429.
    pub visits_refused: u64,
    /// Visitors who were accepted and got no mail.
    pub visitors_unmailed: u64,
}

/// Runs a profile.
pub fn run(profile: &Profile, seed: u64) -> Report {
    let entropy = SeededEntropy::new(seed);
    let mut posts = profile.posts(&entropy);
    posts.sort_by_key(|post| post.at);
    let mut model = Model::new(profile, entropy);
    for post in &posts {
        model.mail_until(post.at);
        model.post(post);
    }
    model.mail_until(Timestamp::MAX);
    model.report()
}

struct Tenant {
    scope: AccountScope,
    forms: Vec<FormDefinition>,
}

struct Known {
    person: Person,
    sign_ups: Vec<SignUp>,
}

/// A promised mail.
struct Promise {
    who: Who,
    tenant: usize,
    person: PersonKey,
    outbox: Outbox,
}

/// All that the handlers would have stored.
struct Model {
    entropy: SeededEntropy,
    guard: GuardKey,
    tenants: Vec<Tenant>,
    clients: HashMap<String, SlidingLog>,
    addresses: HashMap<String, SlidingLog>,
    setups: HashMap<(usize, usize, i64, u8), u32>,
    hours: HashMap<(usize, usize, i64), u64>,
    people: HashMap<(usize, PersonKey), Known>,
    /// By when they are looked for, in the order of the promises.
    promises: BTreeMap<(Timestamp, u64), Promise>,
    promised: u64,
    /// When each mailbox was mailed, and each counted address.
    mailboxes: HashMap<Who, Vec<Timestamp>>,
    counted: HashMap<String, Vec<Timestamp>>,
    accepted_visitors: HashSet<Who>,
    report: Report,
}

#[expect(
    clippy::expect_used,
    reason = "a simulation whose own constants do not parse has nothing to say"
)]
impl Model {
    fn new(profile: &Profile, entropy: SeededEntropy) -> Self {
        let secrets = json!({"1": "simulation ".repeat(6)}).to_string();
        let secrets = PlatformSecrets::parse(&secrets).expect("a secret");
        let tenants = (0..profile.tenants).map(|number| {
            let account = AccountId::parse(&format!("account{number}")).expect("an id");
            let key = AccountKeyMaterial::generate(&secrets, &entropy).key(&secrets);
            Tenant {
                scope: AccountScope::new(account, key.expect("a key")),
                forms: profile.modes.iter().map(|mode| form(mode)).collect(),
            }
        });
        Self {
            tenants: tenants.collect(),
            guard: GuardKey::of(&secrets).expect("a key"),
            entropy,
            clients: HashMap::new(),
            addresses: HashMap::new(),
            setups: HashMap::new(),
            hours: HashMap::new(),
            people: HashMap::new(),
            promises: BTreeMap::new(),
            promised: 0,
            mailboxes: HashMap::new(),
            counted: HashMap::new(),
            accepted_visitors: HashSet::new(),
            report: Report::default(),
        }
    }

    fn post(&mut self, post: &Post) {
        let admitted = self.admit(post);
        let refused = u64::from(matches!(admitted, Outcome::TooMany { .. }));
        match post.who {
            Who::Victim(_) => {
                self.report.requests += 1;
                self.report.refused += refused;
                self.report.accepted += 1 - refused;
            }
            Who::Visitor(_) => {
                self.report.visits += 1;
                self.report.visits_refused += refused;
            }
        }
        if refused > 0 {
            return;
        }
        if let Who::Visitor(_) = post.who {
            self.accepted_visitors.insert(post.who);
        }
        let hour = DueHour::of(post.at).0;
        let hour = self
            .hours
            .entry((post.tenant, post.setup, hour))
            .or_default();
        *hour += 1;
        self.report.most_in_an_hour = self.report.most_in_an_hour.max(*hour);
        self.record(post, admitted == Outcome::Human);
        self.mail_until(post.at);
    }

    /// As `signup` carries the screening out.
    fn admit(&mut self, post: &Post) -> Outcome {
        let tenant = &self.tenants[post.tenant];
        let setup = &tenant.forms[post.setup].setup;
        let budget = HourlyBudget(setup.hourly_budget);
        let mut screening = Screening::new(Signs {
            account: tenant.scope.account().clone(),
            setup: setup.id.clone(),
            honeypot: post.honeypot,
            form_time: FormTime::Absent,
            now: post.at,
        });
        loop {
            let answer = match screening.step() {
                Step::CountClient => {
                    let client = self.guard.client(post.ip);
                    let log = self.clients.entry(client).or_default();
                    log.count(&CLIENT_LIMIT, post.at)
                }
                Step::CountSetup => self.count_setup(post, budget),
                Step::CountNonce(_) => GuardAnswer::Counted,
                Step::Done(outcome) => return outcome,
            };
            screening.counted(answer);
        }
    }

    fn count_setup(&mut self, post: &Post, budget: HourlyBudget) -> GuardAnswer {
        let mut first = [0];
        self.entropy.fill(&mut first);
        let hour = DueHour::of(post.at).0;
        for shard in HourlyBudget::shards(first[0]) {
            let count = self
                .setups
                .entry((post.tenant, post.setup, hour, shard))
                .or_default();
            if *count < budget.of_shard(shard) {
                *count += 1;
                return GuardAnswer::Counted;
            }
        }
        GuardAnswer::NotBefore(HourlyBudget::from(post.at))
    }

    /// As `signup` records what it accepted.
    fn record(&mut self, post: &Post, looks_human: bool) {
        let tenant = &self.tenants[post.tenant];
        let form = &tenant.forms[post.setup];
        let email = SentValue::Text(post.email.clone());
        let today = jiff::civil::date(2027, 1, 15);
        let submission = Submission::parse(&[("email".to_owned(), email)], form, today)
            .expect("traffic posts valid forms");
        let key = tenant.scope.person(&submission.address);
        let known = self
            .people
            .entry((post.tenant, key))
            .or_insert_with(|| Known {
                person: Person::unknown(key),
                sign_ups: Vec::new(),
            });
        if !looks_human || repeats(&form.setup, &submission, &known.sign_ups, post.at) {
            return;
        }
        let request = SignUpRequest {
            form,
            submission,
            origin: FormOrigin {
                ip: post.ip,
                claimed: None,
            },
            is_suppressed: false,
            event: EventId::generate(post.at, &self.entropy),
            outbox: EventId::generate(post.at, &self.entropy),
            entry: Entry::generate(post.at, &self.entropy),
            now: post.at,
        };
        for write in sign_up(&tenant.scope, &known.person, request).transaction.0 {
            match write {
                Write::Put(Record::Profile(profile), _) => known.person.profile = Some(*profile),
                Write::Put(Record::SignUp(sign_up), _) => known.sign_ups.push(*sign_up),
                Write::Put(Record::Outbox(outbox), _) => {
                    self.promised += 1;
                    let promise = Promise {
                        who: post.who,
                        tenant: post.tenant,
                        person: key,
                        outbox: *outbox,
                    };
                    self.promises.insert((post.at, self.promised), promise);
                }
                // Nobody leaves, and what is sealed does not matter here.
                _ => {}
            }
        }
    }

    /// As `notice` does until `end`: the first attempt comes with the post, the others when they
    /// are due.
    fn mail_until(&mut self, end: Timestamp) {
        while let Some(entry) = self.promises.first_entry() {
            let (at, number) = *entry.key();
            if at > end {
                return;
            }
            let mut promise = entry.remove();
            let Attempt::Lease(leased) = promise.outbox.attempt(at) else {
                continue;
            };
            let known = &self.people[&(promise.tenant, promise.person)];
            // Nobody here asks for a link to the mailbox, and no setup reminds anybody.
            let (Notice::Confirmation { sign_up } | Notice::Information { sign_up }) =
                &leased.notice
            else {
                continue;
            };
            let Some(sign_up) = known.sign_ups.iter().find(|known| known.event == *sign_up) else {
                continue;
            };
            let stands = if matches!(leased.notice, Notice::Information { .. }) {
                let on = known.person.active_lists();
                sign_up.lists.iter().any(|list| on.contains(&list.id))
            } else {
                sign_up.state == SignUpState::Pending
                    && confirmable(&known.person, Some(sign_up)).is_ok()
            };
            if !stands || leased.gone_at <= at {
                continue;
            }
            let address = self.guard.address(&sign_up.email);
            let log = self.addresses.entry(address.clone()).or_default();
            match log.count(&ADDRESS_LIMIT, at) {
                GuardAnswer::Counted => {
                    self.counted.entry(address).or_default().push(at);
                    self.mailboxes.entry(promise.who).or_default().push(at);
                }
                GuardAnswer::NotBefore(from) => {
                    promise.outbox = leased.held_back(from, at);
                    if promise.outbox.attempt(from) != Attempt::Done {
                        self.promises.insert((from, number), promise);
                    }
                }
            }
        }
    }

    fn report(mut self) -> Report {
        let mut mailed_visitors = 0;
        for (who, times) in &self.mailboxes {
            match who {
                Who::Victim(_) => self.report.mails += times.len() as u64,
                Who::Visitor(_) => mailed_visitors += 1,
            }
            self.report.most_in_a_day = self.report.most_in_a_day.max(most_in_a_day(times));
        }
        self.report.least_gap = self
            .counted
            .values()
            .flat_map(|times| times.windows(2))
            .map(|two| two[1].as_second() - two[0].as_second())
            .min();
        self.report.visitors_unmailed = self.accepted_visitors.len() as u64 - mailed_visitors;
        self.report
    }
}

/// The most of these instants, in their order, that any 24 hours hold.
fn most_in_a_day(times: &[Timestamp]) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while at.as_second() - times[first].as_second() >= 86_400 {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as u64
}

/// A form of this mode for a list of its own, with what a setup has where nothing is said.
#[expect(clippy::expect_used, reason = "constants of the simulation")]
fn form(mode: &str) -> FormDefinition {
    let setup: Setup = serde_json::from_value(json!({
        "id": mode, "rev": 1, "name": mode, "mode": mode, "lists": [mode],
        "justification": "simulation", "form_url": "https://shop.example/",
    }))
    .expect("a setup");
    let list: List =
        serde_json::from_value(json!({"id": mode, "rev": 1, "name": mode})).expect("a list");
    FormDefinition {
        setup,
        lists: vec![list],
        declared: Vec::new(),
        interests: Vec::new(),
        controller: "Simulation".to_owned(),
        notice_version: Digest::of(&[b"simulation"]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// Every profile once.
    static REPORTS: LazyLock<Vec<(&Profile, Report)>> = LazyLock::new(|| {
        ALL.iter()
            .map(|profile| (profile, run(profile, 1)))
            .collect()
    });

    fn report(name: &str) -> &'static Report {
        let found = REPORTS.iter().find(|(profile, _)| profile.name == name);
        let (_, report) = found.unwrap_or_else(|| panic!("{name}"));
        report
    }

    #[test]
    fn whatever_is_tried_an_address_is_mailed_three_times_a_day_and_ten_minutes_apart() {
        for (profile, report) in REPORTS.iter() {
            let told = format!("{}: {report:?}", profile.name);
            let spreads = profile.one_mailbox_has_many_addresses;
            assert!(report.most_in_a_day <= 3 || spreads, "{told}");
            assert!(report.least_gap.is_none_or(|gap| gap >= 600), "{told}");
            let budget = u64::from(Setup::DEFAULT_HOURLY_BUDGET);
            assert!(report.most_in_an_hour <= budget, "{told}");
            assert_eq!(report.accepted + report.refused, report.requests, "{told}");
            assert_eq!(report.visitors_unmailed, 0, "{told}");
        }
    }

    #[test]
    fn an_ordinary_day_loses_nobody_and_no_attack_below_the_budget_locks_visitors_out() {
        for (profile, report) in REPORTS.iter() {
            let spared = report.visits_refused == 0;
            let told = format!("{}: {report:?}", profile.name);
            assert_eq!(spared, !profile.locks_visitors_out, "{told}");
        }
        let day = report("a shop's ordinary day");
        assert_eq!((day.visits, day.requests), (2_060, 0), "{day:?}");
    }

    #[test]
    fn each_limit_holds_what_it_is_for() {
        // Five in ten minutes of a day, and what the edge of the first window adds.
        let client = 5 * 144 + 5;
        // What is tried for a day touches two spans of 24 hours: posts of the last minutes wait.
        for (name, accepted, mails) in [
            ("one bot, one address", client, 6),
            ("many clients, one address", 20_000, 6),
            ("dots and plus signs of one Gmail mailbox", 20_000, 6),
            ("one IPv6 network, an address per post", client, client),
            ("bots that fill in the honeypot", 20_000, 0),
            // The information about each of twenty subscriptions is due to the person (O-02).
            ("one victim at 20 accounts, every mode", 20_000, 26),
        ] {
            let report = report(name);
            assert!(report.requests >= 20_000, "{name}: {report:?}");
            assert!(report.accepted <= accepted, "{name}: {report:?}");
            assert!(report.mails <= mails, "{name}: {report:?}");
        }
        // The client's limit does not see it, the setup's budget does.
        let flood = report("botnet, an address each, within two hours");
        let budget = u64::from(Setup::DEFAULT_HOURLY_BUDGET);
        assert!(
            flood.mails <= 3 * budget && flood.refused > 10_000,
            "{flood:?}"
        );
    }

    #[test]
    fn a_seed_replays_exactly() {
        let profile = &ALL[2];
        assert_eq!(run(profile, 1), REPORTS[2].1);
    }
}
