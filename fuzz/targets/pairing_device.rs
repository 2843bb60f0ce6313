//! See `gantline_fuzz::pairing_device`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline_fuzz::pairing_device(data));
