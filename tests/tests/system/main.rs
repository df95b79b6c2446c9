//! The one binary of system tests: what users do, and what the repository promises of itself.
//! Not here: rules of the domain (in `shared`) and handlers by themselves (in `functions`).

mod policy;
mod template;
mod trace;
