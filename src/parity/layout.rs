//! How a file is divided into sectors and groups, and where its parity lies.

use std::str::FromStr;

/// A sector's length in bytes: a page, and what disks and sticks read at least.
pub const SECTOR: u64 = 4096;
/// The most sectors of a group and its parity, the latter rounded up to a power of two: the decoder's memory is 64 MiB,
/// which fits what a site may take, and a group is large enough that sectors lost at random rarely crowd into one.
pub const MOST_IN_GROUP: u64 = 16_384;
/// The longest file that parity is made of, in bytes: its table, of which 8 bytes a sector are in memory, then has 2 GiB.
pub const LONGEST: u64 = 1 << 40;

/// How much parity: hundredths of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(u8);

impl Amount {
    /// What is made where nothing is asked for, in percent.
    pub const DEFAULT: Amount = Amount(5);

    /// The percentage, from 1 to 100.
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let percent = digits.parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(Amount).ok_or_else(|| "give a percentage from 1% to 100%".to_owned())
    }
}

/// How much parity somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// So much of the file.
    Percent(Amount),
    /// As much as there is room for.
    Fill,
}

impl Asked {
    /// What is made where nothing is asked for.
    pub const DEFAULT: Asked = Asked::Percent(Amount::DEFAULT);
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "fill" {
            return Ok(Asked::Fill);
        }
        text.parse()
            .map(Asked::Percent)
            .map_err(|why: String| format!("{why}, or 'fill' for as much as there is room for"))
    }
}

/// A file's sectors in their groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    length: u64,
    groups: u64,
    recovery: u64,
}

impl Layout {
    /// The layout for a file of `length` bytes; `None` where there is nothing to divide, or too much.
    pub fn new(length: u64, amount: Amount) -> Option<Self> {
        let sectors = length.div_ceil(SECTOR);
        let first = sectors.div_ceil(MOST_IN_GROUP).max(1);
        // More groups are smaller ones: at most three times as many hold all of it, with as much parity again.
        (first..=3 * first).find_map(|groups| {
            let recovery = (sectors.div_ceil(groups) * u64::from(amount.0)).div_ceil(100);
            Self::with(length, groups, recovery)
        })
    }

    /// The layout with the most parity that `fits`, at most as much as the file; `None` where not even 1 % does.
    pub fn filling(length: u64, fits: impl Fn(&Layout) -> bool) -> Option<Self> {
        let percents = (1..=100).rev().filter_map(|percent| Self::new(length, Amount(percent)));
        let coarse = percents.into_iter().find(&fits)?;
        let finer = (coarse.recovery..).map_while(|recovery| Self::with(length, coarse.groups, recovery));
        finer.take_while(fits).last()
    }

    /// The layout of these numbers, which a file may say; `None` where there is no such layout.
    pub fn with(length: u64, groups: u64, recovery: u64) -> Option<Self> {
        let layout = Layout { length, groups, recovery };
        let right = (1..=LONGEST).contains(&length)
            && (1..=layout.sectors()).contains(&groups)
            && (1..=layout.data()).contains(&recovery)
            && layout.data() + recovery.next_power_of_two() <= MOST_IN_GROUP;
        right.then_some(layout)
    }

    /// The file's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of the file's sectors; the last one is as if filled up with zeros.
    pub fn sectors(&self) -> u64 {
        self.length.div_ceil(SECTOR)
    }

    /// The number of groups.
    pub fn groups(&self) -> u64 {
        self.groups
    }

    /// The number of places in each group; where the file has ended, they hold zeros.
    pub fn data(&self) -> u64 {
        self.sectors().div_ceil(self.groups)
    }

    /// The number of parity sectors of each group.
    pub fn recovery(&self) -> u64 {
        self.recovery
    }

    /// The number of all parity sectors.
    pub fn parity(&self) -> u64 {
        self.groups * self.recovery
    }

    /// The number of all sectors that the table has a digest of: the file's, then the parity's.
    pub(super) fn listed(&self) -> u64 {
        self.sectors() + self.parity()
    }

    /// The sector at `place` of `group`, which may lie behind the file's end.
    pub fn sector(&self, group: u64, place: u64) -> u64 {
        place * self.groups + group
    }

