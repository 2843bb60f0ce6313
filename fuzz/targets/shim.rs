//! See `gantline_fuzz::shim`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::shim(data));
