//! A disk whose power can be cut.
