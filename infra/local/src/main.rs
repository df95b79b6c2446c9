//! `cargo run -p local`: the whole platform on 127.0.0.1.
//!
//! Reads the command line, prints the banner, waits for a signal; the library does the rest.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use local::platform::{Options, Platform};
use tracing_subscriber::EnvFilter;

const HELP: &str = "\
Rundbrief on one machine.

Usage: local [--port 8080] [--shop-port 8081] [--data DIR] [--deliver-once] [--null-ses] [--send-rate N]

  --port N        port of the API and of /_local/ (8080)
  --shop-port N   port of the shop's page (8081)
  --data DIR      where everything is kept (.rundbrief)
  --deliver-once  deliver queue messages once; they come twice otherwise
  --null-ses      count mails instead of keeping them
  --send-rate N   mails per second that SES states as its limit (100000)
  --help          this text
";

enum Command {
    Help,
    Run(Options),
}

fn command() -> Result<Command, lexopt::Error> {
    let mut options = Options::new(PathBuf::from(".rundbrief"), local::handlers::functions());
    options.port = 8080;
    options.shop_port = 8081;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("port") => options.port = arguments.value()?.parse()?,
            Long("shop-port") => options.shop_port = arguments.value()?.parse()?,
            Long("data") => options.data = PathBuf::from(arguments.value()?),
            Long("deliver-once") => options.deliver_once = true,
            Long("null-ses") => options.null_ses = true,
            Long("send-rate") => {
                options.send_rate = arguments.value()?.parse()?;
                if !options.send_rate.is_finite() || options.send_rate < 1.0 {
                    return Err("--send-rate takes a number from 1".into());
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Run(options))
}

fn main() -> ExitCode {
    let options = match command() {
        Ok(Command::Help) => return say(HELP, ExitCode::SUCCESS),
        Ok(Command::Run(options)) => options,
        Err(error) => return complain(&format!("{error}\n\n{HELP}"), 2),
    };
    tracing_subscriber::fmt()
        .compact()
        .with_env_filter(EnvFilter::new(local::LOG_FILTER))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the runtime did not start: {error}"), 1),
    };
    runtime.block_on(run(options))
}

async fn run(options: Options) -> ExitCode {
    // Before the start: a signal during it is not lost.
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => return complain(&format!("signals cannot be received: {error}"), 1),
    };
    let platform = match Platform::start(options).await {
        Ok(platform) => platform,
        Err(error) => return complain(&error.to_string(), 1),
    };
    say(&banner(&platform), ExitCode::SUCCESS);
    stop.await;
    platform.stop().await;
    say("stopped\n", ExitCode::SUCCESS)
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Every address, and the demo key where a person reads along: a captured output is a log, and
/// logs hold no key.
fn banner(platform: &Platform) -> String {
    let endpoints = platform.endpoints();
    let key = if std::io::stdout().is_terminal() && !endpoints.demo_key.is_empty() {
        endpoints.demo_key.clone()
    } else {
        format!("see {}/_local/endpoints", endpoints.api)
    };
    format!(
        "Rundbrief is running.

  Start page  {api}/_local/
  Shop        {shop}
  Inbox       {api}/_local/inbox
  API         {api}/api/v1
  Demo key    {key}
  DynamoDB    {dynamodb}
  S3          {s3}
  SES         {ses}
  SQS         {sqs}

Ctrl-C stops it; everything is kept.
",
        api = endpoints.api,
        shop = endpoints.shop,
        dynamodb = endpoints.dynamodb,
        s3 = endpoints.s3,
        ses = endpoints.ses,
        sqs = endpoints.sqs,
    )
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    // A closed pipe is no reason to stop.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn complain(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::from(code)
}
