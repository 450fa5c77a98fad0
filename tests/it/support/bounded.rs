//! A test in a process of its own, with a bound on its memory: a limit holds for a whole process, and the other
//! tests run in this one.

use std::any::type_name;
use std::env;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Says to the process that [`within`] starts that it is that one.
const INNER: &str = "PACK_TEST_BOUNDED";

/// Runs `test`, the body of the test that calls this, with at most `bytes` of address space.
pub fn within<T: FnOnce()>(bytes: u64, test: T) {
    if env::var_os(INNER).is_some() {
        let most = Some(bytes);
        setrlimit(Resource::As, Rlimit { current: most, maximum: most }).expect("a limit");
        return test();
    }
    let name = name_of::<T>();
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", name, "--test-threads=2", "--nocapture"])
        .env(INNER, "1")
        .output()
        .expect("it runs");
    let (out, err) = super::texts(&output);
    assert!(output.status.success() && out.contains("test result: ok. 1 passed"), "{name}\n{out}\n{err}");
}

/// The test in which a closure is written, as the test runner names it.
fn name_of<T>() -> &'static str {
    let (_, path) = type_name::<T>().split_once("::").expect("below the crate");
    path.split("::{{closure}}").next().expect("at least one")
}
