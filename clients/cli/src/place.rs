//! Where reading begins, as `--from` takes it.
//!
//! ```text
//! earliest                   the first record that is kept
//! latest                     only what comes from now on
//! 1234                       the record of this offset
//! 2026-01-31T12:00:00Z       the first record stamped at or after this time
//! 2026-01-31, 2026-01-31T12  the same, in the time zone of this machine
//! 15m ago                    the same, counted back from now
//! ```

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::quantity;

/// A place to begin reading at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Earliest,
    Latest,
    Offset(u64),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Place {
    /// Reads `text`, which may count back from `now`.
    fn parse(text: &str, now: Timestamp) -> Result<Self, PlaceError> {
        let unknown = || PlaceError { text: text.to_owned() };
        match text {
            "earliest" => return Ok(Self::Earliest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        if let Some(back) = text.strip_suffix("ago") {
            let back_ms = quantity::milliseconds(back.trim_end()).map_err(|_| unknown())?;
            let back = SignedDuration::from_millis(i64::try_from(back_ms).map_err(|_| unknown())?);
            let then = now.checked_sub(back).map_err(|_| unknown())?;
            return Ok(Self::Time(then.as_millisecond()));
        }
        let then = match text.parse::<Timestamp>() {
            Ok(then) => then,
            Err(_) => {
                let local = text.parse::<DateTime>().map_err(|_| unknown())?;
                local.to_zoned(TimeZone::system()).map_err(|_| unknown())?.timestamp()
            }
        };
        Ok(Self::Time(then.as_millisecond()))
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        Self::parse(text, Timestamp::now())
    }
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{text}' is no place to begin at; use earliest, latest, an offset, a time such as \
     2026-01-31T12:00:00Z, or '15m ago'"
)]
pub(crate) struct PlaceError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<Place, PlaceError> {
        Place::parse(text, Timestamp::from_millisecond(1_700_000_000_000).unwrap())
    }

    #[test]
    fn ends_offsets_and_times_are_told_apart() {
        assert_eq!(place("earliest"), Ok(Place::Earliest));
        assert_eq!(place("latest"), Ok(Place::Latest));
        assert_eq!(place("0"), Ok(Place::Offset(0)));
        assert_eq!(place("18446744073709551615"), Ok(Place::Offset(u64::MAX)));
        assert_eq!(place("1970-01-01T00:00:01.5Z"), Ok(Place::Time(1_500)));
        assert_eq!(place("1970-01-01T02:00:00+02:00"), Ok(Place::Time(0)));
    }

    #[test]
    fn a_time_may_be_counted_back_from_now() {
        assert_eq!(place("15m ago"), Ok(Place::Time(1_700_000_000_000 - 900_000)));
        assert_eq!(place("2dago"), Ok(Place::Time(1_700_000_000_000 - 172_800_000)));
    }

    #[test]
    fn a_time_without_a_zone_is_of_this_machine() {
        let midnight = place("2026-01-31").unwrap();
        assert_eq!(midnight, place("2026-01-31T00:00").unwrap());
        let local: DateTime = "2026-01-31T00:00:00".parse().unwrap();
        let here = local.to_zoned(TimeZone::system()).unwrap();
        assert_eq!(midnight, Place::Time(here.timestamp().as_millisecond()));
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_would_be() {
        for text in ["", "first", "-1", "1.5", "ago", "x ago", "2026-13-01", "18446744073709551616"]
        {
            let refused = place(text).unwrap_err().to_string();
            assert!(refused.contains("use earliest, latest"), "{text}: {refused}");
        }
    }
}
