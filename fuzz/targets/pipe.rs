//! See `gantline_fuzz::pipe`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::pipe(data));
