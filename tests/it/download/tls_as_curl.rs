//! A certificate given with `--cacert` is trusted as curl trusts it. The real curl is asked beside each download.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::alone::SIZE;
use crate::support::fault::product::Product;
use crate::support::nginx::Nginx;
use crate::support::noise;
use pack::error::Error;
use pack::fetch::Options;

/// Makes a server's certificate in a folder: `key.pem`, `cert.pem`, and what is given, `given.pem`.
type Make = fn(&Path);

/// What is expected of pack. Of curl the same, except where pack is stricter.
enum Expected {
    Trusted,
    Refused(&'static str),
    /// curl trusts it. The hint has the way out.
    Stricter(&'static str, &'static str),
}

use Expected::{Refused, Stricter, Trusted};

fn openssl(folder: &Path, words: &str) {
    let output =
        Command::new("openssl").args(words.split_whitespace()).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const SAN: &str = "subjectAltName=DNS:localhost";

/// Signs for itself, with these options of `openssl req`, and is given itself.
fn itself(folder: &Path, key: &str, options: &str) {
    openssl(folder, &format!("req -x509 {key} -keyout key.pem -out cert.pem -days 2 {options}"));
    fs::copy(folder.join("cert.pem"), folder.join("given.pem")).expect("copied");
}

/// Signs for itself by `openssl ca`, which takes dates.
fn dated(folder: &Path, name: &str, out: &str, [start, end]: [&str; 2]) {
    let config = "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
                  policy=any\ncopy_extensions=copy\nx509_extensions=more\n[any]\ncommonName=supplied\n[more]\n\
                  basicConstraints=CA:TRUE\n";
    fs::write(folder.join("config"), config).expect("written");
    fs::write(folder.join("index.txt"), "").expect("written");
    openssl(folder, &format!("req {EC} -keyout {out}.key -out request.pem -subj /CN={name} -addext {SAN}"));
    openssl(
        folder,
        &format!(
            "ca -config config -batch -selfsign -keyfile {out}.key -notext -in request.pem -out {out}.pem -startdate \
             {start} -enddate {end}"
        ),
    );
}

/// Signed by `given.pem`, whose key is `given.key`, with these lines of extensions; of version 1 without any.
fn signed(folder: &Path, extensions: &str) {
    openssl(folder, &format!("req {EC} -keyout key.pem -out request.pem -subj /CN=localhost"));
    let sign = "x509 -req -in request.pem -CA given.pem -CAkey given.key -CAcreateserial -days 2 -out cert.pem";
    if extensions.is_empty() {
        return openssl(folder, sign);
    }
    fs::write(folder.join("extensions"), extensions).expect("written");
    openssl(folder, &format!("{sign} -extfile extensions"));
}

fn authority(folder: &Path, options: &str) {
    openssl(folder, &format!("req -x509 {EC} -keyout given.key -out given.pem -days 2 -subj /CN=authority {options}"));
}

/// Signs for itself, and has no extension at all.
fn version_1(folder: &Path, name: &str, out: &str) {
    openssl(folder, &format!("req {EC} -keyout {out}.key -out request.pem -subj /CN={name}"));
    openssl(folder, &format!("x509 -req -in request.pem -signkey {out}.key -days 2 -out {out}.pem"));
}

fn itself_of(folder: &Path, out: &str) {
    fs::rename(folder.join(format!("{out}.key")), folder.join("key.pem")).expect("renamed");
    fs::copy(folder.join(format!("{out}.pem")), folder.join("cert.pem")).expect("copied");
    fs::rename(folder.join(format!("{out}.pem")), folder.join("given.pem")).expect("renamed");
}

const PAST: [&str; 2] = ["20200101000000Z", "20210101000000Z"];
const FUTURE: [&str; 2] = ["20900101000000Z", "20910101000000Z"];

/// A case, the host in the URL, how its certificate is made, and what comes of it.
const CASES: &[(&str, &str, Make, Expected)] = &[
    ("openssl's default", "localhost", |f| itself(f, EC, &format!("-subj /CN=x -addext {SAN}")), Trusted),
    (
        "openssl's default, RSA",
        "localhost",
        |f| itself(f, "-newkey rsa:2048 -nodes", &format!("-subj /CN=x -addext {SAN}")),
        Trusted,
    ),
    (
        "openssl's default, P-384",
        "localhost",
        |f| itself(f, &EC.replace("256", "384"), &format!("-subj /CN=x -addext {SAN}")),
        Trusted,
    ),
    (
        "CA:FALSE",
        "localhost",
        |f| itself(f, EC, &format!("-subj /CN=x -addext {SAN} -addext basicConstraints=CA:FALSE")),
        Trusted,
    ),
    (
        "version 1",
        "localhost",
        |f| {
            version_1(f, "localhost", "own");
            itself_of(f, "own");
        },
        Trusted,
    ),
    ("a common name only", "localhost", |f| itself(f, EC, "-subj /CN=LocalHost"), Trusted),
    ("the last common name", "localhost", |f| itself(f, EC, "-subj /CN=other.example/CN=localhost"), Trusted),
    ("not the first", "localhost", |f| itself(f, EC, "-subj /CN=localhost/CN=other.example"), Refused("another host")),
    ("an address as common name", "127.0.0.1", |f| itself(f, EC, "-subj /CN=127.0.0.1"), Trusted),
    ("an address", "127.0.0.1", |f| itself(f, EC, "-subj /CN=x -addext subjectAltName=IP:127.0.0.1"), Trusted),
    (
        "an address as a name",
        "127.0.0.1",
        |f| itself(f, EC, "-subj /CN=x -addext subjectAltName=DNS:127.0.0.1"),
        Refused("another host"),
    ),
    (
        "an alternative name that is no host's",
        "localhost",
        |f| itself(f, EC, "-subj /CN=localhost -addext subjectAltName=email:a@b.example"),
        Trusted,
    ),
    ("another common name", "localhost", |f| itself(f, EC, "-subj /CN=other.example"), Refused("another host")),
    (
        "another alternative name",
        "localhost",
        |f| itself(f, EC, "-subj /CN=localhost -addext subjectAltName=DNS:other.example"),
        Refused("another host"),
    ),
    (
        "a client's",
        "localhost",
        |f| itself(f, EC, "-subj /CN=localhost -addext extendedKeyUsage=clientAuth"),
        Refused("another purpose"),
    ),
    (
        "for signing others only",
        "localhost",
        |f| itself(f, EC, "-subj /CN=localhost -addext keyUsage=keyCertSign"),
        Refused("another purpose"),
    ),
    (
        "expired",
        "localhost",
        |f| {
            dated(f, "localhost", "own", PAST);
            itself_of(f, "own");
        },
        Refused("has expired, or this machine's clock is wrong"),
    ),
    (
        "not valid yet",
        "localhost",
        |f| {
            dated(f, "localhost", "own", FUTURE);
            itself_of(f, "own");
        },
        Refused("is not valid yet, or this machine's clock is wrong"),
    ),
    (
        "of an authority",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, SAN);
        },
        Trusted,
    ),
    (
        "a common name, of an authority",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, "basicConstraints=CA:FALSE");
        },
        Trusted,
    ),
    (
        "of an authority of version 1",
        "localhost",
        |f| {
            version_1(f, "authority", "given");
            signed(f, SAN);
        },
        Trusted,
    ),
    (
        "of an authority that only its key usage tells",
        "localhost",
        |f| {
            fs::write(f.join("c"), "[req]\ndistinguished_name=d\n[d]\n[e]\nkeyUsage=keyCertSign\n").expect("written");
            authority(f, "-config c -extensions e");
            signed(f, SAN);
        },
        Trusted,
    ),
    (
        "of what is no authority",
        "localhost",
        |f| {
            authority(f, "-addext basicConstraints=critical,CA:FALSE");
            signed(f, SAN);
        },
        Refused("may not sign others"),
    ),
    (
        "of an authority that expired",
        "localhost",
        |f| {
            dated(f, "authority", "given", PAST);
            signed(f, SAN);
        },
        Refused("the authority given with --cacert is not valid now"),
    ),
    (
        "itself, of an authority that nobody knows",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, SAN);
            fs::copy(f.join("cert.pem"), f.join("given.pem")).expect("copied");
        },
        Trusted,
    ),
    (
        "of another authority of the same name",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, SAN);
            authority(f, "");
        },
        Refused("no known authority signed it"),
    ),
    (
        "another that signs for itself",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            authority(f, "");
        },
        Refused("no known authority signed it"),
    ),
    (
        "of version 1, that nobody knows",
        "localhost",
        |f| {
            version_1(f, "localhost", "own");
            itself_of(f, "own");
            authority(f, "");
        },
        Refused("no known authority signed it"),
    ),
    (
        "of version 1, of an authority",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, "");
        },
        Stricter("cannot be a server's", "give it itself with --cacert"),
    ),
    (
        "of version 1, of an authority that nobody knows, itself",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, "");
            fs::copy(f.join("cert.pem"), f.join("given.pem")).expect("copied");
        },
        Trusted,
    ),
    (
        "an authority's, of an authority",
        "localhost",
        |f| {
            authority(f, "");
            signed(f, &format!("basicConstraints=CA:TRUE\n{SAN}"));
        },
        Stricter("cannot be a server's", "give it itself with --cacert"),
    ),
    (
        "the server's key in place of its certificate",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            fs::copy(f.join("key.pem"), f.join("given.pem")).expect("copied");
        },
        Refused("holds no certificate that can be used"),
    ),
    (
        "in DER form",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            openssl(f, "x509 -in cert.pem -outform der -out given.pem");
        },
        Refused("holds no certificate that can be used"),
    ),
    (
        "an empty file",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            fs::write(f.join("given.pem"), "").expect("written");
        },
        Refused("holds no certificate that can be used"),
    ),
    (
        "a text",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            fs::write(f.join("given.pem"), "<html>Not found</html>\n").expect("written");
        },
        Refused("holds no certificate that can be used"),
    ),
    (
        "a folder",
        "localhost",
        |f| {
            itself(f, EC, &format!("-subj /CN=localhost -addext {SAN}"));
            fs::remove_file(f.join("given.pem")).expect("removed");
            fs::create_dir(f.join("given.pem")).expect("made");
        },
        Refused("cannot read the certificates"),
    ),
];

