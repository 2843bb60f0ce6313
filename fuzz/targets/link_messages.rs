//! See `gantline_fuzz::link_messages`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::link_messages(data));
