//! The table of what the sign-up limits withstand: attacks and ordinary days, simulated.
//!
//! `cargo run -q -p tests --bin limits [SEED]`. The rules are the handlers' own; that they hold
//! their bounds is tested in `rundbrief::guard::simulation`, this prints the numbers.

#![expect(
    clippy::print_stdout,
    reason = "a program for people: it prints a table"
)]

use rundbrief::guard::simulation::{ALL, run};

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok());
    println!(
        "{:<44} {:>8} {:>8} {:>7} {:>6} {:>8} | {:>8} {:>7} {:>8}",
        "",
        "requests",
        "accepted",
        "refused",
        "mails",
        "max/24 h",
        "visitors",
        "refused",
        "unmailed"
    );
    for profile in ALL {
        let report = run(profile, seed.unwrap_or(1));
        println!(
            "{:<44} {:>8} {:>8} {:>7} {:>6} {:>8} | {:>8} {:>7} {:>8}",
            profile.name,
            report.requests,
            report.accepted,
            report.refused,
            report.mails,
            report.most_in_a_day,
            report.visits,
            report.visits_refused,
            report.visitors_unmailed,
        );
    }
    println!(
        "\nmax/24 h: the most mails to one mailbox in any 24 hours. Plus signs make other mailboxes at\n\
         other providers than Gmail; the limits count each as an address of its own (M-22)."
    );
}
