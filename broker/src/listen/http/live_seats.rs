//! How many live readers there may be, in all and from one address.
//!
//! Knows an address and no stream; every face that sends records as they come takes its seats here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::code::Code;

use super::problem::Problem;
use crate::metrics::IntGauge;

/// The seats. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct LiveSeats {
    taken: Arc<Mutex<Taken>>,
    readers_max: usize,
    per_address_max: usize,
    /// The limit, for who raises it.
    limit: &'static str,
    /// Those that are taken.
    gauge: IntGauge,
}

/// Who sits.
///
/// Invariant: `all` is the sum of `by_address`, none of which is 0.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to be a live reader; free again when dropped.
#[derive(Debug)]
pub(super) struct LiveSeat {
    seats: LiveSeats,
    address: IpAddr,
}

impl LiveSeats {
    pub(super) fn new(
        limit: &'static str,
        readers_max: usize,
        per_address_max: usize,
        gauge: IntGauge,
    ) -> Self {
        Self { taken: Arc::default(), readers_max, per_address_max, limit, gauge }
    }

    /// A seat for who comes from this address.
    ///
    /// # Errors
    /// There is none; one gets free when somebody leaves.
    pub(super) fn take(&self, address: IpAddr) -> Result<LiveSeat, Problem> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock();
        if self.readers_max <= taken.all {
            return Err(full(&format!(
                "the broker has as many live readers as it may: come back in a while, or raise {}",
                self.limit
            )));
        }
        let of_address = taken.by_address.entry(address).or_default();
        if self.per_address_max <= *of_address {
            return Err(full(
                "your address has as many live readers as one may: follow several topics on one \
                 stream, or raise limits.live_connections_per_address_max",
            ));
        }
        *of_address += 1;
        taken.all += 1;
        self.gauge.inc();
        drop(taken);
        Ok(LiveSeat { seats: self.clone(), address })
    }
}

impl Drop for LiveSeat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        taken.all -= 1;
        if let Entry::Occupied(mut of_address) = taken.by_address.entry(self.address) {
            *of_address.get_mut() -= 1;
            if *of_address.get() == 0 {
                of_address.remove();
            }
        }
        self.seats.gauge.dec();
    }
}

fn full(why: &str) -> Problem {
    Problem::new(Code::Overloaded, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn seats_are_limited_in_all_and_for_an_address_and_come_free() {
        let seats = LiveSeats::new("limits.x", 3, 2, Metrics::new().deliver.sse_connections);
        let of = |last: u8| IpAddr::from([10, 0, 0, last]);
        let first = seats.take(of(1)).unwrap();
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let second = seats.take(mapped).unwrap();
        assert!(seats.take(of(1)).is_err());
        let third = seats.take(of(2)).unwrap();
        assert!(seats.take(of(3)).is_err());
        drop(second);
        drop((third, seats.take(of(1)).unwrap()));
        drop(first);
        assert!(seats.taken.lock().by_address.is_empty());
    }
}
