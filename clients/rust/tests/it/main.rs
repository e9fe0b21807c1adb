//! The client against a broker that does what each test says, good or bad.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod fake;

mod connect;
mod consume;
mod numbered;
mod produce;
