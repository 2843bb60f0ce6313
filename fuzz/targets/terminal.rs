//! See `gantline_fuzz::terminal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::terminal(data));
