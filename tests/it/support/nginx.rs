//! A real nginx on ports of its own, for as long as it lives.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses the part it needs")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// nginx in a folder of its own; stopped when dropped.
pub struct Nginx {
    process: Child,
    pub folder: tempfile::TempDir,
    ports: Vec<u16>,
}

impl Nginx {
    /// Starts nginx with what `servers` puts into `http { … }`, given the folder and as many free ports as
    /// `ports` says. `None`, and a line that says so, where there is no nginx.
    #[allow(clippy::print_stderr, reason = "whoever runs the tests should know what was not tested")]
    pub fn start(ports: usize, servers: impl Fn(&Path, &[u16]) -> String) -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI=true, and yet there is no nginx");
            eprintln!("SKIPPED: there is no nginx");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        // The workers of an nginx that root started are nobody: they must get in.
        Command::new("chmod").args(["-R", "a+rwX"]).arg(root).status().expect("chmod runs");
        // Bound and let go: nobody else takes them in this moment, for the system hands out others first.
        let held: Vec<_> = (0..ports).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<u16> = held.iter().map(|held| held.local_addr().expect("an address").port()).collect();
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", root.display()))
            .collect();
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;\nevents {{ }}\nhttp {{\naccess_log \
             {0}/access.log;\n{temp}{1}\n}}\n",
            root.display(),
            servers(root, &ports)
        );
        let path = root.join("nginx.conf");
        fs::write(&path, config).expect("written");
        // Making what is served may have taken seconds.
        drop(held);
        let process = Command::new("nginx").arg("-c").arg(&path).arg("-e").arg(root.join("error.log")).spawn();
        let mut nginx = Nginx { process: process.expect("nginx starts"), folder, ports };
        for port in nginx.ports.clone() {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                let over = nginx.process.try_wait().expect("a state");
                assert!(over.is_none(), "{}", fs::read_to_string(nginx.path("error.log")).unwrap_or_default());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // One that was taken all the same: nginx listens to the others, tries again for a while, and ends.
        if fs::read_to_string(nginx.path("error.log")).is_ok_and(|log| log.contains("bind() to")) {
            return Self::start(nginx.ports.len(), servers);
        }
        Some(nginx)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn port(&self, place: usize) -> u16 {
        self.ports[place]
    }

    pub fn url(&self, place: usize, path: &str) -> url::Url {
        format!("http://127.0.0.1:{}/{path}", self.ports[place]).parse().expect("a URL")
    }

    /// What was asked so far, a line each.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("access.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A certificate authority and a certificate that it gave to `localhost`: `ca.pem`, `cert.pem`, `key.pem`.
pub fn certificates(folder: &Path) {
    let run = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output().expect("openssl runs");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"));
    run(&format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"));
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("written");
    run("x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem");
}
