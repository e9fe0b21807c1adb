//! A partition's log on a disk whose power is cut, beside a plain list of what was applied.
//!
//! The list plays the journal too: after each crash the log is set back to an end that a flush
//! returned, on what the disk kept, and everything is applied again. While nobody has it open a bit
//! of its files may be another one: what is served is right all the same, or refused.

mod damage;
mod driver;
mod plain;

use proptest::prelude::*;

use damage::Flip;
use driver::{Driver, Op};

fn op() -> impl Strategy<Value = Op> {
    let append = (1..6_u32, 0..3000_usize, -50..100_i64)
        .prop_map(|(records, bytes, later_ms)| Op::Append { records, bytes, later_ms });
    let read = (0.0..1.0, 0..20_000_u64, 0..20_u64, any::<bool>()).prop_map(
        |(at, bytes_max, messages_max, must_go)| Op::Read { at, bytes_max, messages_max, must_go },
    );
    prop_oneof![
        20 => append,
        8 => read,
        4 => (0.0..1.2).prop_map(|at| Op::FindTime { at }),
        2 => Just(Op::Grow),
        2 => Just(Op::Seal),
        2 => Just(Op::Flush),
        1 => (0.0..1.3).prop_map(|at| Op::SetStart { at }),
        2 => any::<bool>().prop_map(|late| Op::Rest { late }),
        1 => Just(Op::Delete),
        1 => (1..100_u64).prop_map(|offsets| Op::Gap { offsets }),
        1 => Just(Op::StartEpoch),
        1 => (0..3000_usize).prop_map(|bytes| Op::AppendOnFullDisk { bytes }),
        1 => any::<bool>().prop_map(|to_older| Op::Restart { to_older }),
        1 => (any::<u64>(), any::<bool>())
            .prop_map(|(seed, to_older)| Op::CutPower { seed, to_older }),
        1 => (0.0..1.0, 0.0..1.0, 0..8_u8)
            .prop_map(|(file, byte, bit)| Op::Damage(Flip { file, byte, bit })),
    ]
}

proptest! {
    #[test]
    fn a_log_answers_as_a_plain_list_does(ops in proptest::collection::vec(op(), 1..150)) {
        let mut driver = Driver::new();
        for op in &ops {
            driver.run(op);
        }
        driver.check_everything();
    }
}
