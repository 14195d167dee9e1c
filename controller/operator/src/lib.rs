//! The operator: hands out addresses and decides which node holds each.
