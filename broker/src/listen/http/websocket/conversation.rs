//! What is to be done when a client says something. Knows no socket, no topic and no wait.
//!
//! ```text
//!   message ─► hear ─► Act ─► done by the loop
//!                │
//!                └ subscriptions by the client's numbers, each in a slot of ours
//!                  publishes that wait
//! ```
//!
//! Invariants: a client's number stands in one slot at most; no more slots are taken and no more
//! publishes wait than a connection may have.

use weir_protocol::code::Code;
use weir_protocol::limits::{LIVE_MESSAGE_BYTES_MAX, LIVE_PUBLISHES_MAX, LIVE_SUBSCRIPTIONS_MAX};
use weir_protocol::web::live::{Ask, Publish, Refused, Subscribe, Tell, Trouble, binary};

use super::allowance::Allowance;

/// What one client asked for and has.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    slots: Vec<Option<Slot>>,
    publishes: usize,
    publish_bytes: usize,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) sub: u32,
    pub(super) allowance: Allowance,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Act<'a> {
    /// Nothing but what is due anyway.
    GoOn,
    Begin {
        slot: u16,
        subscribe: Subscribe,
    },
    /// The subscription ends, and this is said.
    End {
        slot: u16,
        say: Tell<'static>,
    },
    Publish {
        publish: Publish<'a>,
        value: Option<&'a [u8]>,
        bytes: usize,
    },
    Say(Tell<'static>),
    /// The connection ends.
    Close(Refused),
}

impl Conversation {
    /// A text message came.
    pub(super) fn hear<'a>(&mut self, text: &'a str) -> Act<'a> {
        let asked = Ask::parse(text).and_then(|ask| self.asked(ask, None, text.len()));
        asked.unwrap_or_else(|refused| self.refuse(refused))
    }

    /// A binary message came: a publish.
    pub(super) fn hear_binary<'a>(&mut self, message: &'a [u8]) -> Act<'a> {
        let heard = match binary::split(message) {
            Err(error) => Err(refused(Code::MalformedRequest, error.to_string())),
            Ok((head, value)) => Ask::parse(head).and_then(|ask| match ask {
                Ask::Publish(_) => self.asked(ask, Some(value), message.len()),
                _ => {
                    let detail = "only a publish may be a binary message: send it as text";
                    Err(refused(Code::MalformedRequest, detail))
                }
            }),
        };
        heard.unwrap_or_else(|refused| self.refuse(refused))
    }

    /// Something cannot be done. What a refusal is about is over, so that client and broker never
    /// mean two subscriptions by one number.
    pub(super) fn refuse(&mut self, refused: Refused) -> Act<'static> {
        if refused.sub.is_none() && refused.id.is_none() {
            return Act::Close(refused);
        }
        let slot = refused.sub.and_then(|sub| self.slot_of(sub));
        let say = trouble(refused);
        match slot {
            Some(slot) => {
                self.ended(slot);
                Act::End { slot, say }
            }
            None => Act::Say(say),
        }
    }

    /// The subscription in this slot, while it stands.
    pub(super) fn slot(&mut self, slot: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    /// The subscription of this slot is over; its client's number.
    pub(super) fn ended(&mut self, slot: u16) -> Option<u32> {
        self.slots.get_mut(usize::from(slot))?.take().map(|slot| slot.sub)
    }

    /// A publish of so many bytes was answered.
    pub(super) fn published(&mut self, bytes: usize) {
        self.publishes -= 1;
        self.publish_bytes -= bytes;
    }

    fn asked<'a>(
        &mut self,
        ask: Ask<'a>,
        value: Option<&'a [u8]>,
        bytes: usize,
    ) -> Result<Act<'a>, Refused> {
        match ask {
            Ask::Subscribe(subscribe) => self.subscribe(subscribe),
            Ask::Unsubscribe { sub } => {
                let slot = self.slot_of(sub).ok_or_else(|| unknown(sub))?;
                self.ended(slot);
                Ok(Act::End { slot, say: Tell::Unsubscribed { sub } })
            }
            Ask::Credit { sub, seen, credit } => {
                let slot = self.slot_of(sub).and_then(|slot| self.slot(slot));
                let granted = slot.ok_or_else(|| unknown(sub))?.allowance.grant(seen, credit);
                granted.map(|()| Act::GoOn).map_err(|not_sent| {
                    let detail = format!("{seen} records were seen and {} sent", not_sent.sent);
                    Refused { sub: Some(sub), ..refused(Code::CreditOverflow, detail) }
                })
            }
            Ask::Publish(publish) => self.publish(publish, value, bytes),
            Ask::Ping { id } => Ok(Act::Say(Tell::Pong { id })),
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Result<Act<'static>, Refused> {
        let sub = subscribe.sub;
        let of_sub = |code, detail| Refused { sub: Some(sub), ..refused(code, detail) };
        if self.slot_of(sub).is_some() {
            let detail = "a subscription of this connection has this number: take another one";
            return Err(of_sub(Code::SubscriptionInUse, detail));
        }
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if LIVE_SUBSCRIPTIONS_MAX <= free {
            let detail = "the connection has as many subscriptions as it may: end some, or open \
                          another one";
            return Err(of_sub(Code::TooManySubscriptions, detail));
        }
        let slot = Some(Slot { sub, allowance: Allowance::new(subscribe.credit) });
        match self.slots.get_mut(free) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        Ok(Act::Begin { slot: free as u16, subscribe })
    }

    fn publish<'a>(
        &mut self,
        publish: Publish<'a>,
        value: Option<&'a [u8]>,
        bytes: usize,
    ) -> Result<Act<'a>, Refused> {
        let is_many = LIVE_PUBLISHES_MAX <= self.publishes;
        let is_much = self.publishes != 0 && LIVE_MESSAGE_BYTES_MAX < self.publish_bytes + bytes;
        if is_many || is_much {
            let detail = "as much waits to be published as a connection may have: wait for answers";
            let id = Some(publish.id);
            return Err(Refused { id, ..refused(Code::TooManyInFlight, detail) });
        }
        self.publishes += 1;
        self.publish_bytes += bytes;
        Ok(Act::Publish { publish, value, bytes })
    }

    fn slot_of(&self, sub: u32) -> Option<u16> {
        let is = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.sub == sub);
        self.slots.iter().position(is).map(|slot| slot as u16)
    }
}

