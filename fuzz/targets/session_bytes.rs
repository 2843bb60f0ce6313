//! See `gantline_fuzz::session_bytes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::session_bytes(data));
