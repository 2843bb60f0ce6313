//! Where pipes come in.
