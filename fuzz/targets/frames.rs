//! See `gantline_fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::frames(data));
