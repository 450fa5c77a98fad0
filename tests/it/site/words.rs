//! What is typed after a bundle's name: for the product, or for pack.

use super::stick::{SHELLS, site, site_of};
use crate::support::{file, portable, texts};

#[test]
fn a_word_of_pack_alone_runs_nothing_and_says_what_to_type() {
    let site = site();
    let path = site.bundle.display().to_string();
    for (first, meant) in [
        ("verify", "pack verify"),
        ("check", "pack verify"),
        ("--check", "pack verify"),
        ("inspect", "pack inspect"),
        ("list", "pack inspect"),
        ("info", "pack inspect"),
        ("--list", "pack inspect"),
        ("--info", "pack inspect"),
        ("extract", "pack extract DIR"),
        ("load", "pack load"),
        ("cat", "pack cat NAME"),
        ("VERIFY", "pack verify"),
        ("test", "pack verify"),
        ("--test", "pack verify"),
        ("--noexec", "pack extract DIR"),
        ("--keep", "pack extract DIR"),
        ("--target=x", "pack extract DIR"),
    ] {
        for more in [&[][..], &["more"]] {
            let output = site.run(&["sh"], &[&[first], more].concat());
            let (out, err) = texts(&output);
            assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{first}: {err}");
            assert!(err.contains(&format!("sh {path} {meant}")), "{first}: {err}");
            assert!(err.contains(&format!("sh {path} -- {first}")), "{first}: {err}");
        }
    }
    for words in [&["-q", "verify"][..], &["--lang", "zh", "verify"], &["--json", "--lang=zh", "inspect", "x"]] {
        let (_, err) = texts(&site.run(&["sh"], words));
        assert!(err.contains(&format!("sh {path} pack ")), "{words:?}: {err}");
    }
    for word in ["transfer", "parity", "cut"] {
        let (out, err) = texts(&site.run(&["sh"], &[word, "/media/stick"]));
        assert!(out.is_empty() && err.contains(&format!("pack {word} {path}")), "{word}: {err}");
    }
    site.nothing_is_left();
}

#[test]
fn after_two_dashes_every_word_is_the_products() {
    let site = site();
    for shell in SHELLS {
        for (words, got) in [
            (&["--", "verify"][..], "ran <verify>\n"),
            (&["--", "pack", "verify"], "ran <pack> <verify>\n"),
            (&["--", "--help"], "ran <--help>\n"),
            (&["--", "--", "x"], "ran <--> <x>\n"),
            (&["install", "verify"], "ran <install> <verify>\n"),
            (&["verifying"], "ran <verifying>\n"),
            (&["--"], "ran\n"),
        ] {
            let output = site.run(shell, words);
            let (out, err) = texts(&output);
            assert_eq!(
                (output.status.code(), out.replace("ran <>", "ran").as_str()),
                (Some(7), got),
                "{words:?}: {err}"
            );
        }
    }
}

#[test]
fn help_shows_what_pack_does_and_what_the_product_says() {
    let site = site();
    let path = site.bundle.display();
    for word in ["--help", "-h", "help"] {
        let output = site.run(&["sh"], &[word]);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(7), "{err}");
        for line in ["pack verify", "pack inspect", "pack extract DIR", "pack load", "[ARGS...]"] {
            assert!(out.contains(&format!("  sh {path} {line}  ")), "{line}: {out}");
        }
        let (ours, theirs) = (out.find("pack verify"), out.find(&format!("ran <{word}>")));
        assert!(ours < theirs, "{out}");
    }
    let site = site_of(|folder| drop(portable(folder, &[file("data", "file", "d")])));
    let output = site.run(&["sh"], &["--help"]);
    assert!(output.status.success() && texts(&output).0.contains("runs nothing"), "{:?}", texts(&output));
}
