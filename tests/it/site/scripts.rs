//! Scripts that cannot start: told to whoever bundles them, and on site by what is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::stick::{site_of, site_with};
use crate::support::craft::small_bundle;
use crate::support::{BUNDLE, File, PACK_SITE, expect, file, portable, run, texts};

/// `pack bundle` of a product that runs `script`; with what it said.
fn bundled(script: &[u8]) -> (Output, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("run.sh", "script", script)]);
    let output = run(folder.path(), &["bundle"]);
    assert_eq!(output.status.success(), folder.path().join(BUNDLE).exists());
    let err = texts(&output).1;
    (output, err)
}

#[test]
fn what_starts_on_no_machine_is_refused_while_bundling_with_what_mends_it() {
    let arm = [&b"\x7fELF\x02\x01\x01"[..], &[0; 9], &[2, 0, 183, 0, 1], &[0; 43]].concat();
    for (script, title, hint) in [
        (&b"#!/bin/sh\r\necho\r\n"[..], "end as on Windows (CRLF)", "sed -i 's/\\r$//' run.sh"),
        (b"echo\r\n", "end as on Windows (CRLF)", "sed -i 's/\\r$//' run.sh"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark", "sed -i '1s/^\\xef\\xbb\\xbf//' run.sh"),
        (b"#!/bin/sh\recho\r", "end in a carriage return alone (CR)", "sed -i 's/\\r/\\n/g' run.sh"),
        (b"#!/bin/sh -e -u\n", "gives its program as one", "sed -i '1s|.*|#!/bin/sh\\nset -e -u|' run.sh"),
        (b"#!/usr/bin/env bash -e\n", "gives its program as one", "sed -i '1s|env|env -S|' run.sh"),
        (b"#!/bin/bash --norc -e\n", "gives its program as one", "one word, or none"),
        (b"<!DOCTYPE html>\n<html>404</html>\n", "is a web page", "correct the URL"),
        (b"<html>404</html>\n", "is a web page", "correct the URL"),
        (&arm, "another kind of machine", "built for linux/amd64"),
        (b"MZ\x90\0\x03", "neither text nor a program", "file "),
    ] {
        let (output, err) = bundled(script);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(title) && err.contains(hint), "{err}");
    }
    let (_, err) = bundled(&arm);
    assert!(err.contains("expected: linux/amd64") && err.contains("actual: linux/arm64"), "{err}");
}

#[test]
fn the_commands_that_mend_a_script_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (script, command) in [
        (&b"#!/bin/sh\r\nexit 0\r\n"[..], "sed -i 's/\\r$//' run.sh"),
        (b"\xef\xbb\xbf#!/bin/sh\nexit 0\n", "sed -i '1s/^\\xef\\xbb\\xbf//' run.sh"),
        (b"#!/bin/sh\rexit 0\r", "sed -i 's/\\r/\\n/g' run.sh"),
    ] {
        fs::write(folder.path().join("run.sh"), script).expect("written");
        crate::support::shell(folder.path(), command);
        assert_eq!(fs::read(folder.path().join("run.sh")).expect("read"), b"#!/bin/sh\nexit 0\n");
    }
    // What the kernel makes of such a line is seen by starting it.
    let run = || {
        let script = folder.path().join("run.sh");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a mode");
        Command::new(script).status().expect("started").code()
    };
    for (script, command) in [
        ("#!/bin/sh -e -u\nfalse\nexit 7\n", "sed -i '1s|.*|#!/bin/sh\\nset -e -u|' run.sh"),
        ("#!/usr/bin/env sh -e\nfalse\nexit 7\n", "sed -i '1s|env|env -S|' run.sh"),
    ] {
        fs::write(folder.path().join("run.sh"), script).expect("written");
        assert!(run().is_some_and(|code| code > 1), "{script}");
        crate::support::shell(folder.path(), command);
        assert_eq!(run(), Some(1), "with -e it ends at 'false': {command}");
    }
}

