//! Measurements of the hot paths.
