//! The name of one damage: what a person repeats to go on without what it took.
//!
//! ```text
//!   CRC-64/NVME of   data directory's uuid | file's name | position | kind of damage
//!   shown as         8F03-61AC             the upper half
//! ```
//!
//! Of a file outside of the journal, the identity, there are the first two alone.
//!
//! A code is no secret. It is there so that a command typed for one damage, or for another
//! directory, does not give up what some other damage would take.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crc_fast::{CrcAlgorithm, Digest};

use super::verify::Damage;

/// Names one damage of one data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamageCode(u32);

impl DamageCode {
    pub(super) fn of(directory: &[u8; 16], file: &Path, position: u64, what: &Damage) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(directory);
        // Where the data directory lies is nothing to the damage: it may be looked at in a copy.
        let name = file.file_name().unwrap_or_default();
        digest.update(name.as_encoded_bytes());
        digest.update(&position.to_le_bytes());
        digest.update(format!("{what:?}").as_bytes());
        Self((digest.finalize() >> 32) as u32)
    }

    /// Names the damage of a file that is whole or not at all, outside of the journal.
    pub fn of_file(directory: &[u8; 16], file: &Path) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(directory);
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        Self((digest.finalize() >> 32) as u32)
    }
}

impl fmt::Display for DamageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}-{:04X}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

impl FromStr for DamageCode {
    type Err = NoCode;

    fn from_str(text: &str) -> Result<Self, NoCode> {
        let digits = text.replace('-', "");
        let is_code = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| is_code);
        code.map(Self).ok_or(NoCode)
    }
}

/// A text that names no damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight digits, as in 8F03-61AC; weir says it where it finds the damage")]
pub struct NoCode;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_one_damage_of_one_directory() {
        let file = Path::new("/data/journal/1.journal");
        let code = |directory: u8, file: &Path, position, what| {
            DamageCode::of(&[directory; 16], file, position, &what)
        };
        let one = code(1, file, 4096, Damage::BelowDurable);
        assert_eq!(one, code(1, Path::new("/copy/1.journal"), 4096, Damage::BelowDurable));
        for other in [
            code(2, file, 4096, Damage::BelowDurable),
            code(1, Path::new("/data/journal/2.journal"), 4096, Damage::BelowDurable),
            code(1, file, 4104, Damage::BelowDurable),
            code(1, file, 4096, Damage::SegmentMissing),
            code(1, file, 4096, Damage::IndexMissing { shard: 3 }),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().to_lowercase().parse(), Ok(one));
        for none in ["", "8F03-61A", "8F03-61ACC", "+F0361AC", "yes"] {
            assert_eq!(none.parse::<DamageCode>(), Err(NoCode), "{none}");
        }
    }
}
