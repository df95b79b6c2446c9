//! Random histories over HTTP: the handlers and the engine come to what the simulation of the
//! domain comes to, step by step, and campaigns write to whom it says.
//!
//! What must be so of a history is tested in `shared/src/histories`; here it is played once more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rundbrief::histories::premises::{FORMS, LISTS};
use rundbrief::histories::{History, Kind, Play, Premises, Step, Way, What};
use rundbrief::sign_up::SignUpState;
use serde_json::{Value, json};
use tests::World;

/// Histories of each test; there are four tests, which run beside each other.
const HISTORIES: u64 = 50;
/// Steps of each: one a round.
const ROUNDS: usize = 10;
const DEMO: &str = "/accounts/demo";

/// How long it is from one round to the next, in minutes: what is pending, what has ended and
/// what has come again is met.
const WAITS: [i64; ROUNDS] = [
    11,
    60,
    1_441,
    11,
    8 * 1_440,
    11,
    3 * 1_440,
    6 * 1_440,
    35 * 1_440,
    1_450,
];

/// One history, and who its people are over HTTP.
struct Told<'a> {
    seed: u64,
    history: History,
    play: Play<'a>,
    /// The suppressions of its people.
    suppressions: BTreeMap<usize, String>,
}

impl Told<'_> {
    fn address(&self, who: usize, spelling: usize) -> String {
        let seed = self.seed;
        match spelling {
            0 => format!("h{seed}w{who}@histories.example"),
            _ => format!("H{seed}w{who}@HISTORIES.example"),
        }
    }
}

/// The account's lists and forms as they are called over HTTP.
struct Desk<'a> {
    world: &'a World,
    lists: Vec<String>,
    forms: Vec<String>,
    now: Timestamp,
}

impl<'a> Desk<'a> {
    async fn of(world: &'a World) -> Self {
        let api = world.api();
        let mut lists = vec![LISTS[0].to_owned()];
        for name in &LISTS[1..] {
            let list = json!({"name": name});
            let made = api.post(&format!("{DEMO}/lists"), &list).await;
            let made = made.expect(201).json();
            lists.push(made["id"].as_str().expect("an id").to_owned());
        }
        let mut forms = Vec::new();
        for (name, mode, of) in FORMS {
            let of: Vec<&String> = of.iter().map(|list| &lists[*list]).collect();
            let setup = json!({
                "name": name, "mode": mode, "lists": of,
                "fields": [{"key": "first_name", "required": false, "purpose": "Anrede"}],
                "form_url": format!("https://shop.example/{name}"),
                "justification": "Bestandskunden",
                "hourly_budget": 5_000,
            });
            let made = api.post(&format!("{DEMO}/setups"), &setup).await;
            let made = made.expect(201).json();
            forms.push(made["id"].as_str().expect("an id").to_owned());
        }
        let now = world.now().await;
        Self {
            world,
            lists,
            forms,
            now,
        }
    }

    async fn subscriber(&self, told: &Told<'_>, who: usize) -> Option<Value> {
        self.world.subscriber(&told.address(who, 0)).await
    }

    /// Plays a step here and in the simulation.
    async fn step(&self, told: &mut Told<'_>, step: Step) {
        let times = if step.way == Way::Again { 2 } else { 1 };
        let happens = self.act(told, step.what, 0).await;
        for time in 1..times {
            // Whom the first call took away the second does not find.
            self.act(told, step.what, time).await;
        }
        if !happens {
            return;
        }
        told.play.set_clock(self.now);
        let played = told.play.step(&step);
        if let (Ok(()), What::Erase { who }) = (&played, step.what) {
            // Over HTTP the clean-up follows at once.
            let clean = Step {
                what: What::CleanUp { who },
                way: Way::Once,
                machine: 0,
            };
            assert_eq!(told.play.step(&clean), Ok(()));
        }
        assert_eq!(played, Ok(()), "history {} {step:?}", told.seed);
    }

