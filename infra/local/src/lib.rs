//! The whole platform on one machine: engines, emulators and the same handlers.
//!
//! Not a mock: the handlers talk to it over HTTP with the AWS SDK, as they do to AWS.

pub mod api;
pub mod bucket;
pub mod clock;
pub mod demo;
pub mod engine;
pub mod events;
pub mod faults;
pub mod gateway;
pub mod handlers;
pub mod inbox;
pub mod lambda;
pub mod platform;
pub mod queues;
pub mod schedule;
pub mod secrets;
pub mod ses;
pub mod shop;
pub mod state;
pub mod template;

#[cfg(test)]
mod trial;

/// What of its log the program shows: everything worth a person's attention.
pub const LOG_FILTER: &str = "info,dynoxide=error,s3s=off,s3s_fs=off,hyper=warn";
