//! What goes wrong while a broker lives, as the dice say: calls that fail, a disk that fills up, a
//! stage that stalls, a clock that jumps.

use weir_broker::clock::FakeClock;

use crate::book::BEGINNING_MS;
use crate::dice::Dice;
use crate::disk::SimDisk;

/// A year.
const YEAR_MS: i64 = 365 * 86_400_000;

/// The weather of a life.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// A stage that does not get to its work, for so many turns more.
    stalled: Option<(&'static str, u64)>,
    is_full: bool,
    was_bad: bool,
}

impl Weather {
    /// One turn of it; says whether the clock leapt.
    pub(crate) fn blow(&mut self, dice: &mut Dice, disk: &SimDisk, hand: &FakeClock) -> bool {
        self.stalled = self.stalled.take().filter(|(_, turns)| *turns != 0);
        if let Some((_, turns)) = &mut self.stalled {
            *turns -= 1;
        }
        match dice.below(1000) {
            0 => disk.fail_after(dice.below(60), 1 + dice.below(3)),
            1 | 2 => {
                disk.leave_room(dice.below(1 << 20));
                (self.is_full, self.was_bad) = (true, true);
            }
            3..7 if self.is_full => {
                disk.heal();
                self.is_full = false;
            }
            7..10 => {
                let stages = ["weir-commit", "weir-log", "weir-space", "weir-keeper"];
                self.stalled = Some((*dice.pick(&stages), dice.below(400)));
            }
            10 | 11 => {
                let jump = dice.below(2 * YEAR_MS as u64).cast_signed() - YEAR_MS;
                hand.set_wall_ms(BEGINNING_MS + jump);
                return true;
            }
            _ => {}
        }
        false
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear(&mut self, disk: &SimDisk) {
        disk.heal();
        (self.stalled, self.is_full) = (None, false);
    }

    /// Whether a stage gets to its work.
    pub(crate) fn lets(&self, stage: &str) -> bool {
        self.stalled.is_none_or(|(stalled, _)| stalled != stage)
    }

    /// Whether the broker may have found its disk failing or full.
    pub(crate) fn is_bad(&self, disk: &SimDisk) -> bool {
        self.was_bad || disk.failed() != 0
    }
}
