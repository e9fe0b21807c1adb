//! The commands of the `weir` binary.
