//! What the product's own hook finds.

use super::hook::Hook;
use super::instance::Instance;
use super::preflight::{Finding, Level};
use super::watch::Watch;
use crate::product::HookVerb;
use crate::progress::Silent;

/// What the hook `doctor` prints, where the product has one: lines of a level, what was found and what to type, with tabs
/// between. What it prints else is a note.
pub fn of_product(instance: &Instance) -> Vec<Finding> {
    let Some(hook) = Hook::of(instance, HookVerb::Doctor) else { return Vec::new() };
    match hook.run(&[], Watch { progress: &Silent, interruption: None, timeout: None }) {
        Ok(said) => said.lines().filter(|line| !line.trim().is_empty()).map(finding).collect(),
        Err(error) => vec![Finding::new(Level::Error, "product", error.to_string(), "pack site logs")],
    }
}

fn finding(line: &str) -> Finding {
    let parts: Vec<&str> = line.splitn(3, '\t').collect();
    let level = match parts.first() {
        Some(&"error") => Level::Error,
        Some(&"warning") => Level::Warning,
        _ => Level::Note,
    };
    match parts.as_slice() {
        [_, what, remedy] => Finding::new(level, "product", *what, *remedy),
        _ => Finding::new(Level::Note, "product", line, "pack site status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_finding() {
        let found = finding("error\tno answer\tlook: x\ty");
        assert_eq!(
            (found.level, found.what.as_str(), found.remedy.as_str()),
            (Level::Error, "no answer", "look: x\ty")
        );
        assert_eq!(finding("warning\ta\tb").level, Level::Warning);
        assert_eq!(finding("anything").level, Level::Note);
    }
}
