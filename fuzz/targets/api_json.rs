//! See `gantline_fuzz::api_json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::api_json(data));
