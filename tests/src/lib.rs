//! System tests: a [`World`] with a whole platform in it, whose methods are user actions.
//!
//! Nothing here knows how the platform does it: what is not asked over HTTP is read with the AWS
//! SDK. Rules of single parts are tested beside the parts.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    reason = "a test harness: whatever is not as expected ends the test"
)]

pub mod answer;
pub mod api;
pub mod browser;
pub mod client;
pub mod due_items;
pub mod environment;
pub mod links;
pub mod log;
pub mod mail;
pub mod measured;
pub mod people;
pub mod process;
pub mod recipient;
pub mod running;
pub mod sign_up;
pub mod stored;
pub mod world;

pub use answer::Answer;
pub use mail::Mail;
pub use people::Person;
pub use recipient::{Message, Recipient, Reply};
pub use stored::Stored;
pub use world::World;
