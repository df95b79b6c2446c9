//! The budget table: what handlers cost, measured, beside what they may cost.
//!
//! `cargo run --release --workspace --bin budgets` after `cargo build --release --workspace`. A
//! measured handler runs on a thread of its own, whose CPU time is counted to the nanosecond;
//! engines and emulators run on others and do not count. Prints a table and judges nothing.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program for people: it reads a flag, prints a table, and stops where something is not as expected"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tests::World;
use tests::measured::{Used, functions};

const SIGN_UPS: u32 = 1_000;

#[expect(clippy::cast_precision_loss, reason = "numbers for a table")]
fn per(total: f64, count: u64) -> f64 {
    total / count as f64
}

/// CPU and calls of one sign-up, confirmed or not, from ever new people and clients.
async fn sign_ups(world: &World, used: &Used) -> (f64, f64) {
    let form = |number: u32| {
        world
            .sign_up("double")
            .email(&format!("p{number}@budgets.example"))
            .field("first_name", "Vorname")
            .from(format!("127.20.{}.{}", number / 200, number % 200 + 1).as_str())
            .accept_json()
            .send()
    };
    for number in 0..50 {
        form(number).await.expect_accepted();
    }
    let before = used.now();
    for number in 50..50 + SIGN_UPS {
        form(number).await.expect_accepted();
    }
    let after = used.now();
    world.drain().await;
    let count = u64::from(SIGN_UPS);
    #[expect(clippy::cast_precision_loss, reason = "numbers for a table")]
    let calls = (after.1 - before.1) as f64;
    (per((after.0 - before.0) * 1e3, count), per(calls, count))
}

/// CPU of `send` for `people` mails with this newsletter, and its calls.
async fn campaign(world: &World, used: &Used, newsletter: &str, people: u64) -> (f64, f64) {
    let mut file = "email,first_name,last_name,city\n".to_owned();
    for number in 0..people {
        let _ = writeln!(
            file,
            "c{number}@budgets.example,Vorname{number},Nachname{number},Wien"
        );
    }
    let path = "/accounts/demo/imports?list=news&source=Budgets&legal_basis=consent\
                &consented_on=2026-01-01&proof=Budgets";
    let api = world.api();
    api.call_with("POST", path, Some("text/csv"), file.into_bytes())
        .await
        .expect(202);
    world.drain().await;
    let html = newsletter.replace(
        "</body>",
        "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p></body>",
    );
    let template = json!({"name": "Budgets", "subject": "Neues für {{ subscriber.first_name }}", "html": html});
    let template = api
        .post("/accounts/demo/templates", &template)
        .await
        .expect(201)
        .json();
    let campaign = json!({
        "name": "Budgets", "template": template["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api
        .post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201)
        .json();
    let path = format!(
        "/accounts/demo/campaigns/{}",
        campaign["id"].as_str().expect("an id")
    );
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    let before = used.now();
    let report = loop {
        world.run("campaign").await;
        world.drain().await;
        let report = api.get(&format!("{path}/report")).await.expect(200).json();
        if report["state"] == "finished" {
            break report;
        }
        world.advance("PT1M").await;
    };
    let after = used.now();
    let sent = report["sent"].as_u64().expect("a number");
    assert!(sent >= people, "{report}");
    #[expect(clippy::cast_precision_loss, reason = "numbers for a table")]
    let calls = (after.1 - before.1) as f64;
    (
        per((after.0 - before.0) * 10_000.0, sent),
        per(calls * 50.0, sent),
    )
}

/// CPU in ms and peak memory in MB of a handler's binary until it asks for its first event.
fn start(binary: &Path) -> Option<(f64, f64)> {
    let runtime_api = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut child = Command::new(binary)
        .env_clear()
        .envs([
            (
                "AWS_LAMBDA_RUNTIME_API",
                runtime_api
                    .local_addr()
                    .expect("a port")
                    .to_string()
                    .as_str(),
            ),
            ("AWS_LAMBDA_FUNCTION_NAME", "budgets"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "budgets"),
            ("AWS_SECRET_ACCESS_KEY", "budgets"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut connection, _) = runtime_api.accept().expect("it asks for an event");
    let mut request = [0; 512];
    let length = connection.read(&mut request).expect("a request");
    assert!(
        request[..length].starts_with(b"GET "),
        "it asks for an event"
    );
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
    };
    let cpu: f64 = read("schedstat").split_whitespace().next()?.parse().ok()?;
    let status = read("status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    let _ = connection.write_all(b"");
    let _ = child.kill();
    let _ = child.wait();
    Some((cpu / 1e6, peak / 1024.0))
}

fn main() {
    let newsletter = std::env::args()
        .nth(1)
        .expect("the path of bench/newsletter.jinja");
    let people = std::env::args()
        .nth(2)
        .map_or(10_000, |number| number.parse().expect("a number of people"));
    let newsletter = std::fs::read_to_string(newsletter).expect("the newsletter can be read");
    let binaries = std::env::current_exe().expect("a path");
    let signup = start(&binaries.with_file_name("signup"));
    let used: BTreeMap<&'static str, Used> =
        [("signup", Used::default()), ("send", Used::default())].into();
    let measured = used.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let rows = runtime.block_on(async move {
        let world = World::start_with(move |options| {
            options.functions = functions(measured.clone());
            options.null_ses = true;
            options.deliver_once = true;
        })
        .await;
        let (sign_up_ms, sign_up_calls) = sign_ups(&world, &used["signup"]).await;
        let (send_seconds, send_calls) = campaign(&world, &used["send"], &newsletter, people).await;
        world.finish().await;
        [
            (
                "CPU s of `send` per 10,000 mails, whole mails rendered here",
                "1.2",
                "0.7",
                format!("{send_seconds:.2}"),
            ),
            (
                "AWS API calls of `send` per 50 recipients",
                "6",
                "4",
                format!("{send_calls:.1}"),
            ),
            (
                "CPU ms of `signup` per request",
                "0.20",
                "0.08",
                format!("{sign_up_ms:.2}"),
            ),
            (
                "AWS API calls of `signup` per request",
                "-",
                "-",
                format!("{sign_up_calls:.1}"),
            ),
        ]
    });
    println!("{:<62} {:>6} {:>6} {:>9}", "", "must", "aim", "measured");
    for (row, must, aim, measured) in rows {
        println!("{row:<62} {must:>6} {aim:>6} {measured:>9}");
    }
    let start_row = "start of `signup` to its first /next, CPU ms";
    match signup {
        Some((cpu, peak)) => {
            println!("{start_row:<62} {:>6} {:>6} {cpu:>9.1}", "6", "3.5");
            println!(
                "{:<62} {:>6} {:>6} {peak:>9.1}",
                "the same, peak memory MB", "12", "9"
            );
        }
        None => println!("{start_row:<62} not measured: its binary is not beside this one"),
    }
    println!(
        "\nNot measured yet: memory of `send` over 100,000 recipients, write units, zips, cost."
    );
}