    /// The parity sector at `place` of `group`, counted from the first one.
    pub fn parity_sector(&self, group: u64, place: u64) -> u64 {
        place * self.groups + group
    }

    /// How many of a sector's bytes are the file's.
    pub fn bytes_in(&self, sector: u64) -> u64 {
        self.length.saturating_sub(sector * SECTOR).min(SECTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_as_large_as_the_decoder_takes_and_hold_every_sector() {
        let largest = |percent: u64| {
            (1..=MOST_IN_GROUP)
                .rev()
                .find(|&data| data + (data * percent).div_ceil(100).next_power_of_two() <= MOST_IN_GROUP)
        };
        assert_eq!(largest(5), Some(15_360), "60 MiB");
        for percent in [1, 5, 33, 100] {
            let amount = Amount(percent);
            let most = largest(u64::from(percent)).expect("one fits");
            for (sectors, groups) in [(1, 1), (most - 1, 1), (most, 1), (most + 1, 2), (2 * most + 1, 3)] {
                for length in [sectors * SECTOR, sectors * SECTOR - 1, sectors * SECTOR - SECTOR + 1] {
                    let layout = Layout::new(length, amount).expect("a layout");
                    assert_eq!((layout.sectors(), layout.groups()), (sectors, groups), "{percent} % of {sectors}");
                    assert!(layout.data() * groups >= sectors && (layout.data() - 1) * groups < sectors);
                    assert!(layout.recovery() * 100 >= layout.data() * u64::from(percent));
                    assert_eq!(Layout::with(length, groups, layout.recovery()), Some(layout));
                }
            }
        }
        assert_eq!(Layout::new(0, Amount::DEFAULT), None);
        assert!(Layout::new(LONGEST, Amount::DEFAULT).is_some());
        assert_eq!(Layout::new(LONGEST + 1, Amount::DEFAULT), None);
    }

    #[test]
    fn numbers_that_no_file_has_are_refused() {
        assert!(Layout::with(SECTOR * 100, 1, 5).is_some());
        for (length, groups, recovery) in
            [(SECTOR * 100, 0, 5), (SECTOR * 100, 1, 0), (SECTOR * 100, 101, 1), (SECTOR * 100, 1, 101)]
        {
            assert_eq!(Layout::with(length, groups, recovery), None, "{groups} {recovery}");
        }
        assert_eq!(Layout::with(LONGEST, 1, 1), None, "a group of too many");
        let group = |data: u64| Layout::with(SECTOR * data, 1, 4);
        assert!(group(MOST_IN_GROUP - 4).is_some() && group(MOST_IN_GROUP - 3).is_none());
        assert_eq!(Layout::with(u64::MAX, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn parity_that_fills_takes_what_fits_to_the_sector_of_each_group_and_not_one_more() {
        for sectors in [1, 100, 15_000, 40_000, 100_000] {
            let length = sectors * SECTOR - 1;
            let least = Layout::new(length, Amount(1)).expect("a layout").parity();
            let whole = Layout::new(length, Amount(100)).expect("a layout").parity();
            for room in [least, least + 1, sectors / 3 + 1, whole - 1, whole, 10 * whole] {
                let Some(layout) = Layout::filling(length, |layout| layout.parity() <= room) else {
                    assert!(room < least, "{sectors} sectors, room for {room}");
                    continue;
                };
                assert!(layout.parity() <= room);
                let more = Layout::with(length, layout.groups(), layout.recovery() + 1);
                assert!(more.is_none_or(|more| more.parity() > room), "{sectors} sectors, room for {room}: {layout:?}");
            }
            assert_eq!(Layout::filling(length, |_| false), None);
        }
    }

    #[test]
    fn an_amount_is_a_percentage() {
        assert_eq!("fill".parse(), Ok(Asked::Fill));
        assert_eq!("5%".parse(), Ok(Asked::Percent(Amount(5))));
        assert!("full".parse::<Asked>().is_err_and(|why| why.contains("fill")));
        assert_eq!(
            ["5%", "100", "1%"].map(|text| text.parse().ok()),
            [Some(Amount(5)), Some(Amount(100)), Some(Amount(1))]
        );
        for bad in ["0%", "101%", "", "%", "5.5%", "-1%", "256%"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}
