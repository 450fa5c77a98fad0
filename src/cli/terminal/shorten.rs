//! Texts in less room than they take: the middle goes, and what tells two of them apart stays.

use crate::in_order::InOrder;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use console::measure_text_width;

/// `text` in at most `width` columns. What is left out is the middle: names of one product often begin alike, so more of
/// the end is kept than of the beginning.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    split(text, width, width.saturating_sub(1) / 3)
}

/// The texts of a column, each in at most `width` columns. Two that differ are shown differently wherever there is room
/// for a difference.
pub(super) fn column<'a>(texts: impl Iterator<Item = &'a str>, width: usize) -> BTreeMap<&'a str, String> {
    let texts: BTreeSet<&str> = texts.in_order();
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for text in texts {
        alike.entry(shortened(text, width)).or_default().push(text);
    }
    let mut taken: HashSet<String> = alike.keys().cloned().collect();
    let mut shown = BTreeMap::new();
    for (usual, texts) in alike {
        if let [one] = texts[..] {
            shown.insert(one, usual);
            continue;
        }
        // Nobody may take the usual form for one of these.
        let forms = apart(&texts, width).filter(|forms| forms.iter().all(|form| !taken.contains(form)));
        let forms = forms.unwrap_or_else(|| numbered(&texts, width, &taken));
        taken.extend(forms.iter().cloned());
        shown.extend(texts.into_iter().zip(forms));
    }
    shown
}

/// Forms of `texts`, which all look alike when shortened as usual, that differ. Best the end from where they begin to
/// differ; else what stands there; else more of the beginning or of the end. `None` where none of these tells all of them
/// apart.
fn apart(texts: &[&str], width: usize) -> Option<Vec<String>> {
    let room = width.saturating_sub(1);
    let common = texts.iter().skip(1).map(|text| common_start(texts[0], text)).min().unwrap_or(0);
    let rest = |text: &&str| measure_text_width(&text.chars().skip(common).collect::<String>());
    let rest = texts.iter().map(rest).max().unwrap_or(0);
    let splits = |heads: &mut dyn Iterator<Item = usize>| -> Vec<Vec<String>> {
        heads.map(|head| texts.iter().map(|text| split(text, width, head)).collect()).collect()
    };
    let mut forms = splits(&mut (0..=room / 3).rev().filter(|head| room - head >= rest).take(1));
    // One character more than what differs, for the eye.
    forms.push(texts.iter().map(|text| window(text, width, common.saturating_sub(1))).collect());
    forms.extend(splits(&mut (0..room / 3).rev().chain(room / 3 + 1..=room)));
    forms.into_iter().find(|forms| forms.iter().collect::<HashSet<_>>().len() == forms.len())
}

/// Forms that only a number tells apart.
fn numbered(texts: &[&str], width: usize, taken: &HashSet<String>) -> Vec<String> {
    let mut number = 0;
    let mut next = |text: &str| loop {
        number += 1;
        let mark = format!("~{number}");
        let form = shortened(text, width.saturating_sub(mark.len())) + &mark;
        if !taken.contains(&form) || number > taken.len() + texts.len() {
            return form;
        }
    };
    texts.iter().map(|text| next(text)).collect()
}

/// How many characters two texts begin with alike.
fn common_start(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// The first `head` columns of a text and as much of its end as fits into `width`.
fn split(text: &str, width: usize, head: usize) -> String {
    let room = width.saturating_sub(1);
    let begin = taken(text.chars(), head.min(room));
    let end: String = taken(text.chars().rev(), room - head.min(room)).chars().rev().collect();
    if width == 0 { String::new() } else { format!("{begin}…{end}") }
}

/// What of a text begins at its character `from` and fits into `width`.
fn window(text: &str, width: usize, from: usize) -> String {
    let rest: String = text.chars().skip(from).collect();
    let room = width.saturating_sub(1);
    match room {
        0 => split(text, width, 0),
        _ if measure_text_width(&rest) <= room => format!("…{rest}"),
        _ => format!("…{}…", taken(rest.chars(), room - 1)),
    }
}

/// As many characters as take at most `most` columns.
fn taken(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += measure_text_width(c.encode_utf8(&mut [0; 4]));
        used <= most
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shortened_is_never_wider_than_asked() {
        for text in ["a", "abcdefghijklmnopqrstuvwxyz", "数据说明文件数据说明文件", ""] {
            for width in 0..30 {
                for form in [shortened(text, width), window(text, width, 3), split(text, width, 40)] {
                    assert!(measure_text_width(&form) <= width, "{text} {width} {form}");
                }
            }
        }
        assert_eq!(shortened("abcdefghijklmnopqrstuvwxyz", 10), "abc…uvwxyz");
    }

    fn shown(texts: &[&str], width: usize) -> Vec<String> {
        let forms = column(texts.iter().copied(), width);
        texts.iter().map(|text| forms[text].clone()).collect()
    }

    #[test]
    fn names_that_differ_in_their_middle_are_told_apart() {
        let both = ["dataflux-func-mysql-5.7.26-x86_64.tar.gz", "dataflux-func-redis-5.0.7-x86_64.tar.gz"];
        assert_eq!(shown(&both, 12), ["…-mysql-5.7…", "…-redis-5.0…"]);
        assert_eq!(shown(&both, 24), ["dataflu…26-x86_64.tar.gz", "dataflu….7-x86_64.tar.gz"]);
        // Where the whole rest of them fits, that is what is shown.
        assert_eq!(shown(&["aaaaaaaa1bbbbbb", "aaaaaaaa2bbbbbb"], 10), ["aa…1bbbbbb", "aa…2bbbbbb"]);
        assert_eq!(shown(&["same", "same"], 3), ["…me", "…me"]);
    }

    #[test]
    fn any_names_are_told_apart_where_there_is_room() {
        let mut names: Vec<String> = Vec::new();
        for place in [0, 5, 20, 33, 39] {
            for letter in ['x', '数'] {
                let mut name = vec!['-'; 40];
                name[place] = letter;
                names.push(name.into_iter().collect());
            }
        }
        for width in 5..60 {
            let forms = shown(&names.iter().map(String::as_str).collect::<Vec<_>>(), width);
            assert_eq!(forms.iter().collect::<HashSet<_>>().len(), names.len(), "{width}: {forms:?}");
            assert!(forms.iter().all(|form| measure_text_width(form) <= width), "{width}: {forms:?}");
        }
    }
}
