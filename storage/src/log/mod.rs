//! One partition's log: what readers read.
