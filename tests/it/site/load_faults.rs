//! An engine that fails for a moment, or whose answer is not understood, while images are loaded: nothing is taken for
//! absent because of that.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::images::{Made, docker_legacy, image, layer};
use crate::support::{BUNDLE, expect, file, pack, portable, shell, stand_in, texts};
use pack::digest::Digest;

fn one() -> Made {
    image("probe/one:1", vec![layer(1, 50_000)])
}

fn bundled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("a.tar", "image", docker_legacy(&[one()]))]);
    expect(0, folder.path(), &["bundle"]);
    folder
}

/// What the engine tells of the image.
fn told() -> String {
    format!("{} {{\"Type\":\"layers\",\"Layers\":[\"{}\"]}}", one().id(), Digest::of(&one().layers[0]))
}

/// An engine of a few lines of shell that come before those of one that does everything right, and writes down what it
/// was asked.
fn load_with(folder: &Path, first: &str) -> Output {
    let script = format!(
        "echo \"$*\" >>asked\n{first}\ncase \"$*\" in\nload*) cat >loaded.tar ;;\n'image inspect'*) echo '{}' ;;\n\
         'image ls'*) echo {} ;;\nesac",
        told(),
        one().id()
    );
    let path = stand_in(folder, "docker", &script);
    pack(folder).args(["load", BUNDLE]).env("PATH", path).output().expect("pack runs")
}

/// Fails the first time that it is asked for `what`, and answers otherwise.
fn once(what: &str) -> String {
    format!("case \"$*\" in {what}*) [ -e failed ] || {{ : >failed; exit 1; }} ;; esac")
}

#[test]
fn a_question_that_fails_once_is_asked_again() {
    for what in ["'volume ls'", "'image ls'", "'image inspect'"] {
        let folder = bundled();
        let output = load_with(folder.path(), &once(what));
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{what}: {err}");
        let asked = fs::read_to_string(folder.path().join("asked")).expect("it was asked");
        let times = asked.lines().filter(|line| line.starts_with(what.trim_matches('\''))).count();
        assert!(times >= 2, "{what}: {asked}");
        // The engine has the layer: what it failed to tell at first, it was not sent.
        let sent = shell(folder.path(), "tar -tf loaded.tar");
        assert!(!sent.contains("layer.tar"), "{what}: {sent}");
    }
}

#[test]
fn an_answer_that_is_not_understood_is_no_absence() {
    for answer in ["", "what?", "sha256:12 null {", &format!("{}\nand more", told())] {
        let folder = bundled();
        let script =
            format!("case \"$*\" in 'image inspect'*) cat <<'.'\n{answer}\n.\nexit ;; 'image ls'*) exit ;; esac");
        let output = load_with(folder.path(), &script);
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{answer}: {err}");
        assert!(err.contains("is not understood") && !err.contains("no such image"), "{answer}: {err}");
    }
}

/// The mark of a load in another boot, in which the image was being loaded.
fn after_a_cut() -> String {
    let layers = Digest::of(&one().layers[0]);
    format!(
        "case \"$*\" in 'volume ls'*) echo 'old {{\"boot\":\"0f5e11aa-0000-4000-8000-000000000000\",\"process\":1,\
         \"images\":[{{\"name\":\"probe/one:1\",\"id\":\"{}\",\"layers\":[\"{layers}\"]}}]}}'; exit ;; esac",
        one().id()
    )
}

#[test]
fn an_image_that_is_cut_short_once_while_it_is_read_back_is_not_removed_as_damaged() {
    let folder = bundled();
    let cut = "case \"$1\" in save) echo half; [ -e failed ] || { : >failed; exit 1; } ;; esac";
    let output = load_with(folder.path(), &format!("{}\n{cut}", after_a_cut()));
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let asked = fs::read_to_string(folder.path().join("asked")).expect("it was asked");
    assert!(asked.lines().filter(|line| line.starts_with("save ")).count() >= 2, "{asked}");
    assert!(!asked.contains("image rm") && !err.contains("damaged"), "{asked}\n{err}");
}

#[test]
fn an_engine_that_lists_nothing_after_a_power_cut_does_not_end_the_doubt() {
    let folder = bundled();
    let output = load_with(folder.path(), &format!("{}\ncase \"$*\" in 'image ls'*) exit 1 ;; esac", after_a_cut()));
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("does not list its images") && err.contains("hint: "), "{err}");
    let asked = fs::read_to_string(folder.path().join("asked")).expect("it was asked");
    assert!(!asked.lines().any(|line| line.starts_with("volume rm") && line.contains("old")), "{asked}");
}
