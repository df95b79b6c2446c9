//! What only the operator of this platform knows: who the processor is (Art. 28), and who of its
//! people reaches what.
//!
//! One item for the whole platform, the same in the record of every account.

use serde::{Deserialize, Serialize};

use super::controller::{Appointment, Contact, StaffRole};
use super::sub_processor::{SubProcessor, SubProcessorNotice};
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// The processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Grows with each write; 0 for one that was never written.
    pub rev: u64,
    /// Who it is.
    #[serde(default)]
    pub office: Contact,
    /// The data protection officer (Art. 37).
    #[serde(default)]
    pub dpo: Appointment,
    /// The operator's people (S-26, S-27).
    #[serde(default)]
    pub staff: Vec<StaffRole>,
    /// Sub-processors beside the cloud provider that the template names (L-21).
    #[serde(default)]
    pub sub_processors: Vec<SubProcessor>,
    /// What was told of them, newest first.
    #[serde(default)]
    pub sub_processor_notices: Vec<SubProcessorNotice>,
}

impl Operator {
    /// Where it is, outside of every account.
    pub fn place() -> Key {
        Key::global("operator", "operator")
    }
}

impl Stored for Operator {
    const KIND: &'static str = "operator";

    fn key(&self, _: &AccountScope) -> Key {
        Self::place()
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