fn refused(code: Code, detail: impl Into<String>) -> Refused {
    Refused { sub: None, id: None, code, detail: detail.into() }
}

fn unknown(sub: u32) -> Refused {
    let detail = "the connection has no subscription of this number";
    Refused { sub: Some(sub), ..refused(Code::UnknownSubscription, detail) }
}

/// A refusal, as it is said.
pub(super) fn trouble(refused: Refused) -> Tell<'static> {
    let Refused { sub, id, code, detail } = refused;
    Tell::Error(Trouble {
        sub,
        id,
        code: code.name().into(),
        retry: code.retry().name().into(),
        detail,
        records: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(sub: u32) -> String {
        format!(r#"{{"type":"subscribe","sub":{sub},"topic":"t","credit":1}}"#)
    }

    /// The slot that a subscription is begun in.
    fn begun(conversation: &mut Conversation, sub: u32) -> u16 {
        match conversation.hear(&subscribe(sub)) {
            Act::Begin { slot, .. } => slot,
            act => panic!("{act:?}"),
        }
    }

    /// The code that is said.
    fn said(act: &Act<'_>) -> String {
        match act {
            Act::Say(Tell::Error(trouble)) | Act::End { say: Tell::Error(trouble), .. } => {
                trouble.code.to_string()
            }
            Act::Close(refused) => format!("close {}", refused.code.name()),
            act => panic!("{act:?}"),
        }
    }

    #[test]
    fn a_number_is_free_again_when_its_subscription_has_ended() {
        let mut conversation = Conversation::default();
        assert_eq!([7, 9].map(|sub| begun(&mut conversation, sub)), [0, 1]);
        let ended = conversation.hear(r#"{"type":"unsubscribe","sub":7}"#);
        assert!(matches!(ended, Act::End { slot: 0, say: Tell::Unsubscribed { sub: 7 } }));
        assert_eq!(begun(&mut conversation, 7), 0);
        let again = conversation.hear(r#"{"type":"unsubscribe","sub":8}"#);
        assert_eq!(said(&again), "UNKNOWN_SUBSCRIPTION");
    }

    #[test]
    fn what_a_refusal_is_about_is_over() {
        let mut conversation = Conversation::default();
        let again = subscribe(3);
        for wrong in [
            r#"{"type":"credit","sub":3,"seen":1,"credit":1}"#,
            r#"{"type":"credit","sub":3,"credit":1}"#,
            &again,
        ] {
            let slot = begun(&mut conversation, 3);
            let act = conversation.hear(wrong);
            assert!(matches!(act, Act::End { slot: ended, .. } if ended == slot), "{act:?}");
            assert!(conversation.slot(slot).is_none());
        }
    }

    #[test]
    fn a_client_that_subscribes_for_ever_is_refused_and_costs_no_more() {
        let mut conversation = Conversation::default();
        for sub in 0..LIVE_SUBSCRIPTIONS_MAX as u32 {
            begun(&mut conversation, sub);
        }
        for sub in 1_000..2_000 {
            let text = subscribe(sub);
            let refused = conversation.hear(&text);
            assert_eq!(said(&refused), "TOO_MANY_SUBSCRIPTIONS");
        }
        assert_eq!(conversation.slots.len(), LIVE_SUBSCRIPTIONS_MAX);
    }

    #[test]
    fn what_waits_to_be_published_is_bounded_in_number_and_bytes() {
        let publish = |bytes: usize| {
            let value = "x".repeat(bytes);
            format!(r#"{{"type":"publish","id":1,"topic":"t","records":[{{"value":"{value}"}}]}}"#)
        };
        let mut conversation = Conversation::default();
        let (small, large) = (publish(1), publish(LIVE_MESSAGE_BYTES_MAX / 2));
        for _ in 0..LIVE_PUBLISHES_MAX {
            assert!(matches!(conversation.hear(&small), Act::Publish { .. }));
        }
        assert_eq!(said(&conversation.hear(&small)), "TOO_MANY_IN_FLIGHT");
        for _ in 0..LIVE_PUBLISHES_MAX {
            conversation.published(small.len());
        }
        assert!(matches!(conversation.hear(&large), Act::Publish { .. }));
        assert_eq!(said(&conversation.hear(&large)), "TOO_MANY_IN_FLIGHT");
        assert!(matches!(conversation.hear(&small), Act::Publish { .. }));
    }

    #[test]
    fn what_is_about_nothing_ends_the_connection() {
        let mut conversation = Conversation::default();
        assert_eq!(said(&conversation.hear("no json")), "close MALFORMED_REQUEST");
        let ping = b"\x16\0\0\0{\"type\":\"ping\",\"id\":1}";
        assert_eq!(said(&conversation.hear_binary(ping)), "close MALFORMED_REQUEST");
        assert_eq!(said(&conversation.hear_binary(b"\xff")), "close MALFORMED_REQUEST");
    }
}
