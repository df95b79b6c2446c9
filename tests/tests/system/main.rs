//! The one binary of system tests: what users do, and what the repository promises of itself.
//! Not here: rules of the domain (in `shared`) and handlers by themselves (in `functions`).

#![expect(
    clippy::expect_used,
    reason = "all of this binary is tests, but clippy spares only the test functions themselves"
)]

mod admin_api;
mod backup;
mod browser;
mod campaign;
mod import;
mod policy;
mod retention;
mod template;
mod trace;
mod world;
