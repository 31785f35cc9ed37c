//! Routes from all sources, selection of the best, publication to the forwarding table.
