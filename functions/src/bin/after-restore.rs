//! The check list after a restore of the full copy, for an operator at a terminal. No Lambda.
//!
//! `after-restore --table NEW --tombstones T --bucket B --platform-secret ARN
//! [--replicated] --check|--apply|--release`, with an operator's own credentials in the
//! environment (docs/runbooks/full-restore.md).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: it prints its check list"
)]

use std::process::ExitCode;
use std::sync::Arc;

use functions::after_restore::{Line, Mode, Options, Standing, run};
use functions::app::App;
use functions::settings::Settings;
use rundbrief::entropy::SystemEntropy;

const USAGE: &str = "after-restore --table NEW --tombstones T --bucket B --platform-secret ARN \
                     [--replicated] --check|--apply|--release\n\
                     AWS_REGION and the credentials come from the environment.\n\
                     Ends with 0 when every line is done, 3 when some are not supported by this \
                     engine and the others done, 1 otherwise.";

/// What the command line says; `None` when it says something else.
fn read(arguments: &[String]) -> Option<(Vec<(&'static str, String)>, Options)> {
    let mut variables = Vec::new();
    let mut mode = None;
    let mut replicated = false;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let variable = match argument.as_str() {
            "--table" => "TABLE",
            "--tombstones" => "TOMBSTONE_TABLE",
            "--bucket" => "BUCKET",
            "--platform-secret" => "PLATFORM_SECRET_ARN",
            "--replicated" => {
                replicated = true;
                continue;
            }
            word @ ("--check" | "--apply" | "--release") => {
                let wanted = match word {
                    "--check" => Mode::Check,
                    "--apply" => Mode::Apply,
                    _ => Mode::Release,
                };
                if mode.replace(wanted).is_some() {
                    return None;
                }
                continue;
            }
            _ => return None,
        };
        variables.push((variable, arguments.next()?.clone()));
    }
    let mode = mode?;
    (variables.len() == 4).then_some((variables, Options { mode, replicated }))
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
        let given = variables.iter().find(|(variable, _)| *variable == name);
        match given {
            Some((_, value)) => Some(value.clone()),
            None => std::env::var(name).ok(),
        }
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
    let mut print = |line: Line| {
        println!(
            "{:<24} {:<20} {}",
            line.step,
            line.standing.word(),
            line.note
        );
    };
    let lines = runtime.block_on(run(&app, options, &mut print));
    let is = |standing| lines.iter().any(|line| line.standing == standing);
    if is(Standing::Failed) || is(Standing::ToDo) {
        ExitCode::from(1)
    } else if is(Standing::NotSupported) {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    }
}
