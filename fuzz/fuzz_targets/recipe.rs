#![no_main]

use std::io;
use std::process::exit;

// As `pack` does it: what a recipe asks for is bounded by a child process, which is this program.
fn start() {
    if let Some(done) = pack::image::serve_confined(io::stdin().lock(), io::stdout().lock()) {
        exit(i32::from(done.is_err()));
    }
    pack::image::confine(|| pack::image::confined("/proc/self/exe"));
    pack::image::silence_caught_panics();
}

libfuzzer_sys::fuzz_target!(init: start(), |data: &[u8]| pack::fuzzing::recipe(data));
