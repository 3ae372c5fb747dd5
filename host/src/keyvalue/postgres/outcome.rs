//! What the end of a statement says about it.

use crate::keyvalue::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// A statement that was not plainly acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// It has done nothing, and will do nothing later.
    Certainly(String),
    /// The same, and trying again is pointless: the disk is full, the table is gone, the role may not.
    ForGood(String),
    /// The same; it met another transaction and may be tried again. Servers whose transactions are serialisable say so.
    Conflicting(String),
    /// The same as certainly: this server has no such statements.
    Unsupported(String),
    /// Nobody knows.
    Perhaps(String),
}

impl Failed {
    pub fn text(self) -> String {
        match self {
            Self::Certainly(text) | Self::ForGood(text) | Self::Conflicting(text) => text,
            Self::Unsupported(text) | Self::Perhaps(text) => text,
        }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::ForGood(text) => Self::Failed(text),
            failed => Self::Other(failed.text()),
        }
    }
}

impl From<Error> for Failed {
    /// A statement alone is its own transaction. If it ends with an error the server has rolled it back, unless it was
    /// the session that ended: then that may have been during the wait for a standby, when it was committed already.
    fn from(error: Error) -> Self {
        let text = text(&error);
        let Some(error) = error.as_db_error() else { return Self::Perhaps(text) };
        let certain = is_of_the_statement(error) && *error.code() != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        match *error.code() {
            _ if !certain => Self::Perhaps(text),
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Self::Conflicting(text),
            SqlState::FEATURE_NOT_SUPPORTED => Self::Unsupported(text),
            ref code if lasts(code) => Self::ForGood(text),
            _ => Self::Certainly(text),
        }
    }
}

/// Whether it does not pass by itself. Class 42 is what a role may not, and what is not there.
fn lasts(code: &SqlState) -> bool {
    *code == SqlState::DISK_FULL || code.code().starts_with("42")
}

/// Whether it ended the statement and not the session. Classes 08 and 57P are of connections and of servers that stop.
fn is_of_the_statement(error: &DbError) -> bool {
    let is_fatal = match error.parsed_severity() {
        Some(severity) => severity != Severity::Error,
        // A server of another kind, or an old one.
        None => error.severity() != "ERROR",
    };
    !is_fatal && !error.code().code().starts_with("08") && !error.code().code().starts_with("57P")
}

/// An error in one line: the server's message and code. Its details can quote values and are left out.
pub fn text(error: &Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}
