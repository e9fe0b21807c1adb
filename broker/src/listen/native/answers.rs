//! Answers to batches: what a signal's token carries, and what an outcome becomes.

use weir_protocol::native::{ErrorReply, Response};

use crate::session::{Done, Refusal};

/// What is needed to answer a batch, packed into its token.
///
/// ```text
///   63          32 31           0
///   ├ batch_bytes ┼ correlation ┤
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProduceToken {
    pub(super) correlation: u32,
    pub(super) batch_bytes: u64,
}

impl ProduceToken {
    /// # Panics
    /// On more than 4 GiB, which no frame holds.
    pub(super) fn pack(self) -> u64 {
        assert!(self.batch_bytes <= u64::from(u32::MAX), "a batch fits a frame");
        self.batch_bytes << 32 | u64::from(self.correlation)
    }

    pub(super) fn unpack(token: u64) -> Self {
        let correlation = u32::try_from(token & u64::from(u32::MAX)).expect("32 bits were kept");
        Self { correlation, batch_bytes: token >> 32 }
    }
}

/// The answer to a batch.
pub(super) fn produced(done: &Done) -> Response {
    match done.outcome {
        Ok(base) => Response::Produced { base_offset: base.get() },
        Err(error) => {
            let Refusal { code, message } = error.into();
            Response::Error(ErrorReply::new(code, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_what_was_packed() {
        for (correlation, batch_bytes) in [(1, 61), (u32::MAX, u64::from(u32::MAX)), (0, 0)] {
            let token = ProduceToken { correlation, batch_bytes };
            assert_eq!(ProduceToken::unpack(token.pack()), token);
        }
    }
}