fn place(root: &Path, case: usize) -> PathBuf {
    root.join(case.to_string())
}

fn download(url: &url::Url, given: &Path) -> Option<Error> {
    let options = Options { cacert: Some(given.to_owned()), ..Product::hurried() };
    Product::of(&noise(1, SIZE), "a").download_with(url, options).err()
}

#[test]
fn a_given_certificate_is_trusted_as_curl_trusts_it() {
    let nginx = Nginx::start(2 * CASES.len(), |root, ports| {
        fs::write(root.join("a"), noise(1, SIZE)).expect("written");
        let server = |(n, port): (usize, &u16)| {
            let (case, version) = (n / 2, ["TLSv1.2", "TLSv1.3"][n % 2]);
            if n % 2 == 0 {
                fs::create_dir(place(root, case)).expect("a folder");
                CASES[case].2(&place(root, case));
            }
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {case}/cert.pem; ssl_certificate_key \
                 {case}/key.pem; ssl_protocols {version}; root {}; }}\n",
                root.display()
            )
        };
        ports.iter().enumerate().map(server).collect()
    });
    let Some(nginx) = nginx else { return };
    let mut wrong = Vec::new();
    for (n, (name, host, _, expected)) in CASES.iter().flat_map(|case| [case, case]).enumerate() {
        let given = place(nginx.folder.path(), n / 2).join("given.pem");
        let url: url::Url = format!("https://{host}:{}/a", nginx.port(n)).parse().expect("a URL");
        let curl = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "-o", "/dev/null", "--cacert"])
            .arg(&given)
            .arg(url.as_str())
            .output()
            .expect("curl runs");
        let error = download(&url, &given);
        let says = |title: &str| error.as_ref().is_some_and(|error| error.title().contains(title));
        let is_right = match expected {
            Trusted => error.is_none() && curl.status.success(),
            // With TLS 1.2 the server itself will not use some of them.
            Refused(_) if String::from_utf8_lossy(&curl.stderr).contains("alert handshake failure") => error.is_some(),
            Refused(title) => says(title) && !curl.status.success(),
            Stricter(title, hint) => {
                let hints = error.as_ref().and_then(Error::hint_text).is_some_and(|text| text.contains(hint));
                says(title) && hints && curl.status.success()
            }
        };
        if !is_right {
            let curl = String::from_utf8_lossy(&curl.stderr).into_owned();
            wrong.push(format!("{name} ({n}): {:?}\n  curl: {curl}", error.map(|error| error.to_string())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
