//! Map layout and packet logic shared by the responder and its loader.
