//! Derives everybody anew after a region switch, for an operator at a terminal. No Lambda.
//!
//! `after-switch --table T --tombstones T --bucket B --platform-secret ARN --since TIME
//! --check|--apply`, with an operator's own credentials in the environment
//! (docs/runbooks/region-switch.md).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: it prints what it found"
)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use functions::after_switch::{Options, run};
use functions::app::App;
use functions::settings::Settings;
use rundbrief::entropy::SystemEntropy;

const USAGE: &str = "after-switch --table T --tombstones T --bucket B --platform-secret ARN \
                     --since TIME --check|--apply\n\
                     TIME is an instant (2026-11-23T12:00:00Z) up to which both regions held the \
                     same.\n\
                     AWS_REGION and the credentials come from the environment.\n\
                     Ends with 0 when everybody is as they should be, 1 otherwise.";

/// The variables that the words of the command line stand for.
const WORDS: [(&str, &str); 4] = [
    ("--table", "TABLE"),
    ("--tombstones", "TOMBSTONE_TABLE"),
    ("--bucket", "BUCKET"),
    ("--platform-secret", "PLATFORM_SECRET_ARN"),
];

/// What the command line says; `None` when it says something else.
fn read(arguments: &[String]) -> Option<(HashMap<&'static str, String>, Options)> {
    let mut variables = HashMap::new();
    let (mut apply, mut since) = (None, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" | "--apply" => {
                if apply.replace(argument == "--apply").is_some() {
                    return None;
                }
            }
            "--since" => since = Some(arguments.next()?.parse().ok()?),
            word => {
                let (_, variable) = WORDS.iter().find(|(known, _)| *known == word)?;
                variables.insert(*variable, arguments.next()?.clone());
            }
        }
    }
    let options = Options {
        apply: apply?,
        since: since?,
    };
    (variables.len() == WORDS.len()).then_some((variables, options))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((variables, options)) = read(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "an operator's region and credentials come from the environment"
    )]
    let settings = Settings::read(&|name| {
        let given = variables.get(name).cloned();
        given.or_else(|| std::env::var(name).ok())
    });
    let settings = match settings {
        Ok(settings) => settings,
        Err(missing) => {
            eprintln!("{missing}");
            return ExitCode::from(2);
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where this command's time comes from"
    )]
    let clock = Arc::new(jiff::Timestamp::now);
    let app = App::new(settings, clock, Arc::new(SystemEntropy::new()));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        eprintln!("the command cannot start");
        return ExitCode::from(1);
    };
    match runtime.block_on(run(&app, options)) {
        Ok(report) => {
            let done = if options.apply {
                "derived anew"
            } else {
                "to be derived anew"
            };
            println!(
                "{} people, {} {done}, {} accounts without a key",
                report.people, report.repaired, report.without_key
            );
            if report.without_key == 0 && (options.apply || report.repaired == 0) {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(trouble) => {
            eprintln!("stopped: {trouble}; begin it again");
            ExitCode::from(1)
        }
    }
}