    /// Does it over HTTP; whether the simulation is to do it too.
    async fn act(&self, told: &mut Told<'_>, what: What, time: usize) -> bool {
        let api = self.world.api();
        match what {
            What::SignUp {
                who,
                form,
                spelling,
            } => {
                let form = self.world.sign_up(&self.forms[form]);
                form.email(&told.address(who, spelling))
                    .field("first_name", &format!("Vorname{who}"))
                    .from(self.world.fresh_client())
                    .send()
                    .await
                    .expect_accepted();
            }
            What::Confirm { who, which } => {
                let links = told.play.links(who);
                if links == 0 {
                    return false;
                }
                let mails = self.world.inbox(&told.address(who, 0)).await;
                let confirms = |mail: &&tests::Mail| {
                    mail.links().iter().any(|link| link.contains("/confirm/"))
                };
                let mails: Vec<_> = mails.iter().filter(confirms).collect();
                assert!(mails.len() <= links, "history {}: more mails", told.seed);
                // Three a day at most: the link may still be on its way.
                let Some(mail) = mails.get(links - 1 - which % links) else {
                    return false;
                };
                let answer = self.world.confirm(mail).send().await;
                assert!([200, 404].contains(&answer.status), "{}", answer.status);
            }
            What::Leave { who, list } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                let body = match list {
                    Some(list) => json!({"list": self.lists[list]}),
                    None => json!({}),
                };
                api.post(&format!("{path}/unsubscribe"), &body)
                    .await
                    .expect(200);
            }
            What::Change { who } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                let answer = api.patch(&path, &json!({"last_name": "Anders"})).await;
                assert!([200, 409].contains(&answer.status), "{}", answer.status);
            }
            What::Restrict { who } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                api.post(&format!("{path}/restrict"), &json!({}))
                    .await
                    .expect(200);
            }
            What::Lift { who } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                api.post(&format!("{path}/lift-restriction"), &json!({}))
                    .await
                    .expect(200);
            }
            What::Object { who } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                api.post(&format!("{path}/object"), &json!({}))
                    .await
                    .expect(200);
            }
            What::End { who, days } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                let zone = rundbrief::time::zone("Europe/Vienna").expect("a zone");
                let on = self.now + SignedDuration::from_hours(24 * days);
                let on = rundbrief::time::day_in(on, &zone);
                let path = format!("{path}/end-relationship");
                let answer = api.post(&path, &json!({"on": on})).await;
                assert!([200, 409].contains(&answer.status), "{}", answer.status);
            }
            What::Erase { who } => {
                let Some(path) = self.path(told, who).await else {
                    return false;
                };
                api.delete(&path).await.expect(202);
            }
            What::Suppress { who, on: true } if !told.suppressions.contains_key(&who) => {
                let body = json!({"kind": "address", "value": told.address(who, 1)});
                let made = api.post(&format!("{DEMO}/suppressions"), &body).await;
                let id = made.expect(201).json()["id"].clone();
                let id = id.as_str().expect("an id").to_owned();
                told.suppressions.insert(who, id);
            }
            What::Suppress { who, on: false } => {
                if let Some(id) = told.suppressions.remove(&who) {
                    let path = format!("{DEMO}/suppressions/{id}");
                    api.delete(&path).await.expect(204);
                }
            }
            // A message that comes again is the queue's matter: each comes twice here.
            What::Import { .. } if time > 0 => {}
            What::Import { who, list, proven } => {
                let query = format!("list={}&source=Messe&legal_basis=consent", self.lists[list]);
                let day = rundbrief::time::day_in(self.now, &jiff::tz::TimeZone::UTC);
                let proof = if proven {
                    format!("&consented_on={day}&proof=Formular")
                } else {
                    String::new()
                };
                let file = format!("email\n{}\n", told.address(who, 0));
                let path = format!("{DEMO}/imports?{query}{proof}");
                api.call_with("POST", &path, Some("text/csv"), file.into_bytes())
                    .await
                    .expect(202);
            }
            _ => {}
        }
        true
    }

    async fn path(&self, told: &Told<'_>, who: usize) -> Option<String> {
        let found = self.subscriber(told, who).await?;
        let id = found["id"].as_str().expect("an id").to_owned();
        Some(format!("{DEMO}/subscribers/{id}"))
    }

    /// Compares a person here with the same in the simulation.
    async fn compare(&self, told: &mut Told<'_>, premises: &Premises, who: usize, after: &str) {
        told.play.set_clock(self.now);
        let person = told.play.person(who);
        let found = self.subscriber(told, who).await;
        let whose = format!("history {} person {who} {after}", told.seed);
        let lists = |found: &Value| -> Vec<usize> {
            let of = found.as_array().expect("lists").iter();
            let numbers = of.filter_map(|list| {
                let list = list.as_str()?;
                self.lists.iter().position(|known| known == list)
            });
            let mut numbers: Vec<usize> = numbers.collect();
            numbers.sort_unstable();
            numbers
        };
        match (&person.profile, &found) {
            (None, None) => {}
            (Some(profile), Some(found)) => {
                let standing = json!(profile.standing(person.withdrawal.as_ref()));
                assert_eq!(found["state"], standing, "{whose}");
                let active = premises.numbers(&person.active_lists());
                assert_eq!(lists(&found["lists"]), active, "{whose}");
                let sendable = premises.numbers(&person.sendable_lists());
                assert_eq!(lists(&found["sendable_lists"]), sendable, "{whose}");
                assert_eq!(
                    found["email"].as_str().map(str::to_lowercase),
                    Some(told.address(who, 0)),
                    "{whose}"
                );
            }
            (simulated, _) => panic!(
                "{whose}: there {}, in the simulation {}",
                found.is_some(),
                simulated.is_some()
            ),
        }
        let path = format!("{DEMO}/signups?email={}", told.address(who, 0));
        let mut sign_ups = self.world.api().all(&path).await;
        sign_ups.sort_by_key(|one| one["id"].as_str().map(str::to_owned));
        let here: Vec<(usize, Value)> = sign_ups
            .iter()
            .map(|one| {
                let form = self.forms.iter().position(|form| one["setup"] == **form);
                (form.expect("one of the forms"), one["state"].clone())
            })
            .collect();
        let simulated: Vec<(usize, SignUpState)> = told.play.sign_ups(who);
        let simulated: Vec<(usize, Value)> = simulated
            .iter()
            .map(|(form, state)| (*form, json!(state)))
            .collect();
        assert_eq!(here, simulated, "{whose}");
    }

    /// Sends a campaign to a list; who was mailed.
    async fn campaign(&self, list: usize) -> BTreeSet<String> {
        let api = self.world.api();
        let template = json!({
            "name": "Mai", "subject": format!("Neues {list}"),
            "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
        });
        let template = api.post(&format!("{DEMO}/templates"), &template).await;
        let campaign = json!({
            "name": "Mai", "template": template.expect(201).json()["id"],
            "lists": [self.lists[list]],
            "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
        });
        let campaign = api.post(&format!("{DEMO}/campaigns"), &campaign).await;
        let id = campaign.expect(201).json()["id"].clone();
        let path = format!("{DEMO}/campaigns/{}", id.as_str().expect("an id"));
        api.post(&format!("{path}/send"), &json!({}))
            .await
            .expect(202);
        for _ in 0..20 {
            self.world.run("campaign").await;
            self.world.drain().await;
            let report = api.get(&format!("{path}/report")).await.expect(200).json();
            if report["state"] == "finished" {
                assert_eq!(report["unknown"], 0, "{report}");
                let inbox = self.world.local("GET", "inbox.json", None).await;
                let inbox = inbox.expect(200).json();
                let mails = inbox["items"].as_array().expect("mails");
                let subject = format!("Neues {list}");
                return mails
                    .iter()
                    .filter(|mail| mail["subject"] == *subject)
                    .map(|mail| mail["to"].as_str().expect("an address").to_lowercase())
                    .collect();
            }
            self.world.advance("PT1M").await;
        }
        panic!("the campaign did not finish");
    }
}

