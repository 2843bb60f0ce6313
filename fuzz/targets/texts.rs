//! See `gantline_fuzz::texts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::texts(data));
