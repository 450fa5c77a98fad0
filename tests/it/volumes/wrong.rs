//! Volumes that are not the right ones, and damage in those that are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Both, both, bundle, divide};
use crate::support::craft::{with_index, with_index_text};
use crate::support::facts::Facts;
use crate::support::noise;
use pack::bundle::{Bundle, BundlePart, verify};
use pack::error::{Class, Error};
use pack::progress::Silent;
use serde_json::{Value, json};

/// What is done to a table of volumes.
type Change<'a> = &'a dyn Fn(&mut Value);

fn refused(both: &Both) -> Error {
    let error = both.opened().expect_err("refused");
    assert!(error.hint_text().is_some() && error.fact_named("path").is_some(), "{error}");
    error
}

fn swap(one: &Path, other: &Path) {
    let between = one.with_file_name("between");
    fs::rename(one, &between).expect("renamed");
    fs::rename(other, one).expect("renamed");
    fs::rename(between, other).expect("renamed");
}

#[test]
fn what_is_not_the_right_volume_is_told_as_what_it_is() {
    let both = both();
    let foreign = both.folder().join("foreign");
    fs::create_dir(&foreign).expect("a folder");
    bundle(&foreign.join("x.run"), 5);
    divide(&foreign.join("x.run"), &foreign.join("cut"), 250_000).expect("divided");
    let two = both.volume(2);
    let content = fs::read(&two).expect("read");
    let other = fs::read(foreign.join("cut/x.run.002")).expect("read");
    assert!(other.len() == content.len() && other != content, "of noise both are as long");
    let last = fs::read(foreign.join("cut/x.run.004")).expect("read");
    let write = |bytes: &[u8]| fs::write(&two, bytes).expect("written");
    let cases: [(&str, Class, &dyn Fn()); 13] = [
        ("missing,", Class::Failed, &|| ()),
        ("cut short, 199 of", Class::Integrity, &|| write(&content[..199])),
        ("cut short, 0 of", Class::Integrity, &|| write(b"")),
        ("cut short, 70000 of", Class::Integrity, &|| write(&content[..70_000])),
        ("cut short", Class::Integrity, &|| write(&content[..content.len() - 1])),
        ("bytes follow after its end", Class::Integrity, &|| write(&[&content[..], b"x"].concat())),
        ("part of another bundle", Class::Integrity, &|| write(&other)),
        ("part of another bundle", Class::Integrity, &|| write(&last)),
        ("part of another bundle", Class::Integrity, &|| write(&noise(9, content.len() + 5))),
        ("a second copy of x.run.003", Class::Integrity, &|| drop(fs::copy(both.volume(3), &two))),
        ("not a regular file", Class::Integrity, &|| fs::create_dir(&two).expect("a folder")),
        ("cannot be read", Class::Failed, &|| symlink("x.run.002", &two).expect("linked")),
        ("is it under another name", Class::Failed, &|| {
            fs::write(both.cut.with_file_name("part2"), &content).expect("written")
        }),
    ];
    for (told, class, put) in cases {
        if fs::remove_file(&two).is_err() {
            fs::remove_dir(&two).expect("removed");
        }
        put();
        let error = refused(&both);
        let line = error.fact_named("volume").expect("a line");
        assert!(line.starts_with("x.run.002: ") && line.contains(told), "{told}: {error}");
        assert_eq!(error.class(), class, "{told}: {error}");
        assert_eq!(error.facts().iter().filter(|(name, _)| *name == "volume").count(), 1, "{told}: {error}");
        fs::write(&two, b"to be removed").unwrap_or_default();
    }
    fs::remove_file(both.cut.with_file_name("part2")).expect("removed");
    write(&content);
    both.opened().expect("as it was");
}

#[test]
fn volumes_under_each_others_names_are_both_named_and_one_elsewhere_says_how_it_is_called() {
    let both = both();
    swap(&both.volume(1), &both.volume(3));
    let error = refused(&both);
    let lines: Vec<&str> =
        error.facts().iter().filter(|(name, _)| *name == "volume").map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["x.run.001: x.run.003 under another name", "x.run.003: x.run.001 under another name"]);
    swap(&both.volume(1), &both.volume(3));
    let moved = both.cut.with_file_name("it's here");
    fs::rename(both.volume(4), &moved).expect("renamed");
    let error = refused(&both);
    let hint = error.hint_text().expect("a hint").rsplit(": ").next().expect("a command").to_owned();
    crate::support::shell(both.folder(), &hint);
    both.opened().expect("the hint is what was to be done");
    // The bundle's own name was changed: so are those that its volumes must have.
    fs::rename(&both.cut, both.cut.with_file_name("y.run")).expect("renamed");
    let error = Bundle::open(&both.cut.with_file_name("y.run")).expect_err("refused");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("x.run.001") && hint.contains("y.run.001")), "{error}");
}

