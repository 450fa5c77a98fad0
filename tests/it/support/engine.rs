//! A Docker Engine of a test's own, beside the machine's: it can be killed, and its store can be damaged.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub struct Engine {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Engine {
    /// Starts one; `None`, and a line that says so, where it takes another user or there is none.
    pub fn start() -> Option<Engine> {
        if !rustix::process::geteuid().is_root() {
            super::skip("a Docker Engine of its own needs root");
            return None;
        }
        if Command::new("dockerd").arg("--version").output().is_err() {
            super::skip("dockerd is not installed");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("engine").tempdir_in("/var/tmp").expect("a temporary folder");
        let mut engine = Engine { folder, daemon: None };
        engine.up();
        Some(engine)
    }

    /// Where it keeps everything.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What `DOCKER_HOST` has to be.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    pub fn up(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        let log = fs::File::create(at("log")).expect("a file");
        let daemon = Command::new("dockerd")
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["--host", &self.host(), "--bridge=none", "--iptables=false", "--storage-driver=overlay2"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.expect("dockerd starts"));
        let begun = Instant::now();
        while !self.docker(["info"]).status.success() {
            let log = || fs::read_to_string(at("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "dockerd does not answer:\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// It and the containerd that it has started are killed.
    pub fn kill(&mut self) {
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            let pid = fs::read_to_string(self.folder.path().join(pid)).unwrap_or_default();
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        // A reboot leaves none of it.
        let _ = fs::remove_dir_all(self.folder.path().join("exec"));
        let _ = fs::remove_file(self.folder.path().join("pid"));
    }

    pub fn docker(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        Command::new("docker").args(words).env("DOCKER_HOST", self.host()).output().expect("docker runs")
    }

    /// What `docker` answers; it must agree.
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.docker(words);
        let (out, err) = super::texts(&output);
        assert!(output.status.success(), "docker {words:?}\n{err}");
        out.trim().to_owned()
    }

    /// The folders in which the layers of an image lie, from the top down.
    pub fn layers(&self, image: &str) -> Vec<PathBuf> {
        let both = self.ask(&[
            "image",
            "inspect",
            "--format",
            "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}",
            image,
        ]);
        both.split(':').filter_map(|diff| Some(Path::new(diff).parent()?.to_owned())).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
        // Whatever it has mounted below its folder.
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in below.filter(|mount| Path::new(mount).starts_with(self.folder.path())) {
            let _ = Command::new("umount").args(["--lazy", mount]).status();
        }
    }
}
