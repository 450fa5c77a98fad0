//! Rows under headings, in columns, as wide as the terminal.

use crate::in_order::InOrder;
use std::collections::BTreeMap;

use console::{StyledObject, measure_text_width, style};

use super::shorten;

/// What stands between two columns.
const GAP: usize = 2;
/// Columns are left out before any text is shortened to less than this.
const COMFORTABLE: usize = 24;
/// Where there is nothing to leave out, texts go down to this before the rest is shortened too.
const SHORTEST: usize = 12;
/// Nothing is shortened to less than this.
const LEAST: usize = 4;
/// The columns that a digest takes when it is not whole: as many digits as tell two of them apart.
const DIGEST: usize = 12;

/// A column: its heading, and what becomes of it where the terminal is narrow.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Column {
    heading: &'static str,
    is: Is,
    spare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Whole,
    State,
    Shortened,
    Digest,
}

impl Column {
    /// What is in it is shown whole: a size, a number.
    pub(in crate::cli) const fn whole(heading: &'static str) -> Self {
        Column { heading, is: Is::Whole, spare: false }
    }

    /// A word for a state, which has its colour on a terminal.
    pub(in crate::cli) const fn state(heading: &'static str) -> Self {
        Column { heading, is: Is::State, spare: false }
    }

    /// What is in it may lose its middle where the terminal is narrow.
    pub(in crate::cli) const fn shortened(heading: &'static str) -> Self {
        Column { heading, is: Is::Shortened, spare: false }
    }

    /// A digest, of which the first digits are shown where the terminal is narrow.
    pub(in crate::cli) const fn digest(heading: &'static str) -> Self {
        Column { heading, is: Is::Digest, spare: false }
    }

    /// The same column, which is left out where the terminal is narrow.
    pub(in crate::cli) const fn spare(self) -> Self {
        Column { spare: true, ..self }
    }
}

/// The lines of a table. `width` is the terminal's, in which they fit; `None` shows everything whole. A last line names
/// the columns that were left out.
pub(super) fn lines(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let fitting = Fitting::of(columns, rows, width);
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let line = |row: &Vec<String>| {
        let line = fitting.line(row);
        // The first column only, which is as long as it looks.
        match row.first().filter(|_| columns.first().is_some_and(|column| column.is == Is::State)) {
            Some(word) if !word.is_empty() && line.starts_with(word.as_str()) => {
                format!("{}{}", coloured(word), &line[word.len()..])
            }
            _ => line,
        }
    };
    let mut lines = vec![fitting.line(&headings)];
    lines.extend(rows.iter().map(line));
    let left_out: Vec<&str> = fitting.left_out(columns).collect();
    if let (Some(width), false) = (width, left_out.is_empty()) {
        let named = format!("(-v: {} too)", left_out.join(", "));
        lines.push(if measure_text_width(&named) <= width { named } else { "(-v: more columns)".to_owned() });
    }
    lines
}

/// Whether a table shows everything whole in `width` columns.
pub(super) fn fits(columns: &[Column], rows: &[Vec<String>], width: usize) -> bool {
    let natural = (0..columns.len()).map(|place| natural(columns, rows, place));
    natural.sum::<usize>() + GAP * columns.len().saturating_sub(1) <= width
}

/// How wide a column is when everything in it is whole.
fn natural(columns: &[Column], rows: &[Vec<String>], place: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| measure_text_width(cell));
    cells.chain([measure_text_width(columns[place].heading)]).max().unwrap_or(0)
}

/// How each column is shown.
struct Fitting<'a> {
    /// The width of each; `None` where it is left out.
    widths: Vec<Option<usize>>,
    /// What stands for the texts of each that have to be shortened.
    shown: Vec<BTreeMap<&'a str, String>>,
}

impl<'a> Fitting<'a> {
    fn of(columns: &[Column], rows: &'a [Vec<String>], width: Option<usize>) -> Self {
        let natural: Vec<usize> = (0..columns.len()).map(|place| natural(columns, rows, place)).collect();
        let widths = match width {
            Some(width) => fit(columns, &natural, width),
            None => natural.iter().copied().map(Some).collect(),
        };
        let cells = |place: usize| rows.iter().filter_map(move |row| row.get(place)).map(String::as_str);
        let shown = widths.iter().enumerate().map(|(place, width)| match *width {
            Some(width) if width < natural[place] && columns[place].is == Is::Digest => {
                cells(place).map(|cell| (cell, digits(cell, width))).in_order()
            }
            Some(width) if width < natural[place] => shorten::column(cells(place), width),
            _ => BTreeMap::new(),
        });
        Fitting { shown: shown.collect(), widths }
    }

    fn line(&self, row: &[String]) -> String {
        let mut line = String::new();
        for ((cell, width), shown) in row.iter().zip(&self.widths).zip(&self.shown) {
            let Some(width) = *width else { continue };
            let cell = match shown.get(cell.as_str()) {
                Some(shown) => shown.clone(),
                None => shorten::shortened(cell, width),
            };
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(measure_text_width(&cell)) + GAP));
        }
        line.trim_end().to_owned()
    }

    fn left_out<'b>(&'b self, columns: &'b [Column]) -> impl Iterator<Item = &'b str> {
        let left_out = columns.iter().zip(&self.widths).filter(|(_, width)| width.is_none());
        left_out.map(|(column, _)| column.heading).filter(|heading| !heading.is_empty())
    }
}

/// The first digits of a digest; any other text in as many columns.
fn digits(cell: &str, width: usize) -> String {
    match cell.split_once(':').map(|(_, hex)| hex) {
        Some(hex) if hex.len() >= width => hex.chars().take(width).collect(),
        _ => shorten::shortened(cell, width),
    }
}

