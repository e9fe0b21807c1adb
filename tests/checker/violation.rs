//! What a rule found, and the list of places that may break one.
//!
//! An exception names one rule, one file and its reason. It must be needed: one that nothing breaks
//! any more is itself a violation, so the list can only shrink.

use std::fmt;

/// The rules, as an exception names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An import that the floors do not allow, or a module that stands on no floor.
    Floor,
    /// A crate or a std module used where it does not belong.
    Crate,
    /// A word that the decisions in a plain file may not hold.
    Plain,
    FileLength,
    LineLength,
    ModuleDocs,
    Name,
    Unsafe,
    /// A mark of unfinished work, or a test that is skipped or sleeps.
    Unfinished,
    /// A document that names what is not there, or does not name what is.
    Document,
    /// A dependency that no code names.
    Manifest,
    /// An exception that is no longer needed.
    Exception,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) says: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {:?}: {}", self.file, self.line, self.rule, self.says)
    }
}

/// One file that may break one rule, and why.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) rule: Rule,
    pub(crate) file: &'static str,
    pub(crate) why: &'static str,
}

/// What is left of `found` after the exceptions, and the exceptions that covered nothing.
pub(crate) fn unexcused(found: Vec<Violation>, exceptions: &[Exception]) -> Vec<Violation> {
    let covers = |exception: &Exception, violation: &Violation| {
        exception.rule == violation.rule && exception.file == violation.file
    };
    let unneeded = exceptions
        .iter()
        .filter(|exception| !found.iter().any(|violation| covers(exception, violation)))
        .map(|exception| Violation {
            rule: Rule::Exception,
            file: exception.file.to_owned(),
            line: 1,
            says: format!(
                "breaks {:?} no longer; delete its exception ({})",
                exception.rule, exception.why
            ),
        })
        .collect::<Vec<_>>();
    found
        .into_iter()
        .filter(|violation| !exceptions.iter().any(|exception| covers(exception, violation)))
        .chain(unneeded)
        .collect()
}
