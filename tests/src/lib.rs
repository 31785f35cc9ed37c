//! System tests of Isthmus.
