//! The journal: what makes everything durable, in one sequence of frames and one sync.
