#![no_main]

libfuzzer_sys::fuzz_target!(init: pack::image::silence_caught_panics(), |data: &[u8]| pack::fuzzing::recipe(data));
