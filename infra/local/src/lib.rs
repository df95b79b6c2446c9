//! The whole platform on one machine: engines, emulators and the same handlers.
//!
//! Not a mock: the handlers talk to it over HTTP with the AWS SDK, as they do to AWS.

pub mod bucket;
pub mod clock;
pub mod events;
pub mod lambda;
pub mod queues;
pub mod secrets;
pub mod state;

#[cfg(test)]
mod trial;
