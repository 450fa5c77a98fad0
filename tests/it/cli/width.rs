//! What is shown at 40, 80 and 200 columns, on a real terminal: stored, and never wider than that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::terminal::on_a_terminal;
use crate::support::{PACK, file, noise, portable};
use console::measure_text_width;

const NAMES: [&str; 5] = [
    "images/dataflux-func-mysql-5.7.26-x86_64.tar.gz",
    "images/dataflux-func-redis-5.0.7-x86_64.tar.gz",
    "images/dataflux-func-redix-5.0.7-x86_64.tar.gz",
    "数据/说明文件.txt",
    "run.sh",
];

fn product(folder: &Path) {
    let files = NAMES.iter().zip(1..).map(|(name, seed)| {
        let size = 1_000 * seed as usize;
        match *name {
            "run.sh" => file(name, "script", format!("#!/bin/sh\n{}\n", "#".repeat(size - 11)).into_bytes()),
            _ => file(name, "file", noise(seed, size)),
        }
    });
    portable(folder, &files.collect::<Vec<_>>());
}

/// The lines that a command shows on a terminal of that width, without its progress.
fn shown(folder: &Path, columns: usize, words: &str) -> Option<Vec<String>> {
    let line = format!("stty rows 24 cols {columns}; export NO_COLOR=1; {PACK} {words} 2>/dev/null || true");
    let shown = on_a_terminal(folder, &line)?;
    Some(shown.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

fn table(folder: &Path, columns: usize, words: &str) -> Option<String> {
    let lines = shown(folder, columns, words)?;
    // How long it took is another time another time.
    let is_table = |line: &&String| !line.contains(" in ") && !line.starts_with("not signed");
    Some(lines.iter().filter(is_table).map(|line| format!("{line}\n")).collect())
}

#[test]
fn the_state_of_a_folder_at_40_80_and_200_columns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    product(folder.path());
    let dir = folder.path().join("probe-portable");
    fs::write(dir.join(NAMES[1]), noise(7, 2_000)).expect("written");
    fs::write(dir.join(NAMES[2]), noise(7, 20)).expect("written");
    fs::remove_file(dir.join(NAMES[4])).expect("removed");
    for (columns, expected) in [(40, AT_40), (80, AT_80), (200, AT_200)] {
        let Some(shown) = table(folder.path(), columns, "verify") else { return };
        assert_eq!(shown, expected, "at {columns} columns:\n{shown}");
    }
}

const AT_40: &str = "\
STATE      NAME                  SIZE
ok         …-mysql-5.7.26-x86_…  1.00 kB
mismatch   …-redis-5.0.7-x86_6…  2.00 kB
truncated  …-redix-5.0.7-x86_6…  20 B
ok         数据/说明文件.txt     4.00 kB
missing    run.sh                5.00 kB
(-v: DETAIL too)
";

const AT_80: &str = "\
STATE      NAME                           SIZE     DETAIL
ok         images/da….7.26-x86_64.tar.gz  1.00 kB  6790374e3554
mismatch   images/…s-5.0.7-x86_64.tar.gz  2.00 kB  expected … found 1023801d51e1
truncated  images/…x-5.0.7-x86_64.tar.gz  20 B     20 of 3000 bytes
ok         数据/说明文件.txt              4.00 kB  9f43ec0c5ab5
missing    run.sh                         5.00 kB
";

const AT_200: &str = "\
STATE      NAME                                             SIZE     DETAIL
ok         images/dataflux-func-mysql-5.7.26-x86_64.tar.gz  1.00 kB  6790374e3554
mismatch   images/dataflux-func-redis-5.0.7-x86_64.tar.gz   2.00 kB  expected 14e232f8d5ff, found 1023801d51e1
truncated  images/dataflux-func-redix-5.0.7-x86_64.tar.gz   20 B     20 of 3000 bytes
ok         数据/说明文件.txt                                4.00 kB  9f43ec0c5ab5
missing    run.sh                                           5.00 kB
";

#[test]
fn what_was_pinned_at_40_80_and_200_columns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    product(folder.path());
    for (columns, expected) in [(40, PINNED_AT_40), (80, PINNED_AT_80), (200, PINNED_AT_200)] {
        let Some(shown) = table(folder.path(), columns, "lock --update probe-portable/manifest.json") else { return };
        assert_eq!(shown, expected, "at {columns} columns:\n{shown}");
    }
}

