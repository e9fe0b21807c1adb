//! What ends a command early: one line for the person, one exit code for the script.
//!
//! The library's errors already say what happened and what to do; this file adds what the command
//! was about to do, and decides which exit code it is. `docs/cli.md` lists the codes.
//!
//! Invariant: a failure is written in one line, whatever the broker's words were.

use std::fmt;
use std::io;

use weir_client::{ConnectError, ConsumeError, RequestError, SendError};
use weir_protocol::code::Code;
use weir_protocol::native::RequestKind;

/// Why a command ends early. Each variant is another exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The broker refused, a file cannot be read, what was read is not what was written.
    Failed(String),
    /// The command line asks for what makes no sense.
    Usage(String),
    /// No broker answers, or it does not take records in time.
    Unreachable(String),
    /// It may have been done or not: the answer was lost.
    OutcomeUnknown(String),
    /// Told to stop before the end, and ended in order.
    Interrupted,
    /// Whoever read the output has gone, as `head` does: the end, and no failure to speak of.
    OutputClosed,
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::OutcomeUnknown(_) => 4,
            // As shells have it: 128 and the number of the signal.
            Self::Interrupted => 130,
        }
    }

    /// The line for the person; none for who has gone.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::OutputClosed => None,
            Self::Interrupted => Some(String::from("stopped")),
            Self::Failed(words)
            | Self::Usage(words)
            | Self::Unreachable(words)
            | Self::OutcomeUnknown(words) => Some(in_one_line(words)),
        }
    }

    /// A connection that could not be made.
    pub(crate) fn connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::Refused { .. } => Self::Failed(error.to_string()),
            ConnectError::Io { .. } => Self::Unreachable(format!(
                "{error} Start one with 'weir server', or name another with --server"
            )),
            ConnectError::TimedOut { .. }
            | ConnectError::Closed { .. }
            | ConnectError::NotWeir { .. } => Self::Unreachable(error.to_string()),
        }
    }

    /// A request that failed while the command was to do `what`, such as "create topic flights".
    pub(crate) fn request(what: impl fmt::Display, error: &RequestError) -> Self {
        let words = format!("cannot {what}: {error}");
        match error {
            RequestError::Connect(error) => Self::connect(error),
            RequestError::Name(_)
            | RequestError::TooLarge { .. }
            | RequestError::UnknownPartition { .. }
            | RequestError::TooManyPartitions { .. } => Self::Failed(words),
            RequestError::Refused(refusal) => Self::refused(refusal.code, words),
            RequestError::Disconnected { request, .. }
            | RequestError::TimedOut { request, .. }
            | RequestError::Answer { request, .. } => match changes_something(*request) {
                true => Self::OutcomeUnknown(words),
                false => Self::Unreachable(words),
            },
        }
    }

    /// A record that was not acknowledged; `which` says which one.
    pub(crate) fn send(which: impl fmt::Display, error: &SendError) -> Self {
        let words = format!("{which}: {error}");
        match error {
            SendError::Record { .. }
            | SendError::UnknownPartition { .. }
            | SendError::Closed { .. } => Self::Failed(words),
            SendError::Refused { refusal, .. } => Self::refused(refusal.code, words),
            SendError::NotSent { .. } => Self::Unreachable(words),
            SendError::OutcomeUnknown { .. } => Self::OutcomeUnknown(words),
        }
    }

    /// A consumer that ended.
    pub(crate) fn consume(topic: &str, error: &ConsumeError) -> Self {
        let words = format!("cannot read topic {topic} on: {error}");
        match error {
            ConsumeError::Unavailable { .. } => Self::Unreachable(words),
            ConsumeError::Refused { refusal, .. } if refusal.code == Code::Quarantined => {
                Self::Failed(format!("{words}; with `--from OFFSET`, from the offset named there"))
            }
            ConsumeError::Gap { .. }
            | ConsumeError::Unreadable { .. }
            | ConsumeError::Refused { .. } => Self::Failed(words),
        }
    }

    /// Standard output took no more.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!(
                "cannot write to standard output: {error}; is the disk behind it full?"
            )),
        }
    }

    fn refused(code: Code, words: String) -> Self {
        match code {
            Code::OutcomeUnknown => Self::OutcomeUnknown(words),
            _ => Self::Failed(words),
        }
    }
}

/// Whether a request that got no answer may have left something behind.
fn changes_something(request: RequestKind) -> bool {
    matches!(
        request,
        RequestKind::CreateTopic
            | RequestKind::AlterTopic
            | RequestKind::DeleteTopic
            | RequestKind::DeleteRecords
            | RequestKind::CreateQueue
            | RequestKind::AlterQueue
            | RequestKind::DeleteQueue
            | RequestKind::SeekQueue
            | RequestKind::PurgeQueue
            | RequestKind::Redrive
            | RequestKind::Produce
    )
}

fn in_one_line(words: &str) -> String {
    words
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_client::{Disconnected, Refusal};
    use weir_protocol::code::Retry;

    use super::*;

    fn refusal(code: Code) -> RequestError {
        let message = String::from("words of the broker\nin two lines");
        RequestError::Refused(Refusal { code, retry: Retry::Never, message })
    }

    fn lost(request: RequestKind) -> RequestError {
        let address = String::from("127.0.0.1:7700");
        RequestError::Disconnected { request, source: Disconnected::Closed { address } }
    }

    #[test]
    fn a_refusal_is_one_line_that_says_what_was_to_be_done() {
        let failure = Failure::request("create topic a", &refusal(Code::TopicExists));
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(
            failure.line().unwrap(),
            "cannot create topic a: TOPIC_EXISTS: words of the broker in two lines"
        );
    }

    #[test]
    fn who_meets_damage_is_told_how_to_read_on_behind_it() {
        let message = String::from("offsets 2 to 4 are not served: read on from offset 4");
        let refusal = Refusal { code: Code::Quarantined, retry: Retry::Never, message };
        let topic = "flights".parse().unwrap();
        let error = ConsumeError::Refused { topic, partition: 0, refusal };
        let failure = Failure::consume("flights", &error);
        assert_eq!(failure.exit_code(), 1);
        let line = failure.line().unwrap();
        assert!(line.contains("from offset 4") && line.contains("--from OFFSET"), "{line}");
    }

    #[test]
    fn nobody_there_is_exit_code_3_and_says_how_to_start_one() {
        let source = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let address = String::from("127.0.0.1:7700");
        let failure = Failure::connect(&ConnectError::Io { address, source });
        assert_eq!(failure.exit_code(), 3);
        let line = failure.line().unwrap();
        assert!(line.contains("127.0.0.1:7700") && line.contains("weir server"), "{line}");
    }

    #[test]
    fn a_lost_answer_is_exit_code_4_where_something_may_have_been_done() {
        let code = |kind| Failure::request("do it", &lost(kind)).exit_code();
        assert_eq!(code(RequestKind::CreateTopic), 4);
        assert_eq!(code(RequestKind::DescribeTopic), 3);
        let unknown = Failure::request("do it", &refusal(Code::OutcomeUnknown));
        assert_eq!(unknown.exit_code(), 4);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let left = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((left.exit_code(), left.line()), (0, None));
        let full = Failure::output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit_code(), 1);
    }
}
