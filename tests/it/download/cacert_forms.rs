//! The forms of the file given with `--cacert`: what the real curl takes is taken.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::alone::SIZE;
use crate::support::fault::product::Product;
use crate::support::nginx::{Nginx, certificates};
use crate::support::noise;
use pack::fetch::Options;

/// The authority in OpenSSL's own form, with these options of `openssl x509`.
fn trusted(folder: &Path, options: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(["x509", "-trustout", "-in", "ca.pem"])
        .args(options)
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{options:?}");
    output.stdout
}

#[test]
fn a_file_of_certificates_is_read_as_curl_reads_it() {
    let nginx = Nginx::start(1, |root: &Path, ports: &[u16]| {
        certificates(root);
        fs::write(root.join("a"), noise(1, SIZE)).expect("written");
        let root = root.display();
        format!(
            "server {{ listen 127.0.0.1:{} ssl; ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem; \
             root {root}; }}",
            ports[0]
        )
    });
    let Some(nginx) = nginx else { return };
    let folder = nginx.folder.path();
    let pem = fs::read_to_string(folder.join("ca.pem")).expect("read");
    let given = folder.join("given.pem");
    let url: url::Url = format!("https://localhost:{}/a", nginx.port(0)).parse().expect("a URL");
    for (form, content, is_taken) in [
        ("as it is", pem.clone().into_bytes(), true),
        ("a byte order mark", format!("\u{feff}{pem}").into_bytes(), true),
        ("a byte order mark in the middle", format!("text\n\u{feff}{pem}").into_bytes(), false),
        ("X509 CERTIFICATE", pem.replace(" CERT", " X509 CERT").into_bytes(), true),
        ("TRUSTED CERTIFICATE", trusted(folder, &[]), true),
        ("with a name", trusted(folder, &["-setalias", "x"]), true),
        ("for servers", trusted(folder, &["-addtrust", "serverAuth"]), true),
        ("for anything", trusted(folder, &["-addtrust", "anyExtendedKeyUsage"]), true),
        ("for clients", trusted(folder, &["-addtrust", "clientAuth"]), false),
        ("not for servers", trusted(folder, &["-addreject", "serverAuth"]), false),
        ("not for clients", trusted(folder, &["-addreject", "clientAuth"]), true),
    ] {
        fs::write(&given, content).expect("written");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "-o", "/dev/null", "--cacert"]).arg(&given).arg(url.as_str());
        assert_eq!(curl.status().expect("curl runs").success(), is_taken, "{form}: curl");
        let options = Options { cacert: Some(given.clone()), ..Product::hurried() };
        let error = Product::of(&noise(1, SIZE), "a").download_with(&url, options).err();
        assert_eq!(error.is_none(), is_taken, "{form}: {error:?}");
    }
}
