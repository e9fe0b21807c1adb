//! Members whose committed offsets are out of range: their records were deleted meanwhile.

use weir_compat::broker::Broker;
use weir_compat::family::Family;
use weir_compat::topic;

use super::groups::{Members, PARTITIONS, produce};

/// Records that [`produce`] sends to each partition.
const ROUND: i64 = 5;

/// Records of the second round that are deleted before anybody reads them.
const DELETED: i64 = 2;

#[test]
fn a_member_goes_on_at_the_first_record_that_is_left_when_those_it_was_to_read_are_gone() {
    let broker = Broker::start();
    for family in Family::installed() {
        let topic = format!("reset-{family}");
        broker.create(std::slice::from_ref(&topic), PARTITIONS as u32);
        let mut members = Members::new(&broker, &topic, &topic);
        members.join(family);
        members.until_each_has(&[PARTITIONS as usize]);
        members.until_read(&produce(&broker, &topic, "read in time"));
        members.leave_all();

        let missed = produce(&broker, &topic, "some of it deleted");
        for partition in 0..PARTITIONS {
            topic::delete_records(broker.kafka(), &topic, partition, ROUND + DELETED);
        }
        // They are sent to the partitions in turn: the first of each are the first of all.
        let left = &missed[(DELETED * i64::from(PARTITIONS)) as usize..];
        members.join(family);
        members.until_each_has(&[PARTITIONS as usize]);
        members.until_read(left);
        members.leave_all();
    }
}
