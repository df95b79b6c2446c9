//! A whole platform and everybody around it: visitors, mailboxes, a controller, an operator.
//!
//! Its methods are what these people do. Queues are drained by hand, nothing sleeps. Each world
//! ends with [`World::finish`], which finds what was left over and what was leaked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use functions::aws::Clients;
use functions::settings::Settings;
use local::faults::{Fault, Service};
use local::platform::Options;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::api::Api;
use crate::client;
use crate::links::Press;
use crate::log;
use crate::mail::Mail;
use crate::people::{self, Person};
use crate::process::Process;
use crate::running::Running;
use crate::sign_up::SignUp;
use crate::stored::Stored;

static NUMBER: AtomicU32 = AtomicU32::new(0);

type Change = Box<dyn Fn(&mut Options) + Send + Sync>;

enum Where {
    /// In this process.
    Here(Running),
    /// In a process of its own, from this binary.
    Apart(Process, String),
    Nowhere,
}

/// A platform and its surroundings.
pub struct World {
    number: u32,
    folder: PathBuf,
    change: Change,
    place: Where,
    endpoints: Value,
    private: Mutex<Vec<(String, String)>>,
    finished: bool,
}

impl World {
    /// A platform in this process, as a person gets it: every message comes twice.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A platform in this process with other options.
    pub async fn start_with(change: impl Fn(&mut Options) + Send + Sync + 'static) -> Self {
        let mut world = Self::empty(Box::new(change));
        let running = Running::start(&world.data(), &world.change).await;
        world.endpoints = serde_json::to_value(running.endpoints()).expect("endpoints");
        world.place = Where::Here(running);
        world.keep_keys();
        world
    }

    /// A platform in a process of its own; `binary` is `env!("CARGO_BIN_EXE_platform")`.
    pub async fn start_apart(binary: &str) -> Self {
        let mut world = Self::empty(Box::new(|_| {}));
        world.start_process(binary).await;
        world.keep_keys();
        world
    }

