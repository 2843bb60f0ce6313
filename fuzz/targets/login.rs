//! See `gantline_fuzz::login`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::login(data));
