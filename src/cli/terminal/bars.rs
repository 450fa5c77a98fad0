//! Progress for eyes: a bar for each file in work, and one for all of them.

use std::io;
use std::sync::{Mutex, MutexGuard};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::shorten::shortened;
use super::{counted, note, width_of};
use crate::error::printable;
use crate::progress::{Meter, Progress};

/// The name of an item stands this far to the right of that of the total.
const INDENT: usize = 2;
/// What a terminal is taken for that does not tell its width.
const USUAL_WIDTH: usize = 80;

/// Reports to a terminal.
pub(super) struct Bars {
    all: MultiProgress,
    total: Mutex<Total>,
    width: usize,
}

struct Total {
    doing: &'static str,
    bar: ProgressBar,
}

struct Bar {
    bar: ProgressBar,
    total: ProgressBar,
    /// Whether the plan did not know this item's size, so that the total learns of it here.
    unplanned: bool,
    width: usize,
}

impl Bars {
    pub(super) fn new() -> Self {
        let width = width_of(io::stderr()).unwrap_or(USUAL_WIDTH);
        let total = Mutex::new(Total { doing: "working", bar: ProgressBar::hidden() });
        Bars { all: MultiProgress::new(), total, width }
    }

    fn total(&self) -> MutexGuard<'_, Total> {
        self.total.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Shows `text` in the place of the total.
    fn show_total(&self, total: &mut Total, text: &str, bytes: Option<u64>) {
        total.bar.finish_and_clear();
        total.bar = self.all.add(bar(bytes, self.width, 0));
        total.bar.set_prefix(shortened(text, Layout::of(self.width).name));
        total.bar.tick();
    }
}

/// What of a bar fits into a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// The columns for a name, the indentation included.
    name: usize,
    bar: bool,
    /// The bytes done and in all; otherwise only the per cent.
    bytes: bool,
    rate: bool,
    time: bool,
}

impl Layout {
    /// Columns that each part takes, with the blank before it.
    const BAR: usize = 25;
    const BYTES: usize = 20;
    const PER_CENT: usize = 5;
    const RATE: usize = 12;
    const TIME: usize = 5;
    /// A wide terminal has more room for a name than any name needs; this is where names stop growing with it.
    const NAME: usize = 44;

    fn of(width: usize) -> Self {
        // The last column stays free: some terminals wrap when it is written to.
        let room = width.saturating_sub(1);
        let (bar, bytes, rate, time) = match width {
            0..45 => (false, false, false, false),
            45..60 => (false, true, false, false),
            60..70 => (false, true, true, false),
            70..96 => (false, true, true, true),
            _ => (true, true, true, true),
        };
        let taken = [(bar, Self::BAR), (rate, Self::RATE), (time, Self::TIME)];
        let taken = taken.iter().filter(|(shown, _)| *shown).map(|(_, columns)| columns).sum::<usize>()
            + if bytes { Self::BYTES } else { Self::PER_CENT };
        let name = room.saturating_sub(taken);
        // Up to twice the usual width everything stays close together.
        let name = if width <= 160 { name.min(Self::NAME) } else { name };
        Layout { name, bar, bytes, rate, time }
    }

    /// `known` is whether the bytes in all are; without, there is no per cent, and the time is that passed.
    fn template(self, indent: usize, known: bool) -> String {
        let mut template = format!("{:indent$}{{prefix:{}}}", "", self.name.saturating_sub(indent));
        if !known {
            template.push_str(if self.bytes { " {decimal_bytes:>9}" } else { "" });
            template.push_str(" {elapsed:>4}");
            return template;
        }
        if self.bar {
            template.push_str(" {bar:24}");
        }
        template.push_str(if self.bytes { " {decimal_bytes:>9}/{decimal_total_bytes:<9}" } else { " {percent:>3}%" });
        if self.rate {
            template.push_str(" {decimal_bytes_per_sec:>11}");
        }
        if self.time {
            template.push_str(" {eta:>4}");
        }
        template
    }
}

fn bar(length: Option<u64>, width: usize, indent: usize) -> ProgressBar {
    ProgressBar::new(length.unwrap_or(0)).with_style(style(width, indent, length.is_some()))
}

