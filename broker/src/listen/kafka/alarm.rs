//! When the next answer has waited for its batches long enough.
//!
//! Each request has its own time, and most are answered long before. So one timer is set and left
//! alone until it rings, however many answers come and go; then it is set for the one that is next.
//!
//! Invariant: `set` is never behind the time of the answer that is next.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// The timer of a connection's writing half.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    /// When it rings, while it is set.
    set: Option<Instant>,
}

impl Alarm {
    /// Waits until the time that `next` says has come. It is asked whenever the connection goes on,
    /// and may say another one each time, or that there is none.
    pub(super) async fn ring(&mut self, next: impl Fn() -> Option<Instant>) {
        poll_fn(|context| match next() {
            Some(next) => self.poll(next, context),
            None => Poll::Pending,
        })
        .await;
    }

    fn poll(&mut self, next: Instant, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.set.is_none_or(|set| next < set) {
                self.set = Some(next);
                match &mut self.timer {
                    Some(timer) => timer.as_mut().reset(next.into()),
                    None => self.timer = Some(Box::pin(sleep_until(next.into()))),
                }
            }
            let timer = self.timer.as_mut().expect("it was set above, or before");
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            // It may have been set for one that is answered by now.
            if self.set.take().is_some_and(|set| next <= set) {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_time_that_is_next_whatever_it_was_set_for() {
        let start = Clock::system().now();
        let next = Cell::new(Some(start + Duration::from_secs(3)));
        let mut alarm = Alarm::default();
        let later = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            next.set(Some(start + Duration::from_secs(5)));
            tokio::time::sleep(Duration::from_secs(3)).await;
        };
        tokio::select! {
            biased;
            () = alarm.ring(|| next.get()) => panic!("it rang for what is answered by now"),
            () = later => {}
        }
        alarm.ring(|| next.get()).await;
        next.set(None);
        let silent = tokio::time::timeout(Duration::from_secs(60), alarm.ring(|| next.get()));
        assert!(silent.await.is_err(), "nothing waits");
    }
}
