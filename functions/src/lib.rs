//! Rundbrief's Lambda handlers and the adapters they share.
//!
//! Carries out what `rundbrief` (the domain crate) decides. Each handler is a module with one
//! entry; the binaries in `bin/` are nothing but that entry.

mod address_change;
pub mod admin;
pub mod after_restore;
pub mod after_switch;
pub mod app;
pub mod audit;
pub mod aws;
pub mod backup;
pub mod campaign;
pub mod confirm;
pub mod due;
mod erasure;
mod export;
pub mod feedback;
pub mod function;
mod hold;
pub mod import;
pub mod legal;
pub mod notice;
pub mod page;
mod person_link;
pub mod preferences;
pub mod problem;
mod record_of_processing;
pub mod restore;
pub mod retention;
pub mod send;
pub mod settings;
pub mod signup;
pub mod store;
pub mod unsubscribe;
pub mod visitor;
pub mod webhook;