fn style(width: usize, indent: usize, known: bool) -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    // The template is made of constants; a wrong one would show the plain style.
    let template = Layout::of(width).template(indent, known);
    ProgressStyle::with_template(&template).unwrap_or(plain).progress_chars("=> ")
}

impl Progress for Bars {
    fn phase(&self, doing: &'static str) {
        let mut total = self.total();
        total.doing = doing;
        if !total.bar.is_hidden() {
            self.show_total(&mut total, doing, None);
        }
    }

    fn plan(&self, items: usize, bytes: Option<u64>) {
        let mut total = self.total();
        let text = format!("{} {}", total.doing, counted(items as u64, "file"));
        self.show_total(&mut total, &text, bytes);
    }

    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        let total = self.total().bar.clone();
        let bar = bar(bytes, self.width, INDENT);
        let bar = if total.is_hidden() { self.all.add(bar) } else { self.all.insert_before(&total, bar) };
        bar.set_prefix(shortened(&printable(name), Layout::of(self.width).name.saturating_sub(INDENT)));
        Box::new(Bar { bar, total, unplanned: bytes.is_none(), width: self.width })
    }

    fn note(&self, line: &str) {
        // A terminal that cannot be written to shows no note.
        let _ = self.all.println(note(line));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total().bar.finish_and_clear();
    }
}

impl Meter for Bar {
    fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.total.inc(bytes);
    }

    fn retract(&self, bytes: u64) {
        self.bar.dec(bytes);
        self.total.dec(bytes);
    }

    fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
        if self.unplanned {
            self.bar.set_style(style(self.width, INDENT, true));
            self.total.inc_length(bytes);
        }
    }

    fn done(&self, _how: &str) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;
    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal of some width that keeps what it is sent.
    #[derive(Debug)]
    struct Screen {
        width: u16,
        lines: &'static Mutex<Vec<String>>,
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.width
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> std::io::Result<()> {
            self.write_str(line)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.lines.lock().expect("no panic").push(text.to_owned());
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is drawn at some width while one of two long names is half done.
    fn drawn(width: u16) -> Vec<String> {
        let lines: &'static Mutex<Vec<String>> = Box::leak(Box::default());
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(Screen { width, lines })));
        let total = Mutex::new(Total { doing: "fetching", bar: ProgressBar::hidden() });
        let bars = Bars { all, total, width: width.into() };
        bars.plan(2, Some(2_000_000_000));
        let meter = bars.start("dataflux-func-portable/dataflux-func-mysql-5.7.26-x86_64.tar.gz", Some(1_000_000_000));
        meter.add(500_000_000);
        std::thread::sleep(std::time::Duration::from_millis(120));
        meter.add(1);
        drop(meter);
        lines.lock().expect("no panic").iter().filter(|line| !line.trim().is_empty()).cloned().collect()
    }

    #[test]
    fn bars_fit_every_terminal_and_keep_the_end_of_a_name() {
        for width in 20..=300 {
            let layout = Layout::of(width);
            assert!(layout.name >= 14, "{width}: {layout:?}");
        }
        for width in [20, 40, 44, 45, 59, 60, 69, 70, 80, 95, 96, 120, 160, 161, 200, 300] {
            let lines = drawn(width);
            assert!(lines.iter().any(|line| line.contains("tar.gz")), "{width}: {lines:?}");
            for line in lines {
                let used = measure_text_width(line.trim_end());
                assert!(used < usize::from(width), "{width}: {used} columns: {line:?}");
            }
        }
    }

    #[test]
    fn the_layouts_at_40_80_and_200_columns() {
        let shown = |width| Layout::of(width).template(INDENT, true);
        assert_eq!(shown(40), "  {prefix:32} {percent:>3}%");
        let all = "{decimal_bytes:>9}/{decimal_total_bytes:<9} {decimal_bytes_per_sec:>11} {eta:>4}";
        assert_eq!(shown(80), format!("  {{prefix:40}} {all}"));
        assert_eq!(Layout::of(40).template(0, false), "{prefix:34} {elapsed:>4}", "no per cent of nobody knows what");
        assert_eq!(shown(200), format!("  {{prefix:135}} {{bar:24}} {all}"));
    }
}
