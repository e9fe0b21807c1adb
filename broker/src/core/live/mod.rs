//! Records as they come, for those who follow some of them: a record's key is its subject, and a
//! reader says by filters which subjects it wants.

mod filter;
mod filters;

pub(crate) use filter::Filter;
pub(crate) use filters::Filters;
