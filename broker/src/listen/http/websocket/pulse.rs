//! Whether a connection is alive, and whether its client keeps to what a connection bears.
//!
//! It is told what came and went, and every [`TICK`] what to make of it: nothing here asks a clock.
//!
//! ```text
//!   nothing said for 3 ticks ─► say "alive"          a message half there for 6 ticks ─► end
//!   nothing heard for 3 ticks ─► ping                nothing heard for 9 ticks        ─► end
//!   more control frames than a tick bears ─► end
//! ```
//!
//! Invariant: bytes that came are of a message that is whole, of a control frame, or of one message
//! that is not whole yet; the last are counted, so that fragments which never end do end.

use std::time::Duration;

/// The signs of life of one connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Ticks since something was said.
    unsaid: u32,
    /// Ticks since something was heard.
    unheard: u32,
    /// Ticks since a message began to come.
    unfinished: u32,
    /// Control frames in this tick, since the last message.
    controls: u32,
    /// Bytes that came until the last tick.
    bytes: u64,
    /// Bytes of what was whole.
    whole: u64,
}

/// What is due at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) alive: bool,
    pub(super) ping: bool,
}

/// Why a connection is not borne any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing came, not even the answer to a ping.
    Dead,
    /// A message did not come whole in time.
    TooSlow,
    /// Control frames, and nothing else.
    Flood,
}

impl Pulse {
    pub(super) fn said(&mut self) {
        self.unsaid = 0;
    }

    /// Whether the next tick finds that nothing was said for long.
    pub(super) fn is_silent(&self) -> bool {
        ALIVE_AFTER <= self.unsaid + 1
    }

    /// A message is whole; so many bytes came in all.
    pub(super) fn message(&mut self, bytes: u64) {
        (self.unfinished, self.controls, self.whole) = (0, 0, bytes);
    }

    /// A control frame with so much in it.
    pub(super) fn control(&mut self, payload_bytes: usize) -> Result<(), Over> {
        self.whole += CONTROL_HEAD_BYTES + payload_bytes as u64;
        self.controls += 1;
        if CONTROLS_PER_TICK_MAX < self.controls { Err(Over::Flood) } else { Ok(()) }
    }

    /// A tick; so many bytes came in all.
    pub(super) fn tick(&mut self, bytes: u64) -> Result<Due, Over> {
        self.controls = 0;
        self.unsaid += 1;
        self.unheard = if self.bytes < bytes { 0 } else { self.unheard + 1 };
        self.bytes = bytes;
        let is_whole = bytes <= self.whole;
        self.unfinished = if is_whole { 0 } else { self.unfinished + 1 };
        if UNHEARD_MAX <= self.unheard {
            return Err(Over::Dead);
        }
        if UNFINISHED_MAX < self.unfinished {
            return Err(Over::TooSlow);
        }
        let alive = ALIVE_AFTER <= self.unsaid;
        if alive {
            self.unsaid = 0;
        }
        Ok(Due { alive, ping: self.unheard != 0 && self.unheard.is_multiple_of(ALIVE_AFTER) })
    }
}

/// The time between two ticks.
pub(super) const TICK: Duration = Duration::from_secs(5);

/// Ticks in which something is said, if only that the connection is alive.
pub(super) const ALIVE_AFTER: u32 = 3;

/// Ticks in which something is heard, if only that a ping was.
const UNHEARD_MAX: u32 = 9;

/// Ticks in which a message comes whole.
const UNFINISHED_MAX: u32 = 6;

const CONTROLS_PER_TICK_MAX: u32 = 64;

/// Two bytes, and the mask that each client's frame has.
const CONTROL_HEAD_BYTES: u64 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Due = Due { alive: false, ping: false };

    #[test]
    fn a_silent_connection_is_told_that_it_lives_and_asked_whether_it_does() {
        let mut pulse = Pulse::default();
        for round in 1..=2 {
            assert_eq!([pulse.tick(0), pulse.tick(0)], [Ok(NOTHING); 2], "round {round}");
            assert_eq!(pulse.tick(0), Ok(Due { alive: true, ping: true }), "round {round}");
        }
        assert_eq!([pulse.tick(0), pulse.tick(0)], [Ok(NOTHING); 2]);
        assert_eq!(pulse.tick(0), Err(Over::Dead));
    }

    #[test]
    fn the_answer_to_a_ping_is_enough_to_live() {
        let mut pulse = Pulse::default();
        for bytes in (0..600_u64).step_by(6) {
            pulse.said();
            pulse.control(0).unwrap();
            assert_eq!(pulse.tick(bytes + 6), Ok(NOTHING));
        }
    }

    #[test]
    fn fragments_that_never_end_do_end() {
        let mut pulse = Pulse::default();
        let mut bytes = 100;
        pulse.message(bytes);
        for _ in 0..6 {
            bytes += 7;
            // Pongs between the fragments make none of them whole.
            pulse.control(3).unwrap();
            pulse.tick(bytes + 9).unwrap();
            bytes += 9;
        }
        assert_eq!(pulse.tick(bytes + 1), Err(Over::TooSlow));
    }

    #[test]
    fn a_message_that_comes_whole_begins_the_count_anew() {
        let mut pulse = Pulse::default();
        for round in 1..100 {
            let bytes = round * 10;
            pulse.tick(bytes - 5).unwrap();
            pulse.message(bytes);
            assert_eq!(pulse.unfinished, 0);
        }
    }

    #[test]
    fn a_tick_bears_so_many_control_frames() {
        let mut pulse = Pulse::default();
        for _ in 0..2 {
            for _ in 0..CONTROLS_PER_TICK_MAX {
                pulse.control(0).unwrap();
            }
            pulse.tick(u64::from(CONTROLS_PER_TICK_MAX) * 6).unwrap();
        }
        for _ in 0..CONTROLS_PER_TICK_MAX {
            pulse.control(125).unwrap();
        }
        assert_eq!(pulse.control(125), Err(Over::Flood));
    }
}
