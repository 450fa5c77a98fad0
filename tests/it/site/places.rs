//! Where a bundle unpacks itself: nowhere where another user can change what runs, and where there is room.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::stick::{SHELLS, Site, site, site_of, site_with};
use crate::support::mounts::Tmpfs;
use crate::support::{file, noise, portable, skip, texts};

const TELLS_WHERE: &str = "#!/bin/sh\necho \"${PACK%/*/*}\"\n";

fn folder_with_mode(path: PathBuf, mode: u32) -> PathBuf {
    fs::create_dir_all(&path).expect("a folder");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    path
}

/// Runs the bundle with `$PACK_TMPDIR`; where it unpacked itself, and what it said.
fn unpacked_in(site: &Site, shell: &[&str], place: &Path) -> (String, String) {
    let output = site.command(shell).env("PACK_TMPDIR", place).output().expect("runs");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    site.nothing_is_left();
    (out.trim_end().to_owned(), err)
}

#[test]
fn a_place_that_others_can_write_to_is_passed_over_and_told() {
    let site = site_with(TELLS_WHERE);
    let tmp = site.tmp.canonicalize().expect("there").display().to_string();
    let open = folder_with_mode(site.stick.join("open"), 0o777);
    let group = folder_with_mode(site.stick.join("group"), 0o775);
    let below = folder_with_mode(open.join("below"), 0o700);
    let sticky = folder_with_mode(site.stick.join("sticky"), 0o1777);
    let link = site.stick.join("link");
    std::os::unix::fs::symlink(&below, &link).expect("linked");
    for shell in SHELLS {
        for (place, why) in [(&open, &open), (&below, &open), (&link, &open), (&group, &group)] {
            let (at, err) = unpacked_in(&site, shell, place);
            assert_eq!(at, tmp, "{place:?}");
            let named = format!("{}: others can write to it; to close it: chmod go-w", why.display());
            assert!(err.starts_with("note: PACK_TMPDIR is passed over") && err.contains(&named), "{err}");
            assert_eq!(
                fs::read_dir(place)
                    .expect("listed")
                    .filter(|entry| entry.as_ref().expect("read").path() != below)
                    .count(),
                0
            );
        }
        let (at, err) = unpacked_in(&site, shell, &sticky);
        assert_eq!((at, err.contains("note:")), (sticky.display().to_string(), false), "{err}");
    }
}

#[test]
fn a_place_of_another_user_is_passed_over() {
    let site = site_with(TELLS_WHERE);
    let theirs = folder_with_mode(site.stick.join("theirs"), 0o755);
    if chown(&theirs, Some(65_534), None).is_err() {
        return skip("giving a folder to another user needs root");
    }
    for shell in SHELLS {
        let (at, err) = unpacked_in(&site, shell, &theirs);
        assert_eq!(at, site.tmp.display().to_string());
        assert!(err.contains("belongs to user 65534"), "{err}");
    }
}

#[test]
fn where_no_place_is_safe_each_is_told_with_its_reason() {
    let site = site();
    let open = folder_with_mode(site.stick.join("open"), 0o777);
    site.offer_only_tmpdir();
    let output = site.command(&["dash"]).env("TMPDIR", &open).env("PACK_TMPDIR", "nowhere").output().expect("runs");
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(1), ""));
    for said in ["nowhere: it is not a folder", "others can write to it", "PACK_TMPDIR=/some/folder sh "] {
        assert!(err.contains(said), "{said}: {err}");
    }
}

#[test]
fn a_place_with_room_is_looked_for() {
    let site = site_of(|folder| {
        portable(folder, &[file("run.sh", "script", TELLS_WHERE), file("data", "file", noise(1, 12_000_000))]);
    });
    // The runtime fits, but not twice, nor with the product's files; then not even the runtime does.
    let runtime = fs::metadata(crate::support::PACK_SITE).expect("there").len();
    for size in [runtime + (8 << 20), 1 << 20] {
        let Some(small) = Tmpfs::mount(&site.stick.join("small"), &format!("size={size}")) else { return };
        let (at, _) = unpacked_in(&site, &["dash"], small.path());
        assert_eq!(at, site.tmp.display().to_string());
        assert_eq!(fs::read_dir(small.path()).expect("listed").count(), 0);
    }
}

#[test]
fn without_room_anywhere_it_says_how_much_it_needs_and_how_much_is_free() {
    let site = site_of(|folder| {
        portable(folder, &[file("run.sh", "script", TELLS_WHERE), file("data", "file", noise(1, 12_000_000))]);
    });
    let size = fs::metadata(crate::support::PACK_SITE).expect("there").len() + (8 << 20);
    let script = format!(
        "mount --bind \"$1\" /mnt || exit 99
         for place in /tmp /var/tmp /run /dev/shm; do mount -t tmpfs -o size={size} tmpfs $place || exit 99; done
         cd /mnt && HOME=/nowhere TMPDIR= exec dash /mnt/x.run"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(&site.stick).env_remove("PACK_TMPDIR");
    let output = command.stdin(Stdio::null()).output().expect("unshare runs");
    let (out, err) = texts(&output);
    if output.status.code() == Some(99) || err.contains("unshare failed") {
        return skip("hiding the system's folders needs root");
    }
    assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{err}");
    for said in [
        "needed: ",
        "tried: /tmp: only ",
        "are free",
        "tried: /dev/shm: only ",
        "PACK_TMPDIR=/some/folder sh /mnt/x.run",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
}

#[test]
fn what_is_larger_than_16_mib_is_unpacked_only_when_it_is_asked_for() {
    let limit = pack::bundle::LARGEST_SMALL as usize;
    let script =
        "#!/bin/sh\nls\n\"$PACK\" extract -q \"$PACK_BUNDLE\" . large && ls -l large | tr -s ' ' | cut -d ' ' -f 5\n";
    let site = site_of(|folder| {
        let larger = |fill: u8| vec![fill; limit + 1];
        portable(
            folder,
            &[
                file("run.sh", "script", script),
                file("just", "file", vec![1; limit]),
                file("large", "file", larger(2)),
                file("large.sh", "script", [b"#!/bin/sh\n".to_vec(), larger(b'#')].concat()),
                file("large.unit", "unit", larger(b'x')),
                file("small.tgz", "engine", noise(1, 100)),
            ],
        );
    });
    let output = site.run(&["sh"], &[]);
    let (out, err) = texts(&output);
    assert_eq!(out, format!("just\nmanifest.json\nrun.sh\n{}\n", limit + 1), "{err}");
    site.nothing_is_left();
}

#[test]
fn a_large_script_that_is_to_be_run_is_unpacked() {
    let limit = pack::bundle::LARGEST_SMALL as usize;
    let script = [b"#!/bin/sh\nexit 7\n".to_vec(), vec![b'#'; limit]].concat();
    let site = site_of(|folder| drop(portable(folder, &[file("run.sh", "script", script)])));
    assert_eq!(site.run(&["sh"], &[]).status.code(), Some(7));
}
