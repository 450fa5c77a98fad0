//! Rows under headings, in columns, as wide as the terminal.

use console::{StyledObject, measure_text_width, style};

/// What stands between two columns.
const GAP: usize = 2;
/// No text is shortened to less than this.
const SHORTEST: usize = 12;

/// The heading of a column.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Column {
    /// What is in it is shown whole: a size, a digest, what somebody may copy.
    Whole(&'static str),
    /// A word for a state, which has its colour on a terminal.
    State(&'static str),
    /// What is in it may lose its middle where the terminal is narrow.
    Shortened(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Column::Whole(heading) | Column::State(heading) | Column::Shortened(heading) => heading,
        }
    }
}

/// The lines of a table. `width` is the terminal's; `None` shows everything whole.
pub(super) fn lines(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let natural = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| measure_text_width(cell));
        cells.chain([measure_text_width(columns[place].heading())]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns.len()).map(natural).collect();
    if let Some(width) = width {
        fit(columns, &mut widths, width);
    }
    let state = columns.iter().position(|column| matches!(column, Column::State(_)));
    let headings: Vec<String> = columns.iter().map(|column| column.heading().to_owned()).collect();
    let line = |row: &Vec<String>| {
        let line = line_of(row, &widths);
        // The first column only, so that the widths above stay what they are.
        match row.first().filter(|_| state == Some(0)) {
            Some(word) if !word.is_empty() => format!("{}{}", coloured(word), &line[word.len()..]),
            _ => line,
        }
    };
    [line_of(&headings, &widths)].into_iter().chain(rows.iter().map(line)).collect()
}

/// Takes from the widest column that may be shortened until the table is no wider than `width`, or nothing is left to
/// take.
fn fit(columns: &[Column], widths: &mut [usize], width: usize) {
    let gaps = GAP * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let open = (0..columns.len()).filter(|&place| matches!(columns[place], Column::Shortened(_)));
        let Some(widest) = open.filter(|&place| widths[place] > SHORTEST).max_by_key(|&place| widths[place]) else {
            return;
        };
        widths[widest] -= 1;
    }
}

/// A word for a state in the colour of its meaning: green is right, red is wrong, yellow is worth a look.
fn coloured(word: &str) -> StyledObject<&str> {
    match word {
        "ok" | "kept" | "fetched" => style(word).green(),
        "replaced" | "unexpected" => style(word).yellow(),
        _ => style(word).red(),
    }
}

fn line_of(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, &width) in row.iter().zip(widths) {
        let shown = shortened(cell, width);
        let missing = width.saturating_sub(measure_text_width(&shown));
        line.push_str(&shown);
        line.extend(std::iter::repeat_n(' ', missing + GAP));
    }
    line.trim_end().to_owned()
}

/// `text` in at most `width` columns. What is left out is the middle: names of one product often begin alike, so more of
/// the end is kept than of the beginning.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = room / 3;
    let taken = |chars: &mut dyn Iterator<Item = char>, most: usize| -> Vec<char> {
        let mut used = 0;
        chars
            .take_while(|c| {
                used += measure_text_width(c.encode_utf8(&mut [0; 4]));
                used <= most
            })
            .collect()
    };
    let begin: String = taken(&mut text.chars(), head).into_iter().collect();
    let end: String = taken(&mut text.chars().rev(), room - head).into_iter().rev().collect();
    if width == 0 { String::new() } else { format!("{begin}…{end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::Whole("STATE"), Column::Shortened("NAME"), Column::Whole("SIZE"), Column::Shortened("DETAIL")];

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
    fn at_40_columns_names_keep_what_tells_them_apart() {
        // What is never shortened needs more than 40 columns here: names go down to their shortest and no further.
        assert_eq!(
            shown(Some(40)),
            "STATE      NAME          SIZE       DETAIL\n\
             ok         dat…4.tar.gz  128.40 MB  1a2b3c4d5e6f\n\
             ok         dat…4.tar.gz  40.02 MB   6f5e4d3c2b1a\n\
             truncated  数…文件.txt   3 B        3 o…20 bytes"
        );
    }

    #[test]
    fn at_80_columns_only_names_are_shortened() {
        assert_eq!(
            shown(Some(80)),
            "STATE      NAME                                         SIZE       DETAIL\n\
             ok         dataflux-func-…c-mysql-5.7.26-x86_64.tar.gz  128.40 MB  1a2b3c4d5e6f\n\
             ok         dataflux-func-…nc-redis-5.0.7-x86_64.tar.gz  40.02 MB   6f5e4d3c2b1a\n\
             truncated  数据/说明文件.txt                            3 B        3 of 20 bytes"
        );
    }

    #[test]
    fn at_200_columns_and_in_a_pipe_everything_is_whole() {
        assert_eq!(shown(Some(200)), shown(None));
        assert!(
            shown(None).contains("dataflux-func-portable/images/dataflux-func-mysql-5.7.26-x86_64.tar.gz  128.40 MB")
        );
    }

    #[test]
    fn what_is_shortened_is_never_wider_than_asked() {
        for text in ["a", "abcdefghijklmnopqrstuvwxyz", "数据说明文件数据说明文件", ""] {
            for width in 0..30 {
                assert!(measure_text_width(&shortened(text, width)) <= width, "{text} {width}");
            }
        }
        assert_eq!(shortened("abcdefghijklmnopqrstuvwxyz", 10), "abc…uvwxyz");
    }
}
