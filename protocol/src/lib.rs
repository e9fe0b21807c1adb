//! What travels to and from a weir broker.