fn who_of(what: What) -> Option<usize> {
    match what {
        What::SignUp { who, .. }
        | What::Confirm { who, .. }
        | What::Leave { who, .. }
        | What::Change { who }
        | What::Restrict { who }
        | What::Lift { who }
        | What::Object { who }
        | What::Suppress { who, .. }
        | What::Erase { who }
        | What::Import { who, .. }
        | What::End { who, .. } => Some(who),
        _ => None,
    }
}

#[tokio::test]
async fn fifty_histories_come_to_the_same_through_handlers_and_engine() {
    come_to_the_same(0).await;
}

#[tokio::test]
async fn another_fifty_histories_come_to_the_same_through_handlers_and_engine() {
    come_to_the_same(1).await;
}

#[tokio::test]
async fn a_third_fifty_histories_come_to_the_same_through_handlers_and_engine() {
    come_to_the_same(2).await;
}

#[tokio::test]
async fn the_last_fifty_histories_come_to_the_same_through_handlers_and_engine() {
    come_to_the_same(3).await;
}

/// Plays the histories of one of the four tests.
async fn come_to_the_same(part: u64) {
    let world = World::start().await;
    let premises = Premises::new();
    let mut desk = Desk::of(&world).await;
    let mut all: Vec<Told> = (part * HISTORIES..(part + 1) * HISTORIES)
        .map(|seed| {
            let mut history = History::of_kind(Kind::OverHttp, seed);
            history.steps.truncate(ROUNDS);
            Told {
                seed,
                history,
                play: Play::new(&premises, seed, Kind::OverHttp, None),
                suppressions: BTreeMap::new(),
            }
        })
        .collect();
    let begins = desk.now + SignedDuration::from_secs(60);
    desk.now = begins;
    for (round, minutes) in WAITS.into_iter().enumerate() {
        world.hold_clock(desk.now);
        for told in &mut all {
            let step = told.history.steps[round];
            desk.step(told, step).await;
        }
        world.drain().await;
        if round % 3 == 2 {
            world.run("retention").await;
        }
        for told in &mut all {
            let step = told.history.steps[round];
            if let Some(who) = who_of(step.what) {
                desk.compare(told, &premises, who, &format!("{step:?}"))
                    .await;
            }
        }
        desk.now += SignedDuration::from_mins(minutes);
    }
    world.hold_clock(desk.now);
    let mut expected: Vec<BTreeSet<String>> = vec![BTreeSet::new(); LISTS.len()];
    for told in &mut all {
        for who in 0..Premises::PEOPLE {
            desk.compare(told, &premises, who, "at the end").await;
            let person = told.play.person(who);
            if person.is_restricted() || person.is_suppressed() {
                continue;
            }
            for list in premises.numbers(&person.sendable_lists()) {
                expected[list].insert(told.address(who, 0));
            }
        }
    }
    world.release_clock();
    for (list, expected) in expected.iter().enumerate() {
        assert!(expected.len() > 2, "{}: nobody to speak of", LISTS[list]);
        let mut mailed = desk.campaign(list).await;
        mailed.retain(|address| address.ends_with("@histories.example"));
        assert_eq!(&mailed, expected, "{}", LISTS[list]);
    }
    world.finish().await;
}
