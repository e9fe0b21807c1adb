//! The names in a data directory: what belongs there, what does not, and whose it is.
//!
//! Opens nothing. What is in the files is told by those who wrote them.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use weir_protocol::id::TopicId;

use super::finding::{Effect, Finding, Severity};
use super::telling::Telling;
use super::watcher::{CheckedFile, Part};
use crate::directory::lost::LOST;
use crate::directory::{
    CHECKPOINTS, CLEAN, IDENTITY, IDENTITY_NEW, JOURNAL, LOCK, RESERVE, TOPICS,
};
use crate::disk::{Disk, Facts, NodeKind, Owner};
use crate::errors::{DiskError, Naming};
use crate::log::audit::is_of_a_log;

/// The bytes of all files below `path`.
pub(super) fn measure(disk: &dyn Disk, path: &Path) -> Result<u64, DiskError> {
    let mut bytes = 0;
    for name in disk.list(path).naming("list", path)? {
        let path = path.join(name);
        let Some(facts) = facts(disk, &path)? else { continue };
        bytes += match facts.kind {
            NodeKind::Directory => measure(disk, &path)?,
            _ => facts.bytes,
        };
    }
    Ok(bytes)
}

/// Tells of every name that should not be there, or not so.
pub(super) fn look(
    disk: &dyn Disk,
    path: &Path,
    telling: &mut Telling<'_>,
) -> Result<(), DiskError> {
    folder(disk, path, Level::Root, telling)
}

/// How deep in a data directory a folder lies, which decides what may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Root,
    Journal,
    Checkpoints,
    Topics,
    Topic,
    Log,
}

/// What a name says of the thing it should name.
enum Meant {
    File,
    Folder(Level),
    /// A file that a crash may have left.
    Leftover,
    /// What somebody put aside, or the file system did.
    Aside,
    Foreign,
}

fn folder(
    disk: &dyn Disk,
    path: &Path,
    level: Level,
    telling: &mut Telling<'_>,
) -> Result<(), DiskError> {
    for name in disk.list(path).naming("list", path)? {
        let path = path.join(&name);
        let Some(facts) = facts(disk, &path)? else { continue };
        let meant = meant(level, &name);
        let wanted = match meant {
            Meant::File => NodeKind::File,
            Meant::Folder(_) => NodeKind::Directory,
            Meant::Leftover => {
                let what = "it was being written when the process ended";
                telling.finding(&path, Finding::new(Severity::Leftover, Effect::Removes, what));
                continue;
            }
            Meant::Aside => continue,
            Meant::Foreign => {
                let what = format!("{} that is not weir's", facts.kind);
                telling.finding(&path, Finding::new(Severity::Note, Effect::Ignores, what));
                continue;
            }
        };
        if facts.kind != wanted {
            let what = format!("{} where {wanted} of weir's should be", facts.kind);
            telling.finding(&path, Finding::new(Severity::Damage, Effect::Stops, what));
            continue;
        }
        ownership(&path, level, &name, &facts, telling);
        if let Meant::Folder(level) = meant {
            folder(disk, &path, level, telling)?;
        } else if level == Level::Root {
            let (bytes, part) = (facts.bytes, Part::Directory);
            telling.progress(bytes);
            telling.file(CheckedFile { path, part, bytes, ..CheckedFile::default() });
        }
    }
    Ok(())
}

fn ownership(path: &Path, level: Level, name: &OsStr, facts: &Facts, telling: &mut Telling<'_>) {
    if let Owner::Other { owner, us } = facts.owner {
        let what = format!("it belongs to user {owner}, and this is user {us}");
        // A start goes by the identity's owner: whoever wrote that wrote the rest.
        let finding = match level == Level::Root && name == IDENTITY {
            true => Finding::new(Severity::Damage, Effect::Stops, what),
            false => Finding::new(Severity::Note, Effect::Ignores, what),
        };
        telling.finding(path, finding);
    }
    let needed = if facts.kind == NodeKind::Directory { 0o700 } else { 0o600 };
    if facts.mode != needed {
        let mode = facts.mode;
        let what = format!("its mode is {mode:04o}, and weir makes such with {needed:04o}");
        telling.finding(path, Finding::new(Severity::Note, Effect::Ignores, what));
    }
}

fn meant(level: Level, name: &OsStr) -> Meant {
    let Some(name) = name.to_str() else { return Meant::Foreign };
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let has_20_digits = |name: &str| name.len() == 20 && is_number(name);
    let file_if = |is_ours: bool| if is_ours { Meant::File } else { Meant::Foreign };
    match level {
        Level::Root => match name {
            IDENTITY | LOCK | CLEAN | RESERVE | "listen.json" => Meant::File,
            JOURNAL => Meant::Folder(Level::Journal),
            CHECKPOINTS => Meant::Folder(Level::Checkpoints),
            TOPICS => Meant::Folder(Level::Topics),
            IDENTITY_NEW => Meant::Leftover,
            name if name.starts_with(LOST) => Meant::Aside,
            _ => Meant::Foreign,
        },
        Level::Journal => file_if(name.strip_suffix(".journal").is_some_and(has_20_digits)),
        Level::Checkpoints => match name.strip_suffix(".new") {
            Some(number) if has_20_digits(number) => Meant::Leftover,
            _ => file_if(has_20_digits(name)),
        },
        Level::Topics if name.parse::<TopicId>().is_ok() => Meant::Folder(Level::Topic),
        Level::Topic if is_number(name) => Meant::Folder(Level::Log),
        Level::Log => file_if(is_of_a_log(OsStr::new(name))),
        Level::Topics | Level::Topic => Meant::Foreign,
    }
}

/// What lies under a name, unless it went meanwhile.
fn facts(disk: &dyn Disk, path: &Path) -> Result<Option<Facts>, DiskError> {
    match disk.facts(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        facts => facts.naming("look at", path).map(Some),
    }
}
