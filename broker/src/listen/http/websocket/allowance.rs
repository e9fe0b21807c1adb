//! How many records a reader may be sent.
//!
//! ```text
//!            seen              sent           limit = seen + credit
//!   ──────────┼──────────────────┼──────────────────┼────►  records of a subscription
//!    taken     under way           may be sent
//! ```
//!
//! What a reader grants is set, never added: said twice it changes nothing, and it can be taken
//! back.
//!
//! Invariant: what the reader has seen was sent.

/// The count of one subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    sent: u64,
    limit: u64,
}

/// A reader says that it saw more than it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotSent {
    pub(super) sent: u64,
}

impl Allowance {
    pub(super) fn new(credit: u64) -> Self {
        Self { sent: 0, limit: credit }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.limit <= self.sent
    }

    /// A record goes out.
    pub(super) fn use_one(&mut self) {
        self.sent += 1;
    }

    pub(super) fn grant(&mut self, seen: u64, credit: u64) -> Result<(), NotSent> {
        if self.sent < seen {
            return Err(NotSent { sent: self.sent });
        }
        self.limit = seen.saturating_add(credit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn left(mut allowance: Allowance) -> u64 {
        let mut left = 0;
        while !allowance.is_used_up() {
            allowance.use_one();
            left += 1;
        }
        left
    }

    #[test]
    fn credit_is_set_and_never_added() {
        let mut allowance = Allowance::new(10);
        for _ in 0..10 {
            assert!(!allowance.is_used_up());
            allowance.use_one();
        }
        assert!(allowance.is_used_up());
        for _ in 0..2 {
            allowance.grant(4, 10).unwrap();
            assert_eq!(left(allowance), 4);
        }
        allowance.use_one();
        allowance.use_one();
        allowance.grant(10, 0).unwrap();
        assert_eq!(left(allowance), 0, "what was granted is taken back");
        assert_eq!(allowance.grant(13, 5), Err(NotSent { sent: 12 }));
        allowance.grant(12, 1).unwrap();
        assert_eq!(left(allowance), 1);
    }

    proptest! {
        #[test]
        fn no_more_is_sent_than_any_grant_allows(
            grants in proptest::collection::vec((0..50_u64, 0..50_u64), 0..50),
        ) {
            let (mut allowance, mut most) = (Allowance::new(5), 5);
            for (seen, credit) in grants {
                if allowance.grant(seen, credit).is_ok() {
                    prop_assert!(seen <= allowance.sent);
                    most = most.max(seen + credit);
                }
                if !allowance.is_used_up() {
                    allowance.use_one();
                }
                prop_assert!(allowance.sent <= most);
            }
        }
    }
}