    fn empty(change: Change) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("rundbrief-world-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self {
            number,
            folder,
            change,
            place: Where::Nowhere,
            endpoints: Value::Null,
            private: Mutex::new(people::traces(number)),
            finished: false,
        }
    }

    async fn start_process(&mut self, binary: &str) {
        let process = Process::start(binary, &self.data(), &self.log_file());
        self.endpoints = json!({"api": process.api});
        self.endpoints = self
            .local("GET", "endpoints", None)
            .await
            .expect(200)
            .json();
        self.place = Where::Apart(process, binary.to_owned());
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// One of the values of `/_local/endpoints`.
    pub fn endpoint(&self, name: &str) -> &str {
        self.endpoints[name].as_str().unwrap_or_default()
    }

    fn keep_keys(&self) {
        for name in ["platform_key", "demo_key"] {
            self.keep_private("a key", self.endpoint(name));
        }
    }

    /// Names something that must not be in any log.
    pub fn keep_private(&self, what: &str, text: &str) {
        let mut private = self.private.lock().expect("no panic while it is held");
        let entry = (what.to_owned(), text.to_owned());
        // An IP address of the platform itself is nobody's.
        if text.len() >= 6 && text != "127.0.0.1" && !private.contains(&entry) {
            private.push(entry);
        }
    }

    // --- people ---

    /// Somebody with an address and names that occur nowhere else.
    pub fn person(&self, name: &str) -> Person {
        Person::of(self.number, name)
    }

    /// An address of a client that no other world uses; numbers from 1 to 250.
    pub fn client(&self, number: u8) -> IpAddr {
        people::client(self.number, number)
    }

    // --- visitors ---

    /// A visitor fills in the form of a setup of the demo account.
    pub fn sign_up(&self, setup: &str) -> SignUp<'_> {
        self.sign_up_at("demo", setup)
    }

    /// A visitor fills in any form.
    pub fn sign_up_at(&self, account: &str, setup: &str) -> SignUp<'_> {
        SignUp::new(self, format!("/signup/{account}/{setup}"))
    }

    /// A visitor or a program calls up a page.
    pub fn get(&self, path: &str) -> Press<'_> {
        Press::new(self, "GET", path.to_owned())
    }

    /// A visitor presses a button, or a program posts something.
    pub fn post(&self, path: &str) -> Press<'_> {
        Press::new(self, "POST", path.to_owned())
    }

    /// Any other method.
    pub fn request(&self, method: &'static str, path: &str) -> Press<'_> {
        Press::new(self, method, path.to_owned())
    }

    /// Somebody presses the button behind the link of a confirmation mail.
    pub fn confirm(&self, mail: &Mail) -> Press<'_> {
        self.post(&mail.path("confirm"))
    }

    /// Somebody presses the button behind the unsubscribe link of a mail.
    pub fn unsubscribe(&self, mail: &Mail) -> Press<'_> {
        self.post(&mail.path("unsubscribe"))
    }

    /// A mailbox provider unsubscribes its user by RFC 8058.
    pub fn unsubscribe_one_click(&self, mail: &Mail) -> Press<'_> {
        self.unsubscribe(mail).body(
            "application/x-www-form-urlencoded",
            "List-Unsubscribe=One-Click",
        )
    }

    /// Signs a person up by double opt-in, to the end; answers with the confirmation mail.
    pub async fn subscribe(&self, person: &Person) -> Mail {
        let before = self.inbox(&person.email).await.len();
        self.sign_up("double")
            .email(&person.email)
            .field("first_name", &person.first_name)
            .field("last_name", &person.last_name)
            .from(self.fresh_client())
            .send()
            .await
            .expect_accepted();
        self.drain().await;
        let mut mails = self.inbox(&person.email).await;
        assert_eq!(mails.len(), before + 1, "one mail");
        let mail = mails.pop().expect("one mail");
        self.confirm(&mail).send().await.expect_page(200);
        mail
    }

    /// A client that has not been used by this method yet: limits per client stay out of the way.
    pub fn fresh_client(&self) -> IpAddr {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::SeqCst) % 120 + 100;
        self.client(u8::try_from(next).expect("below 220"))
    }

    /// Sends any request from any address of this machine.
    pub async fn send(
        &self,
        from: IpAddr,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Answer {
        match client::try_send(self.endpoint("api"), from, method, path, headers, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method}: no answer: {error}"),
        }
    }

    /// Sends these very bytes.
    pub async fn send_raw(&self, bytes: &[u8]) -> Answer {
        client::raw(self.endpoint("api"), self.client(3), bytes).await
    }

    // --- mailboxes ---

    /// All mails to an address, oldest first.
    pub async fn inbox(&self, address: &str) -> Vec<Mail> {
        let to: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
        let inbox = self
            .local("GET", &format!("inbox.json?to={to}"), None)
            .await;
        let mails: Vec<Mail> =
            serde_json::from_value(inbox.expect(200).json()["items"].take()).expect("mails");
        for mail in &mails {
            for token in mail
                .links()
                .iter()
                .filter_map(|link| link.rsplit('/').next())
            {
                if token.len() > 40 {
                    self.keep_private("a token", token);
                }
            }
        }
        mails
    }

    /// The only mail to an address.
    pub async fn only_mail(&self, address: &str) -> Mail {
        let mut mails = self.inbox(address).await;
        assert_eq!(mails.len(), 1, "one mail");
        mails.pop().expect("one mail")
    }

    /// How many mails SES took altogether.
    pub async fn mail_count(&self) -> u64 {
        let count = self.local("GET", "inbox/count", None).await.expect(200);
        count.json()["count"].as_u64().expect("a number")
    }

    // --- the controller ---

    /// The demo account's controller, at the management API.
    pub fn api(&self) -> Api<'_> {
        self.api_with_key(self.endpoint("demo_key"))
    }

    /// Whoever has this key.
    pub fn api_with_key(&self, key: &str) -> Api<'_> {
        self.keep_private("a key", key);
        Api::new(self, key)
    }

    /// Whoever runs the platform.
    pub fn platform_api(&self) -> Api<'_> {
        self.api_with_key(self.endpoint("platform_key"))
    }

    /// The evidence of the sign-ups with this address, newest last.
    pub async fn evidence(&self, email: &str) -> Vec<Value> {
        let mut sign_ups = self.api().all("/accounts/demo/signups").await;
        sign_ups.retain(|sign_up| sign_up["email"] == email);
        sign_ups.sort_by_key(|sign_up| sign_up["signed_up_at"].as_str().map(str::to_owned));
        sign_ups
    }

    /// The subscriber with this address, if there is one.
    pub async fn subscriber(&self, email: &str) -> Option<Value> {
        let email: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
        let path = format!("/accounts/demo/subscribers?email={email}");
        let found = self.api().get(&path).await.expect(200).json();
        let items = found["items"].as_array().expect("items");
        assert!(items.len() <= 1, "{items:?}");
        items.first().cloned()
    }

    // --- time and operation ---

    /// Calls something under `/_local/`.
    pub async fn local(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        let from = IpAddr::from([127, 0, 0, 1]);
        self.send(
            from,
            method,
            &format!("/_local/{path}"),
            &json,
            body.into_bytes(),
        )
        .await
    }

    /// Waits until no queue has a message left.
    #[track_caller]
    pub fn drain(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let drained = self.local("POST", "drain", None).await.expect(200).json();
            assert_eq!(drained, json!({"idle": true}), "{caller}");
        }
    }

    /// The platform's time.
    pub async fn now(&self) -> jiff::Timestamp {
        let now = self.local("GET", "clock", None).await.expect(200).json();
        now["now"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time")
    }

    /// Lets time pass: `P8D`, `PT10M`. What is due on the way is run.
    pub async fn advance(&self, step: &str) -> jiff::Timestamp {
        self.move_clock(json!({"advance": step})).await
    }

    /// Lets time pass as on a machine that was off: nothing is run on the way. In this process
    /// only.
    pub async fn skip(&self, step: jiff::SignedDuration) {
        self.hold_clock(self.now().await + step);
        self.release_clock();
    }

    /// Lets time pass until an instant.
    pub async fn set_clock(&self, instant: &str) -> jiff::Timestamp {
        self.move_clock(json!({"set": instant})).await
    }

    async fn move_clock(&self, to: Value) -> jiff::Timestamp {
        let now = self
            .local("POST", "clock", Some(to))
            .await
            .expect(200)
            .json();
        now["now"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time")
    }

    /// Stops the platform's clock at an instant until [`Self::release_clock`]; nothing is run on
    /// the way. In this process only.
    pub fn hold_clock(&self, at: jiff::Timestamp) {
        self.here().clock().hold(at).expect("a later instant");
    }

    /// Lets the clock run on.
    pub fn release_clock(&self) {
        self.here().clock().release().expect("the state file");
    }

    /// Runs a scheduled function now; answers with its report.
    pub async fn run(&self, function: &str) -> Value {
        let answer = self.local("POST", &format!("run/{function}"), None).await;
        answer.expect(200).json()
    }

    /// Makes the next calls to a service fail. In this process only.
    pub fn fail_next(&self, service: Service, fault: Fault, calls: usize) {
        self.here().faults().fail_next(service, fault, calls);
    }

    /// How many calls are still to fail.
    pub fn faults_left(&self) -> usize {
        self.here().faults().left()
    }

    fn here(&self) -> &Running {
        match &self.place {
            Where::Here(running) => running,
            _ => panic!("the platform runs in a process of its own"),
        }
    }

    /// Ends the platform where it stands, and starts it again on what it left behind.
    pub async fn kill_and_restart(&mut self) {
        match std::mem::replace(&mut self.place, Where::Nowhere) {
            Where::Here(running) => {
                running.kill().await;
                let running = Running::start(&self.data(), &self.change).await;
                self.endpoints = serde_json::to_value(running.endpoints()).expect("endpoints");
                self.place = Where::Here(running);
            }
            Where::Apart(mut process, binary) => {
                process.kill();
                self.start_process(&binary).await;
            }
            Where::Nowhere => panic!("it does not run"),
        }
    }

    // --- what is left ---

    /// SDK clients with the rights of everybody.
    pub fn clients(&self) -> Clients {
        Clients::new(self.settings(&[]))
    }

    /// Settings of a function that has these variables beside the endpoints.
    pub fn settings(&self, more: &[(&str, &str)]) -> Settings {
        let get = |name: &str| {
            let known = match name {
                "AWS_REGION" => "region",
                "AWS_ACCESS_KEY_ID" => "access_key_id",
                "AWS_SECRET_ACCESS_KEY" => "secret_access_key",
                "AWS_ENDPOINT_URL_DYNAMODB" => "dynamodb",
                "AWS_ENDPOINT_URL_S3" => "s3",
                "AWS_ENDPOINT_URL_SQS" => "sqs",
                "AWS_ENDPOINT_URL_SESV2" => "ses",
                "TABLE" => "table",
                "TOMBSTONE_TABLE" => "tombstone_table",
                "BUCKET" => "bucket",
                "PUBLIC_URL" => "api",
                _ => {
                    let found = more.iter().find(|(known, _)| *known == name);
                    return found.map(|(_, value)| (*value).to_owned());
                }
            };
            Some(self.endpoint(known).to_owned())
        };
        Settings::read(&get).expect("complete settings")
    }

    /// Every item of both tables.
    pub async fn scan_table(&self) -> Stored {
        let tables = [self.endpoint("table"), self.endpoint("tombstone_table")];
        Stored::scan(self.clients().dynamodb(), &tables).await
    }

    /// Alters a text member of each item of this kind, as somebody with access to the table might.
    pub async fn tamper(&self, kind: &str, member: &str, value: &str) {
        let clients = self.clients();
        let items = self.scan_table().await;
        for ((table, pk, sk), item) in &items.0 {
            if item["kind"] != kind {
                continue;
            }
            let done = clients
                .dynamodb()
                .update_item()
                .table_name(table)
                .key("pk", AttributeValue::S(pk.clone()))
                .key("sk", AttributeValue::S(sk.clone()))
                .update_expression("SET #member = :value")
                .expression_attribute_names("#member", member)
                .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
                .send()
                .await;
            assert!(done.is_ok(), "the item can be altered");
        }
    }

    /// Every item but what counts requests: what must be equal when nothing was done.
    pub async fn stored(&self) -> Stored {
        self.scan_table().await.without_counters()
    }

    /// URL and number of messages of every queue, dead-letter queues included.
    pub async fn queues(&self) -> Vec<(String, u64)> {
        let clients = self.clients();
        let sqs = clients.sqs();
        let Ok(list) = sqs.list_queues().send().await else {
            panic!("the queues cannot be listed");
        };
        let urls = list.queue_urls().to_vec();
        assert!(urls.len() > 2, "{urls:?}");
        let mut counts = Vec::new();
        for url in urls {
            let attributes = sqs
                .get_queue_attributes()
                .queue_url(&url)
                .attribute_names(QueueAttributeName::All)
                .send()
                .await;
            let Ok(attributes) = attributes else {
                panic!("the queue {url} cannot be read");
            };
            let attributes = attributes.attributes.unwrap_or_default();
            let count = [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ]
            .iter()
            .map(|name| attributes[name].parse::<u64>().expect("a number"))
            .sum();
            counts.push((url, count));
        }
        counts
    }

    /// Everything that was logged so far.
    pub fn logged(&self) -> String {
        match &self.place {
            Where::Apart(..) => read(&self.log_file()),
            _ => log::captured(),
        }
    }

    /// Where private things are in the log; empty when they are nowhere.
    pub fn leaks(&self) -> Vec<String> {
        let private = self.private.lock().expect("no panic while it is held");
        log::leaks(&self.logged(), &private)
    }

    /// Ends the world: no queue has anything left, dead-letter queues included, no fault was left
    /// unused, and nobody of it is in the log.
    pub async fn finish(mut self) {
        let mut full = Vec::new();
        // A clock that jumped makes the schedules fire within the second: a message may come in
        // between the waiting and the counting.
        for _ in 0..5 {
            self.drain().await;
            full = self.queues().await;
            full.retain(|(_, count)| *count > 0);
            if full.is_empty() {
                break;
            }
        }
        assert!(full.is_empty(), "messages left: {full:?}");
        if let Where::Here(running) = &self.place {
            assert_eq!(running.faults().left(), 0, "faults that did not happen");
        }
        let place = std::mem::replace(&mut self.place, Where::Nowhere);
        let log = match place {
            Where::Here(running) => {
                running.stop().await;
                log::captured()
            }
            Where::Apart(mut process, _) => {
                process.kill();
                read(&self.log_file())
            }
            Where::Nowhere => panic!("it does not run"),
        };
        self.finished = true;
        let private = self.private.lock().expect("no panic while it is held");
        let leaks = log::leaks(&log, &private);
        assert!(leaks.is_empty(), "in the log: {leaks:#?}");
    }
}

fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Drop for World {
    fn drop(&mut self) {
        self.place = Where::Nowhere;
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(
            self.finished || std::thread::panicking(),
            "a world must be ended by `finish`"
        );
    }
}
