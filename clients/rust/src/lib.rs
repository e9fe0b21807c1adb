//! The Rust client of weir.
