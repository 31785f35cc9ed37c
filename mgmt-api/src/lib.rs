//! HTTP surface of Isthmus.
