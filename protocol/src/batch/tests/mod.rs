//! Tests of the batch: its layout by hand, the rest by properties.

mod layout;
