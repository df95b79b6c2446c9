//! Rundbrief's Lambda handlers and the adapters they share.
//!
//! Carries out what `rundbrief` (the domain crate) decides. Each handler is a module with one
//! entry; the binaries in `bin/` are nothing but that entry.

pub mod app;
pub mod aws;
pub mod function;
pub mod problem;
pub mod settings;
pub mod store;
