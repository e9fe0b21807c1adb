//! What a weir broker keeps on disk.