/// The widths with which a table is no wider than `width`. Digests go first, then the middle of texts, then columns that
/// can be spared, from the right, then more of the texts, then what is whole otherwise.
fn fit(columns: &[Column], natural: &[usize], width: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let is = |wanted: Is| move |place: usize| columns[place].is == wanted;
    if taken(&widths) > width {
        // A digest is whole or so short that nobody takes it for whole.
        for place in (0..columns.len()).filter(|&place| columns[place].is == Is::Digest) {
            widths[place] = widths[place].map(|columns| columns.min(DIGEST));
        }
    }
    loop {
        narrow(&mut widths, width, COMFORTABLE, is(Is::Shortened));
        let spare = (0..columns.len()).rev().find(|&place| columns[place].spare && widths[place].is_some());
        let Some(place) = spare.filter(|_| taken(&widths) > width) else { break };
        widths[place] = None;
        // What it took is for the texts.
        for place in (0..columns.len()).filter(|&place| columns[place].is == Is::Shortened) {
            widths[place] = widths[place].map(|_| natural[place]);
        }
    }
    narrow(&mut widths, width, SHORTEST, is(Is::Shortened));
    narrow(&mut widths, width, LEAST, |place| columns[place].is == Is::Shortened || columns[place].is == Is::Digest);
    narrow(&mut widths, width, LEAST, |place| columns[place].is != Is::State);
    widths
}

/// Takes from the widest of the columns until the table is no wider than `width`, or all have come down to `least`.
fn narrow(widths: &mut [Option<usize>], width: usize, least: usize, is_open: impl Fn(usize) -> bool) {
    while taken(widths) > width {
        let open = (0..widths.len()).filter(|&place| is_open(place));
        let open =
            open.filter_map(|place| widths[place].filter(|&columns| columns > least).map(|columns| (columns, place)));
        let Some((columns, place)) = open.max() else { return };
        widths[place] = Some(columns - 1);
    }
}

/// How wide a table is.
fn taken(widths: &[Option<usize>]) -> usize {
    let shown = || widths.iter().flatten();
    shown().sum::<usize>() + GAP * shown().count().saturating_sub(1)
}

/// A word for a state in the colour of its meaning: green is right, red is wrong, yellow is worth a look.
fn coloured(word: &str) -> StyledObject<&str> {
    match word {
        "ok" | "kept" | "fetched" | "added" | "unchanged" => style(word).green(),
        "replaced" | "unexpected" | "changed" | "moved" | "unpinned" => style(word).yellow(),
        _ => style(word).red(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::state("STATE"), Column::shortened("NAME"), Column::whole("SIZE"), Column::shortened("DETAIL").spare()];

    fn rows() -> Vec<Vec<String>> {
        [
            [
                "ok",
                "dataflux-func-portable/images/dataflux-func-mysql-5.7.26-x86_64.tar.gz",
                "128.40 MB",
                "1a2b3c4d5e6f",
            ],
            ["ok", "dataflux-func-portable/images/dataflux-func-redis-5.0.7-x86_64.tar.gz", "40.02 MB", "6f5e4d3c2b1a"],
            ["truncated", "数据/说明文件.txt", "3 B", "3 of 20 bytes"],
        ]
        .map(|row| row.map(str::to_owned).to_vec())
        .to_vec()
    }

    fn shown(width: Option<usize>) -> String {
        console::set_colors_enabled(false);
        lines(&COLUMNS, &rows(), width).join("\n")
    }

    #[test]
    fn where_it_is_narrow_names_keep_what_tells_them_apart() {
        // tests/it/cli/width.rs has whole tables.
        let at_40 = shown(Some(40));
        assert!(at_40.contains("mysql") && at_40.contains("redis") && at_40.ends_with("(-v: DETAIL too)"), "{at_40}");
        let at_80 = shown(Some(80));
        assert!(at_80.contains("  1a2b3c4d5e6f") && at_80.contains("truncated  数据/说明文件.txt  "), "{at_80}");
    }

    #[test]
    fn at_200_columns_and_in_a_pipe_everything_is_whole() {
        assert_eq!(shown(Some(200)), shown(None));
        assert!(
            shown(None).contains("dataflux-func-portable/images/dataflux-func-mysql-5.7.26-x86_64.tar.gz  128.40 MB")
        );
    }

    #[test]
    fn no_table_is_wider_than_its_terminal_and_no_two_names_look_alike() {
        let digest = "sha256:20ef02435c2456561800dddfa6ae9673ce7d9390ec0103cfbe5aee8fd4e67ee4";
        let columns = [
            Column::shortened("NAME"),
            Column::whole("KIND"),
            Column::whole("SIZE"),
            Column::shortened("CARRIED").spare(),
            Column::digest("DIGEST"),
        ];
        let names: Vec<String> =
            (0..30).map(|n| format!("images/a-product-of-{n}-with-a-name/layer-x86_64.tar.gz")).collect();
        let row = |name: &String| {
            [name, "image", "128.40 MB", "as it is: it comes back no other way", digest].map(str::to_owned).to_vec()
        };
        let rows: Vec<Vec<String>> = names.iter().map(row).collect();
        for width in 30..=300 {
            let table = lines(&columns, &rows, Some(width));
            for line in &table {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
            let first: BTreeSet<&str> =
                table[1..=30].iter().filter_map(|line| line.split_whitespace().next()).collect();
            assert_eq!(first.len(), 30, "{width}: {table:?}");
        }
        let narrow = lines(&columns, &rows, Some(80));
        assert_eq!(narrow.last().map(String::as_str), Some("(-v: CARRIED too)"));
        assert!(
            narrow[1].ends_with("  20ef02435c24") && lines(&columns, &rows, None)[1].ends_with(digest),
            "{narrow:?}"
        );
    }
}