const PINNED_AT_40: &str = "\
NAME                 BYTES  DIGEST
…-mysql-5.7.26-x86…  1000   6790374e3554
…-redis-5.0.7-x86_…  2000   14e232f8d5ff
…-redix-5.0.7-x86_…  3000   eead55bc49a1
数据/说明文件.txt    4000   9f43ec0c5ab5
run.sh               5000   990f274e0fa2
";

const PINNED_AT_80: &str = "\
NAME                                             BYTES  DIGEST
images/dataflux-func-mysql-5.7.26-x86_64.tar.gz  1000   6790374e3554
images/dataflux-func-redis-5.0.7-x86_64.tar.gz   2000   14e232f8d5ff
images/dataflux-func-redix-5.0.7-x86_64.tar.gz   3000   eead55bc49a1
数据/说明文件.txt                                4000   9f43ec0c5ab5
run.sh                                           5000   990f274e0fa2
";

const PINNED_AT_200: &str = "\
NAME                                             BYTES  DIGEST
images/dataflux-func-mysql-5.7.26-x86_64.tar.gz  1000   sha256:6790374e3554c449a3975e6b9e76ab1ba22d8c6bf07aafd2450d658c2cb44305
images/dataflux-func-redis-5.0.7-x86_64.tar.gz   2000   sha256:14e232f8d5ff595c070ef9e08b05ced27abdc938aa281068c44807676360f975
images/dataflux-func-redix-5.0.7-x86_64.tar.gz   3000   sha256:eead55bc49a1960579324d633e53479ef3a3056d2e81c3fa194402a34ac9b433
数据/说明文件.txt                                4000   sha256:9f43ec0c5ab5c9654a79183760ddf02539dbe495e8774aac679ce7ee617d2826
run.sh                                           5000   sha256:990f274e0fa219c3e2479f6c87e1cfa3bd34a058acdb4694faa3900a1a67f24e
";

#[test]
fn no_table_is_wider_than_the_terminal_and_every_file_has_its_own_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    product(folder.path());
    if shown(folder.path(), 80, "bundle -o x.run").is_none() {
        return;
    }
    let commands = ["verify", "inspect x.run", "verify x.run", "diff probe-portable x.run", "cache"];
    for columns in [40, 60, 80, 200] {
        for words in commands {
            let lines = shown(folder.path(), columns, words).expect("a terminal");
            let first = lines.iter().position(|line| line.contains("NAME ") || line.starts_with("LAST USED"));
            let rows: Vec<&String> =
                lines[first.unwrap_or(0)..].iter().skip(1).filter(|row| row.contains("  ")).collect();
            for row in rows.iter().filter(|row| !row.contains("tail -c")) {
                assert!(measure_text_width(row) <= columns, "{columns} {words}: {row}");
            }
            let parts: BTreeSet<&str> = rows.iter().flat_map(|row| row.split("  ")).map(str::trim).collect();
            let images = parts.iter().filter(|part| part.ends_with("tar.gz") || part.contains('…')).count();
            assert!(words == "cache" || images >= 3, "{columns} {words}: {lines:?}");
        }
    }
}

#[test]
fn what_is_to_be_copied_is_whole_at_any_width() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    product(folder.path());
    for columns in [40, 80] {
        let Some(lines) = shown(folder.path(), columns, "download --list probe-portable/manifest.json") else { return };
        let at = lines.iter().position(|line| line == NAMES[0]).expect("the name on a line of its own");
        assert_eq!(lines[at + 1], "  1000");
        assert!(lines[at + 2].starts_with("  sha256:") && lines[at + 2].len() == 2 + 7 + 64, "{lines:?}");
        assert!(lines[at + 3].starts_with("  file:///") && lines[at + 3].ends_with(NAMES[0]), "{lines:?}");
    }
}
