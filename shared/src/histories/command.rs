//! What a handler is asked to do: a request or a message, with everything that it brings along.
//!
//! What follows from it is `decide`'s part.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::consent::Barred;
use crate::evidence::Entry;
use crate::id::EventId;
use crate::import::Import;
use crate::personal::ClientIp;
use crate::subscriber_file::ImportRow;

/// What is asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// A form is sent.
    SignUp {
        /// Whose address.
        who: usize,
        /// Which form.
        form: usize,
        /// In which spelling.
        spelling: usize,
        /// The new sign-up.
        event: EventId,
        /// Its outbox record.
        outbox: EventId,
        /// Its place in the ledger.
        entry: Entry,
        /// From where.
        ip: ClientIp,
    },
    /// The button is pressed.
    Confirm {
        /// Who.
        who: usize,
        /// Which sign-up.
        event: EventId,
        /// The confirmation's place in the ledger.
        entry: Entry,
        /// From where.
        ip: ClientIp,
    },
    /// Somebody leaves.
    Leave {
        /// Who.
        who: usize,
        /// One list, or all.
        list: Option<usize>,
        /// Whether they object besides.
        objects: bool,
        /// The new record.
        event: EventId,
        /// Its place in the ledger.
        entry: Entry,
    },
    /// The controller changes data.
    Change {
        /// Whose.
        who: usize,
    },
    /// The person does.
    Rectify {
        /// Who.
        who: usize,
    },
    /// Processing is restricted.
    Restrict {
        /// Whose.
        who: usize,
    },
    /// And no more.
    Lift {
        /// Whose.
        who: usize,
    },
    /// SES reports.
    Report {
        /// Whose.
        who: usize,
        /// What.
        why: Barred,
        /// When it happened.
        happened: Timestamp,
    },
    /// The address is suppressed, or no more.
    Suppress {
        /// Whose.
        who: usize,
        /// Or no more.
        on: bool,
    },
    /// The person is erased.
    Erase {
        /// Who.
        who: usize,
        /// The erasure.
        event: EventId,
    },
    /// What an erasure leaves to do.
    CleanUp {
        /// Whose.
        who: usize,
    },
    /// A message of an import.
    Import {
        /// Who.
        who: usize,
        /// For which list.
        list: usize,
        /// With day and proof.
        proven: bool,
        /// The import.
        import: Box<Import>,
        /// Its only row.
        row: Box<ImportRow>,
    },
    /// The relationship ends.
    End {
        /// With whom.
        who: usize,
        /// On this day.
        on: Date,
    },
    /// What is in quarantine of a person is released.
    Release {
        /// Whose.
        who: usize,
    },
}

impl Command {
    /// Whom it is about.
    pub fn who(&self) -> usize {
        match self {
            Self::SignUp { who, .. }
            | Self::Confirm { who, .. }
            | Self::Leave { who, .. }
            | Self::Change { who }
            | Self::Rectify { who }
            | Self::Restrict { who }
            | Self::Lift { who }
            | Self::Report { who, .. }
            | Self::Suppress { who, .. }
            | Self::Erase { who, .. }
            | Self::CleanUp { who }
            | Self::Import { who, .. }
            | Self::End { who, .. }
            | Self::Release { who } => *who,
        }
    }
}

/// A command at a machine.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What.
    pub command: Command,
    /// When, by that machine's clock.
    pub at: Timestamp,
    /// Which copy of the tables it works on.
    pub copy: usize,
}
