//! The short digests of all sectors, in pages that are checked one by one: of two copies, each page may come from either.

use super::layout::{Layout, SECTOR};
use crate::digest::Digest;

/// A page's first bytes: the beginning of the digest of seal, page number and the rest of the page.
const CHECK: usize = 16;
/// The length of a sector's digest in bytes: the beginning of its SHA-256. It finds damage, which a wrong sector escapes
/// once in 2^64; what must withstand an attacker is the bundle's own digests.
const SHORT: usize = 8;
/// How many digests a page has.
const IN_PAGE: u64 = (SECTOR - CHECK as u64) / SHORT as u64;

/// The beginning of a sector's digest.
pub(super) type ShortDigest = [u8; SHORT];

/// The beginning of a sector's digest.
pub(super) fn short(sector: &[u8]) -> ShortDigest {
    let mut short = [0; SHORT];
    short.copy_from_slice(&Digest::of(sector).as_bytes()[..SHORT]);
    short
}

/// How many pages a table has.
pub(super) fn pages(layout: &Layout) -> u64 {
    layout.listed().div_ceil(IN_PAGE)
}

/// The digests of all sectors, as far as they are known.
#[derive(Debug)]
pub(super) struct Table {
    digests: Vec<ShortDigest>,
    known: Vec<bool>,
}

impl Table {
    /// A table that knows no page yet.
    pub(super) fn new(layout: &Layout) -> Self {
        Table { digests: vec![[0; SHORT]; layout.listed() as usize], known: vec![false; pages(layout) as usize] }
    }

    /// Sets the digest of a sector, which is known from now on.
    pub(super) fn set(&mut self, sector: u64, digest: ShortDigest) {
        self.digests[sector as usize] = digest;
        self.known[(sector / IN_PAGE) as usize] = true;
    }

    /// The digest of a sector; `None` where its page is damaged.
    pub(super) fn digest(&self, sector: u64) -> Option<ShortDigest> {
        self.known[(sector / IN_PAGE) as usize].then(|| self.digests[sector as usize])
    }

    /// How many pages are not known.
    pub(super) fn unknown(&self) -> usize {
        self.known.iter().filter(|known| !**known).count()
    }

    /// A page's sector.
    pub(super) fn page(&self, number: u64, seal: &Digest) -> Vec<u8> {
        let first = (number * IN_PAGE) as usize;
        let last = self.digests.len().min(first + IN_PAGE as usize);
        let mut page = vec![0; CHECK];
        page.extend(self.digests[first..last].iter().flatten());
        page.resize(SECTOR as usize, 0);
        let check = check(number, seal, &page[CHECK..]);
        page[..CHECK].copy_from_slice(&check);
        page
    }

    /// Takes in a page, if it is the one of that number and its bytes are right.
    pub(super) fn take(&mut self, number: u64, seal: &Digest, page: &[u8]) -> bool {
        let right = page.len() as u64 == SECTOR && page[..CHECK] == check(number, seal, &page[CHECK..]);
        if right {
            let digests = page[CHECK..].chunks_exact(SHORT).zip(number * IN_PAGE..self.digests.len() as u64);
            for (bytes, sector) in digests {
                self.digests[sector as usize].copy_from_slice(bytes);
            }
            self.known[number as usize] = true;
        }
        right
    }
}

fn check(number: u64, seal: &Digest, content: &[u8]) -> [u8; CHECK] {
    let mut bytes = seal.as_bytes().to_vec();
    bytes.extend(number.to_le_bytes());
    bytes.extend(content);
    let mut check = [0; CHECK];
    check.copy_from_slice(&Digest::of(&bytes).as_bytes()[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use super::super::layout::Amount;
    use super::*;

    #[test]
    fn pages_read_back_in_their_place_and_under_their_seal_only() {
        let layout = Layout::new(600 * SECTOR, Amount::DEFAULT).expect("a layout");
        assert_eq!((layout.listed(), pages(&layout)), (630, 2));
        let mut table = Table::new(&layout);
        for sector in 0..layout.listed() {
            table.set(sector, short(&sector.to_le_bytes()));
        }
        let seal = Digest::of(b"seal");
        let page = table.page(1, &seal);
        let mut again = Table::new(&layout);
        assert!(!again.take(0, &seal, &page), "another place");
        assert!(!again.take(1, &Digest::of(b"another"), &page), "another file's");
        for at in 0..page.len() {
            let mut changed = page.clone();
            changed[at] ^= 1;
            assert!(!again.take(1, &seal, &changed), "byte {at}");
        }
        assert!(again.take(1, &seal, &page) && again.unknown() == 1);
        for sector in 0..layout.listed() {
            let expected = (sector >= IN_PAGE).then(|| short(&sector.to_le_bytes()));
            assert_eq!(again.digest(sector), expected, "sector {sector}");
        }
    }
}
