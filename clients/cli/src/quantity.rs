//! Sizes and times as people write them: `64MiB`, `7d`, `none`.
//!
//! What has no unit is in the unit of its setting's name: bytes, or milliseconds.

use thiserror::Error;
use weir_protocol::native::RETENTION_UNLIMITED;

/// Reads a number of bytes: `65536`, `64KiB`, `1GiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, QuantityError> {
    scaled(text, &BYTE_UNITS)
}

/// Reads milliseconds: `1500`, `90s`, `7d`.
pub(crate) fn milliseconds(text: &str) -> Result<u64, QuantityError> {
    scaled(text, &TIME_UNITS)
}

/// Reads a limit in bytes, or `none`.
pub(crate) fn bytes_or_none(text: &str) -> Result<u64, QuantityError> {
    if text == NONE { Ok(RETENTION_UNLIMITED) } else { bytes(text) }
}

/// Reads a limit in milliseconds, or `none`.
pub(crate) fn milliseconds_or_none(text: &str) -> Result<u64, QuantityError> {
    if text == NONE { Ok(RETENTION_UNLIMITED) } else { milliseconds(text) }
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum QuantityError {
    #[error("'{text}' is no whole number")]
    Number { text: String },
    #[error("'{unit}' is no unit here; use {units}")]
    Unit { unit: String, units: String },
    #[error("'{text}' is more than can be counted")]
    TooLarge { text: String },
}

/// A unit's name and how many of the smallest it is.
type Unit = (&'static str, u64);

const BYTE_UNITS: [Unit; 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

const TIME_UNITS: [Unit; 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const NONE: &str = "none";

fn scaled(text: &str, units: &[Unit]) -> Result<u64, QuantityError> {
    let ends = text.find(|character: char| !matches!(character, '0'..='9' | '_'));
    let (digits, unit) = text.split_at(ends.unwrap_or(text.len()));
    let unit = unit.trim();
    let digits: String = digits.chars().filter(|digit| *digit != '_').collect();
    if digits.is_empty() {
        return Err(QuantityError::Number { text: text.to_owned() });
    }
    let scale = match units.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => *scale,
        None if unit.is_empty() => 1,
        None => {
            let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            return Err(QuantityError::Unit { unit: unit.to_owned(), units: names.join(", ") });
        }
    };
    let too_large = || QuantityError::TooLarge { text: text.to_owned() };
    let number: u64 = digits.parse().map_err(|_| too_large())?;
    number.checked_mul(scale).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_multiply_and_bare_numbers_are_what_the_setting_says() {
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("1_048_576"), Ok(1 << 20));
        assert_eq!(bytes("64KiB"), Ok(64 << 10));
        assert_eq!(bytes("2 GiB"), Ok(2 << 30));
        assert_eq!(milliseconds("1500"), Ok(1_500));
        assert_eq!(milliseconds("90s"), Ok(90_000));
        assert_eq!(milliseconds("7d"), Ok(604_800_000));
    }

    #[test]
    fn none_is_a_limit_and_no_size() {
        assert_eq!(bytes_or_none("none"), Ok(RETENTION_UNLIMITED));
        assert_eq!(milliseconds_or_none("none"), Ok(RETENTION_UNLIMITED));
        assert_eq!(bytes_or_none("5"), Ok(5));
        assert!(bytes("none").is_err());
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        let number = |text: &str| QuantityError::Number { text: text.to_owned() };
        assert_eq!(bytes(""), Err(number("")));
        assert_eq!(bytes("-1"), Err(number("-1")));
        assert_eq!(bytes("_"), Err(number("_")));
        assert_eq!(
            bytes("3kg").unwrap_err().to_string(),
            "'kg' is no unit here; use B, KiB, MiB, GiB, TiB"
        );
        let large = "99999999999999999999";
        assert_eq!(bytes(large), Err(QuantityError::TooLarge { text: large.to_owned() }));
        assert!(matches!(bytes("99999999999TiB"), Err(QuantityError::TooLarge { .. })));
    }
}