#[test]
fn damage_is_told_with_the_volume_and_the_place_in_it() {
    let both = both();
    for number in 1..=4 {
        let path = both.volume(number);
        let right = fs::read(&path).expect("read");
        for offset in [0, 1, right.len() / 2, right.len() - 1] {
            let mut bytes = right.clone();
            bytes[offset] ^= 1;
            fs::write(&path, bytes).expect("written");
            let bundle = both.opened().expect("damage is no other volume");
            let damage = verify(&bundle, &Silent).expect("looked at");
            let [found] = &damage[..] else { panic!("{number} {offset}: {damage:?}") };
            let place = found.volume.as_ref().expect("in a volume");
            assert_eq!(place.name, format!("x.run.{number:03}"));
            assert!((place.offset..place.offset + found.size).contains(&(offset as u64)), "{offset}: {found:?}");
            assert!(found.to_string().contains(&format!("of x.run.{number:03} (frame ")), "{found}");
            assert!(matches!(found.part, BundlePart::Frame(_)));
        }
        fs::write(&path, right).expect("written");
    }
    assert!(verify(&both.opened().expect("opened"), &Silent).expect("looked at").is_empty());
}

#[test]
fn a_volume_that_changes_while_it_is_open_gives_out_nothing_wrong() {
    let both = both();
    let bundle = both.opened().expect("opened");
    let file = fs::OpenOptions::new().write(true).open(both.volume(2)).expect("opened");
    file.set_len(100).expect("cut short");
    let damage = verify(&bundle, &Silent).expect("looked at");
    assert!(
        !damage.is_empty() && damage.iter().all(|one| one.volume.as_ref().is_some_and(|at| at.name == "x.run.002"))
    );
}

#[test]
fn a_table_that_was_changed_is_refused() {
    let both = both();
    let right = fs::read(&both.cut).expect("read");
    let digest = pack::digest::Digest::of(b"another").to_string();
    let refused: [(&str, Change); 9] = [
        ("a word more", &|table| table["requires"] = json!(["volumes", "later"])),
        ("no volumes", &|table| table["volumes"] = json!([])),
        ("a volume less", &|table| drop(table["volumes"].as_array_mut().expect("a list").pop())),
        ("a volume twice", &|table| {
            let first = table["volumes"][0].clone();
            table["volumes"].as_array_mut().expect("a list").push(first);
        }),
        ("two exchanged", &|table| table["volumes"].as_array_mut().expect("a list").swap(0, 1)),
        ("the first two meet within a frame", &|table| {
            for (number, more) in [(0, 1), (1, -1)] {
                let size = table["volumes"][number]["size"].as_i64().expect("a number");
                table["volumes"][number]["size"] = json!(size + more);
            }
        }),
        ("a wrong index", &|table| table["indexDigest"] = json!(digest)),
        ("a shorter index", &|table| table["indexSize"] = json!(table["indexSize"].as_u64().expect("a number") - 1)),
        ("an index longer than the file", &|table| table["indexSize"] = json!(right.len() * 2)),
    ];
    for (what, change) in refused {
        fs::write(&both.cut, &right).expect("written");
        with_index(&both.cut, change);
        let error = both.opened().err().unwrap_or_else(|| panic!("{what} was taken"));
        assert!(error.hint_text().is_some() && error.fact_named("path").is_some(), "{what}: {error}");
    }
    // What begins otherwise than the table says, and has the right frames, is the right one all the same.
    fs::write(&both.cut, &right).expect("written");
    with_index(&both.cut, |table| table["volumes"][0]["head"] = table["volumes"][1]["head"].clone());
    assert!(verify(&both.opened().expect("its frames are right"), &Silent).expect("looked at").is_empty());
    // A digest that no frame needs is compared by who looks at everything.
    fs::write(&both.cut, &right).expect("written");
    with_index(&both.cut, |table| table["volumes"][2]["digest"] = json!(digest));
    let damage = verify(&both.opened().expect("its frames are right"), &Silent).expect("looked at");
    let [found] = &damage[..] else { panic!("{damage:?}") };
    assert_eq!(found.part, BundlePart::Volume(2));
    assert!(found.to_string().contains("of x.run.003 (all of it, though its frames are right)"), "{found}");
}

#[test]
fn an_older_reader_stops_at_the_word_in_requires() {
    let both = both();
    let bytes = fs::read(&both.cut).expect("read");
    let mut words = Value::Null;
    with_index_text(&bytes, |json| {
        words = serde_json::from_slice::<Value>(json).expect("JSON")["requires"].clone();
        json.to_vec()
    });
    assert_eq!(words, json!(["volumes"]));
    // In an index proper it is a word that nobody knows.
    with_index(&both.whole, |index| index["requires"] = json!(["volumes"]));
    let error = Bundle::open(&both.whole).expect_err("refused");
    assert_eq!(error.class(), Class::Integrity, "a table without volumes: {error}");
}

#[test]
fn no_changed_byte_and_no_cut_of_the_file_that_volumes_belong_to_passes() {
    let both = both();
    let right = fs::read(&both.cut).expect("read");
    let passes = |bytes: &[u8]| {
        fs::write(&both.cut, bytes).expect("written");
        both.opened().is_ok_and(|bundle| verify(&bundle, &Silent).expect("looked at").is_empty())
    };
    assert!(passes(&right));
    for length in (0..right.len()).step_by(7) {
        assert!(!passes(&right[..length]), "cut to {length} bytes");
    }
    // The frames need not be read again to find these: what opens and is wrong is launcher and runtime.
    let header = Bundle::open(&both.whole).expect("opened").index().header_size as usize;
    for at in 0..right.len() {
        let mut bytes = right.clone();
        bytes[at] ^= 0x40;
        fs::write(&both.cut, &bytes).expect("written");
        match both.opened() {
            Ok(_) => assert!(at < header && !passes(&bytes), "byte {at}"),
            Err(_) => assert!(at >= header, "byte {at}"),
        }
    }
}