#[test]
fn what_may_be_otherwise_on_site_is_noted_while_bundling() {
    for (script, said) in [
        (&b"#!/opt/no/such/shell\n"[..], "run.sh needs /opt/no/such/shell, which is not on this machine"),
        (b"#!/usr/bin/env no-such-shell\n", "run.sh needs no-such-shell, which"),
        (b"exit\n", "run.sh has no '#!' line: on site it is run with sh"),
        (b"#!/bin/sh\n\nif :; then\r\n:\r\nfi\n", "run.sh: line 3 ends as on Windows (CRLF)"),
        (b"#!/usr/bin/env bash\n:\r\n", "run.sh: line 2 ends as on Windows (CRLF)"),
        (b":\n\r\n", "run.sh: line 2 ends as on Windows (CRLF)"),
    ] {
        let (output, err) = bundled(script);
        assert!(output.status.success() && err.contains(said), "{err}");
    }
    // Python takes either end of a line; and what has no more lines ends with none.
    let python: &[u8] = b"#!/usr/bin/env python3\nexit()\r\n";
    let env: &[u8] = b"#!/usr/bin/env -S bash -e\n";
    for script in [&b"#!/bin/sh\n"[..], b"#!/usr/bin/env bash\n", b"#! /bin/sh -e\n", b"#!/bin/sh\n:\r", python, env] {
        let (output, err) = bundled(script);
        assert!(output.status.success() && !err.contains("note:"), "{err}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("run.sh", "script", "#!/bin/sh\n"), file("b.cmd", "script", "echo\r\n")]);
    let (_, err) = expect(0, folder.path(), &["bundle"]);
    assert!(err.contains("note: b.cmd: the script's lines end as on Windows"), "what is not run is only noted: {err}");
}

#[test]
fn on_site_the_missing_program_is_named() {
    for (script, missing) in
        [("#!/opt/no/such/shell -e\n", "/opt/no/such/shell"), ("#!/usr/bin/env no-such-shell\n", "no-such-shell")]
    {
        let site = site_with(script);
        let output = site.run(&["sh"], &[]);
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("missing: {missing}")) && err.contains(&format!("install {missing}")), "{err}");
        assert!(!err.contains("No such file"), "{err}");
        site.nothing_is_left();
    }
}

/// `pack site` on a bundle of this script that no `pack bundle` would have made.
fn on_site(script: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files: [File; 1] = [file("run.sh", "script", script)];
    let bundle = folder.path().join("x.run");
    small_bundle(&bundle, b"#!/bin/sh\n", &files);
    let output = Command::new(PACK_SITE).args(["launch", "--bundle"]).arg(&bundle).args(["--", "a"]).output();
    let output = output.expect("runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{:?}", texts(&output));
    texts(&output).1
}

#[test]
fn on_site_a_script_that_cannot_start_is_told_for_what_it_is() {
    let err = on_site(b"#!/bin/sh\r\nexit\r\n");
    assert!(
        err.contains("CRLF") && err.contains("first line: #!/bin/sh\\r") && err.contains("pack extract files"),
        "{err}"
    );
    let other = fs::read(PACK_SITE).map(|mut bytes| {
        bytes.truncate(4_096);
        bytes[18] = 22; // s390x
        bytes
    });
    let err = on_site(&other.expect("read"));
    assert!(err.contains("another kind of machine"), "{err}");
    assert!(on_site(b"#!/bin/sh\rexit\r").contains("carriage return alone"));
    let err = on_site(b"#!/bin/sh -e -u\nexit\n");
    assert!(err.contains("several words") && err.contains("given: '-e -u'"), "{err}");
    assert!(on_site(b"<html>404</html>\n").contains("is a web page"));
    assert!(on_site(b"MZ\0\0").contains("neither text nor a program"), "a program of Windows");
}

#[test]
fn a_program_may_be_what_is_run() {
    if !Path::new("/bin/true").exists() {
        return crate::support::skip("there is no /bin/true");
    }
    let site = site_of(|folder| {
        portable(folder, &[file("run", "script", fs::read("/bin/true").expect("read"))]);
    });
    let output = site.run(&["sh"], &[]);
    assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));
}
