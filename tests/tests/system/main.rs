//! The one binary of system tests: what users do, and what the repository promises of itself.
//! Not here: rules of the domain (in `shared`) and handlers by themselves (in `functions`).

#![expect(
    clippy::expect_used,
    reason = "all of this binary is tests, but clippy spares only the test functions themselves"
)]

mod admin_api;
mod audit;
mod backup;
mod bad_input;
mod breach;
mod browser;
mod campaign;
mod closure;
mod confirm;
mod crash;
mod erasure;
mod every_route;
mod evidence;
mod full_restore;
mod histories;
mod hold;
mod import;
mod journey;
mod limits;
mod mail_format;
mod notice;
mod policy;
mod preferences;
mod record;
mod region_switch;
mod requests;
mod restore;
mod retention;
mod rights;
mod setups;
mod sign_up;
mod suppression;
mod sweep;
mod template;
mod trace;
mod unsubscribe;
mod unsubscribe_setups;
mod webhooks;
mod world;
