//! A program under `strace`: what it calls, and what a call is made to do.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use super::{interruptible, shell, skip};

/// Whether `strace` is there; a line that says so where it is not.
pub fn can_trace() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        skip("what calls what is seen by strace, which is not installed");
    }
    found
}

/// Runs `program` in `folder` under `strace` with `options`, and with this variable in its environment: what came of it, and
/// what it called, a line each.
pub fn traced(folder: &Path, program: &[&str], options: &[&str], variable: (&str, &Path)) -> (Output, String) {
    let log = folder.join("log");
    // No pipes: what is left behind may hold them open.
    let mut said = [0, 1].map(|_| tempfile::tempfile().expect("a temporary file"));
    let mut command = interruptible("strace");
    command.arg("-o").arg(&log).args(options).args(program);
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("PACK_TMPDIR").env(variable.0, variable.1);
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(said[0].try_clone().expect("a file")).stderr(said[1].try_clone().expect("a file"));
    let mut child = command.spawn().expect("strace runs");
    let last = || shell(folder, "tail log");
    let status = ends_in_time(&mut child, || format!("{program:?} with {options:?}; its calls:\n{}", last()));
    let [stdout, stderr] = said.each_mut().map(whole);
    (Output { status, stdout, stderr }, fs::read_to_string(log).expect("a log"))
}

fn whole(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("read");
    bytes
}

/// Waits for `child`, and shows what waits for what where that takes too long for anything but a deadlock.
pub fn ends_in_time(child: &mut Child, what: impl Fn() -> String) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("asked") {
            return status;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            let processes = shell(Path::new("/"), "ps -e -o pid,ppid,stat,wchan:24,args --forest | tail -n 60");
            // Where it leads a group, with all of it: what strace held would go on by itself.
            shell(Path::new("/"), &format!("kill -s KILL -- -{0} 2>/dev/null || kill -s KILL {0}", child.id()));
            panic!("still there: {}\n{processes}", what());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
