//! The node's own embedded stack.
