//! Keeps a member in its group, over as many connections as that takes.
//!
//! ```text
//!   join ─► stand: a heartbeat now and then ──connection lost──► connect (pauses) ─► come back
//!     ▲                    └── the membership ended ──► told, and joined anew
//!     └────────────────────────────────────────────────────────────┘
//! ```
//!
//! What the broker tells the member goes into its mailbox, past this task. Dropped, the member
//! leaves.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use weir_protocol::code::{Code, Retry};
use weir_protocol::native::{JoinGroup, JoinedGroup, Request, Response};

use crate::connection::{Asked, Connection, Mailbox, MemberEvent, MembershipId};
use crate::errors::{Refusal, RequestError};
use crate::link::Link;
use crate::retry::{Backoff, Pauses, random};

/// Pauses between attempts to connect or to join.
const PAUSES: Pauses = Pauses::of_ms(20, 1_000);

/// What the member and its task share.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) mailbox: Arc<Mailbox>,
    place: Mutex<Option<Place>>,
}

/// Where the member is one now.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    pub(super) number: MembershipId,
    /// What the broker calls the member.
    pub(super) member: String,
}

impl Membership {
    pub(super) fn new() -> Self {
        Self { mailbox: Arc::default(), place: Mutex::new(None) }
    }

    pub(super) fn place(&self) -> Option<Place> {
        self.place.lock().clone()
    }

    /// Leaves; on return what the member had is others'. Where its connection is lost, that takes
    /// the broker a moment.
    pub(super) async fn leave_and_wait(&self) {
        let Some(Place { connection, number, .. }) = self.place.lock().take() else { return };
        connection.forget_member(number);
        let leave = Request::LeaveGroup { membership: number };
        let _ = connection.ask(&leave).await.answer().await;
    }

    /// Leaves without waiting for the answer.
    pub(super) fn leave(&self) {
        if let Some(Place { connection, number, .. }) = self.place.lock().take() {
            connection.leave_group(number);
        }
    }
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) membership: Arc<Membership>,
    pub(super) link: Arc<Link>,
    pub(super) join: JoinGroup,
    pub(super) unavailable_timeout: Duration,
}

impl Keeper {
    /// Joins, once.
    ///
    /// # Errors
    /// The refusal, or the lack of a connection.
    pub(super) async fn join(&mut self) -> Result<(), RequestError> {
        let connection = self.link.connection().await?;
        let number = connection.add_member(Arc::clone(&self.membership.mailbox));
        let request = Request::JoinGroup(JoinGroup { membership: number, ..self.join.clone() });
        self.membership.mailbox.clear();
        let joined = match connection.ask(&request).await.answer().await {
            Ok(Response::JoinedGroup(JoinedGroup { member, .. })) => member,
            Ok(other) => return Err(Asked::unexpected(request.kind(), &other)),
            Err(error) => {
                connection.forget_member(number);
                return Err(error);
            }
        };
        self.join.member.clone_from(&joined);
        *self.membership.place.lock() = Some(Place { connection, number, member: joined });
        Ok(())
    }

    /// Stays a member until nothing will help; that is told last.
    pub(super) async fn run(mut self) {
        loop {
            let ended = match self.membership.place() {
                Some(place) => self.stand(&place).await,
                None => None,
            };
            if let Some(refusal) = ended {
                // Its partitions are others' by now: it begins anew.
                self.join.member.clear();
                self.membership.mailbox.put(MemberEvent::Ended(refusal));
            }
            *self.membership.place.lock() = None;
            if let Err(error) = self.join_again().await {
                return self.membership.mailbox.put(MemberEvent::Over(error));
            }
        }
    }

    /// Gives signs of life until the connection is lost or the membership has ended; why it has.
    async fn stand(&self, place: &Place) -> Option<Refusal> {
        let every = Duration::from_millis(u64::from(self.join.session_timeout_ms)) / 3;
        let beat = Request::GroupHeartbeat { membership: place.number };
        loop {
            tokio::select! {
                () = place.connection.lost() => return None,
                () = sleep(every) => {}
            }
            match place.connection.ask(&beat).await.answer().await {
                Err(RequestError::Refused(refusal)) if refusal.retry == Retry::Never => {
                    return Some(refusal);
                }
                _ => {}
            }
        }
    }

    /// Joins, however often it takes within the time there is.
    async fn join_again(&mut self) -> Result<(), RequestError> {
        let (since, mut backoff) = (Instant::now(), Backoff::eager(PAUSES));
        loop {
            sleep(backoff.pause(random())).await;
            let error = match self.join().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error {
                // It came back too late: what it had is others' by now.
                RequestError::Refused(refusal) if refusal.code == Code::UnknownMember => {
                    self.join.member.clear();
                    self.membership.mailbox.put(MemberEvent::Ended(refusal));
                }
                error if error.retry() == Retry::Never => return Err(error),
                error if self.unavailable_timeout <= since.elapsed() => return Err(error),
                _ => {}
            }
        }
    }
}
