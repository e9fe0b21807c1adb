//! One filter over subjects: parsed once, valid ever after.
//!
//! A subject is a record's key, in levels that dots divide. A filter has levels too:
//!
//! ```text
//!   orders.42       this subject alone
//!   orders.*.eu     `*`: any one level
//!   orders.>        `>`, last: one level or more
//! ```
//!
//! The wildcards are NATS's. One that is only a part of its level is refused: it would look like a
//! pattern and be none.

use weir_protocol::limits::{FILTER_BYTES_MAX, FILTER_LEVELS_MAX};

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(super) levels: Vec<Level>,
}

/// What a filter has in a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Is(Box<[u8]>),
    Any,
    /// This level and all behind it.
    Rest,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("a filter of {bytes} bytes; it may have 1 to {FILTER_BYTES_MAX}")]
    Length { bytes: usize },
    #[error("a filter of {levels} levels; it may have 1 to {FILTER_LEVELS_MAX}")]
    TooManyLevels { levels: usize },
    #[error("level {level} of the filter is empty: write '*' for any one level")]
    EmptyLevel { level: usize },
    #[error("'>' stands for all levels that follow, and has to be the filter's last level")]
    RestNotLast,
    #[error("level {level} of the filter has a wildcard beside other characters: it stands alone")]
    PartOfLevel { level: usize },
}

impl Filter {
    /// Takes `text` if it is a filter.
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() || FILTER_BYTES_MAX < text.len() {
            return Err(FilterError::Length { bytes: text.len() });
        }
        let count = text.split('.').count();
        if FILTER_LEVELS_MAX < count {
            return Err(FilterError::TooManyLevels { levels: count });
        }
        let mut levels = Vec::with_capacity(count);
        for (level, text) in (1..).zip(text.split('.')) {
            levels.push(match text {
                "" => return Err(FilterError::EmptyLevel { level }),
                "*" => Level::Any,
                ">" if level == count => Level::Rest,
                ">" => return Err(FilterError::RestNotLast),
                _ if text.contains(['*', '>']) => return Err(FilterError::PartOfLevel { level }),
                _ => Level::Is(text.as_bytes().into()),
            });
        }
        Ok(Self { levels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_filter_is_refused_with_what_is_wrong() {
        let refused = |text: &str| Filter::parse(text).unwrap_err();
        assert_eq!(refused(""), FilterError::Length { bytes: 0 });
        assert_eq!(refused(&"a".repeat(2_000)), FilterError::Length { bytes: 2_000 });
        let deep = vec!["a"; 40].join(".");
        assert_eq!(refused(&deep), FilterError::TooManyLevels { levels: 40 });
        assert_eq!(refused("a..b"), FilterError::EmptyLevel { level: 2 });
        assert_eq!(refused("a."), FilterError::EmptyLevel { level: 2 });
        assert_eq!(refused(">.a"), FilterError::RestNotLast);
        assert_eq!(refused("a.b*"), FilterError::PartOfLevel { level: 2 });
        assert_eq!(refused("a.>b"), FilterError::PartOfLevel { level: 2 });
        for text in ["a", "*", ">", "a.*.c.>", "raumüberwachung.1"] {
            assert!(Filter::parse(text).is_ok(), "{text}");
        }
    }
}
