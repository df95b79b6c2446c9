//! Rundbrief's domain: types, rules, decisions.
//!
//! No I/O: no AWS, no tokio, no tracing. Time and randomness are arguments.
#![warn(missing_docs)]

pub mod account;
pub mod address;
pub mod address_change;
pub mod archive;
pub mod audit;
pub mod campaign;
pub mod consent;
pub mod crypto;
pub mod entropy;
pub mod erasure;
pub mod evidence;
pub mod form;
pub mod guard;
pub mod header;
#[cfg(any(test, feature = "histories"))]
pub mod histories;
pub mod hold;
pub mod id;
pub mod import;
pub mod key;
pub mod legal;
pub mod message;
pub mod outbox;
pub mod page_language;
pub mod person;
pub mod person_request;
pub mod personal;
pub mod plain_text;
pub mod policy;
pub mod privacy_notice;
pub mod processing;
pub mod record;
pub mod repair;
pub mod restore;
pub mod retention;
pub mod setup;
pub mod sign_up;
pub mod subscriber_file;
pub mod suppression;
pub mod template;
pub mod time;
pub mod token;
pub mod tombstone_mark;
pub mod unsubscribe_setup;
pub mod web_address;
pub mod webhook;
