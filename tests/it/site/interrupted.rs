//! Signals at any moment: they end it or reach the script, and nothing is left behind.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::stick::{SHELLS, Site, site, site_with};
use crate::support::strace::{can_trace, ends_in_time, traced};
use crate::support::{PACK_SITE, shell};

const WAITS: &str = "#!/bin/sh
trap 'echo got INT; exit 41' INT
trap 'echo got TERM; exit 42' TERM
echo ready
i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done
exit 1
";

#[test]
fn signals_reach_the_script_and_its_exit_code_comes_out() {
    let site = site_with(WAITS);
    for shell in SHELLS {
        for (signal, code) in [("INT", 41), ("TERM", 42)] {
            let mut child = site.command(shell).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
            let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            std::io::BufRead::read_line(&mut out, &mut line).expect("read");
            assert_eq!(line, "ready\n");
            let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
            assert!(killed.expect("kill runs").success());
            let mut rest = String::new();
            std::io::Read::read_to_string(&mut out, &mut rest).expect("read");
            assert_eq!(child.wait().expect("ended").code(), Some(code), "{shell:?} {signal}");
            assert_eq!(rest, format!("got {signal}\n"));
            site.nothing_is_left();
        }
    }
}

#[test]
fn what_the_caller_ignores_stays_ignored() {
    let site = site_with(WAITS);
    let mut command = Command::new("env");
    command.args(["--ignore-signal=HUP,INT", "dash"]).arg(&site.bundle).env("TMPDIR", &site.tmp);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).expect("read");
    for signal in ["-HUP", "-INT", "-TERM"] {
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }
    assert_eq!(child.wait().expect("ended").code(), Some(42), "only SIGTERM arrives");
    site.nothing_is_left();
}

/// What the launcher does one after the other, before the script runs.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Its private folder is there.
    Begun,
    /// The runtime is being unpacked, or tried.
    Unpacking,
    /// The runtime has taken over from the shell, and listens to signals.
    Checking,
    /// The product's files are being written.
    Extracting,
}

impl Stage {
    const ALL: [Stage; 4] = [Stage::Begun, Stage::Unpacking, Stage::Checking, Stage::Extracting];

    /// Whether the launcher with this process ID has come so far.
    fn is_reached(self, tmp: &Path, pid: u32) -> bool {
        let home = fs::read_dir(tmp).expect("listed").next().map(|home| home.expect("an entry").path());
        let has = |name: &str| home.as_ref().and_then(|home| fs::metadata(home.join(name)).ok());
        match self {
            Stage::Begun => home.is_some(),
            Stage::Unpacking => has("pack").is_some_and(|runtime| runtime.len() > 0),
            Stage::Checking => {
                let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let status = read("status");
                let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
                let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
                let both = [rustix::process::Signal::TERM, rustix::process::Signal::QUIT];
                let catches = both.iter().all(|signal| caught >> (signal.as_raw() - 1) & 1 == 1);
                catches && read("cmdline").split('\0').nth(1) == Some("launch")
            }
            Stage::Extracting => has("files").is_some(),
        }
    }
}

#[test]
fn interrupted_before_the_script_runs_it_leaves_nothing_either() {
    let site = site_with(WAITS);
    for stage in Stage::ALL {
        for signal in ["-TERM", "-QUIT"] {
            let mut child = site.command(&["dash"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
            while !stage.is_reached(&site.tmp, child.id()) {
                assert!(child.try_wait().expect("asked").is_none(), "it ended before {stage:?}");
            }
            assert!(child.try_wait().expect("asked").is_none(), "it ended before it was interrupted, {stage:?}");
            shell(&site.stick, &format!("kill {signal} {}", child.id()));
            ends_in_time(&mut child, || format!("{stage:?} after {signal}"));
            site.nothing_is_left();
        }
    }
}

/// The signals that a terminal, a closed pipe, `ulimit` or an operator sends.
const SIGNALS: [&str; 6] = ["HUP", "INT", "QUIT", "PIPE", "TERM", "XFSZ"];

/// What `program` calls on a site, under `strace` with `options`.
fn calls_of(site: &Site, program: &[&str], options: &[&str]) -> String {
    traced(&site.stick, program, options, ("TMPDIR", &site.tmp)).1
}

/// Runs `program` once for each of 200 system calls, which one of the signals follows, and expects nothing to be left: its
/// first calls, or, of a launcher, every fifth of the last before the runtime takes over.
fn interrupt_after_each_call(program: &[&str]) {
    let site = site();
    let program = [program, &[site.bundle.to_str().expect("text"), "--", "a"]].concat();
    let trace = calls_of(&site, &program, &[]);
    let calls: Vec<&str> = trace.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    let start = calls.iter().position(|call| call.starts_with("execve(\"/proc/self/fd/9\""));
    let (chosen, step) = start.map_or((0..200, 1), |start| (start.saturating_sub(300)..start, 5));
    let mut before: HashMap<&str, usize> = HashMap::new();
    let (mut tried, mut sent) = (0, 0);
    for (number, line) in calls.iter().enumerate() {
        let call = line.split_once('(').map_or(*line, |(name, _)| name);
        // strace counts the calls of each name.
        let nth = before.entry(call).and_modify(|nth| *nth += 1).or_insert(1);
        if !chosen.contains(&number) || number % step != 0 {
            continue;
        }
        let mut signal = SIGNALS[number / step % SIGNALS.len()];
        // bash 5.2 itself sends SIGINT to itself for ever, in any script, where one comes in the very call that begins to
        // listen to it: the handler ends with going back to the one before, which it has not noted yet.
        if signal == "INT" && call == "rt_sigaction" {
            signal = "TERM";
        }
        let inject = format!("inject={call}:signal={signal}:when={nth}");
        let trace = calls_of(&site, &program, &["-e", &inject]);
        tried += 1;
        sent += usize::from(trace.contains(&format!("SIG{signal} {{si_signo")));
        site.nothing_is_left();
    }
    assert!(sent * 10 > tried * 9 && tried > 50, "{program:?}: {sent} signals of {tried} were sent");
}

#[test]
fn a_signal_after_any_system_call_leaves_nothing() {
    if !can_trace() {
        return;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| interrupt_after_each_call(&[PACK_SITE, "launch", "--bundle"]));
        for shell in SHELLS {
            scope.spawn(|| interrupt_after_each_call(shell));
        }
    });
}
