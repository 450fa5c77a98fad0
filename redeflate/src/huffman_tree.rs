//! Huffman trees as GNU gzip and zlib build them.
//!
//! Many trees are optimal for the same frequencies; an encoder's output shows which one it took. Altered from zlib 1.3's
//! `trees.c` (`build_tree`, `pqdownheap`, `gen_bitlen`, `gen_codes`), see `NOTICE`: a heap ordered by frequency, then by
//! depth, and its way to shorten codes that came out too long. GNU gzip's output shows that it does the same.

/// The length of each symbol's code for given frequencies.
#[derive(Debug)]
pub(crate) struct HuffmanTree {
    /// The length of each symbol's code in bits, 0 for one without a code.
    pub(crate) lengths: Vec<u8>,
    /// The last symbol that has a code.
    pub(crate) last: usize,
    /// How many bits all symbols take, extra bits included.
    pub(crate) bits: i64,
}

/// What a tree is built for.
pub(crate) struct Alphabet {
    /// How many symbols there are.
    pub(crate) symbols: usize,
    /// The number of extra bits of the symbols from `extra_from` on.
    pub(crate) extra: &'static [u8],
    /// The first symbol with an entry in `extra`.
    pub(crate) extra_from: usize,
    /// The longest code allowed, in bits.
    pub(crate) max_length: usize,
}

impl Alphabet {
    fn extra_bits(&self, symbol: usize) -> u8 {
        symbol.checked_sub(self.extra_from).and_then(|at| self.extra.get(at)).copied().unwrap_or(0)
    }
}

/// A symbol, or a node above two others.
#[derive(Debug, Clone, Copy)]
struct Node {
    frequency: u32,
    /// How many levels are below it.
    depth: u8,
    /// The symbol; nodes that are none have the numbers after the alphabet.
    number: usize,
}

impl Node {
    /// Whether it may stand above `other` in the heap; of equals both may.
    fn may_precede(&self, other: &Node) -> bool {
        (self.frequency, self.depth) <= (other.frequency, other.depth)
    }
}

/// A binary heap. Where equals end up in it decides which tree comes out, so `BinaryHeap` would not do.
struct Heap(Vec<Node>);

impl Heap {
    fn new(nodes: Vec<Node>) -> Self {
        let mut heap = Heap(nodes);
        (0..heap.0.len() / 2).rev().for_each(|at| heap.sink(at));
        heap
    }

    /// Moves the node at a place down until both nodes below may follow it.
    fn sink(&mut self, mut at: usize) {
        let Some(&node) = self.0.get(at) else { return };
        while let Some(left) = self.0.get(2 * at + 1) {
            let (mut child, mut least) = (2 * at + 1, left);
            if let Some(right) = self.0.get(child + 1)
                && right.may_precede(left)
            {
                (child, least) = (child + 1, right);
            }
            if node.may_precede(least) {
                break;
            }
            self.0[at] = *least;
            at = child;
        }
        self.0[at] = node;
    }

    /// Joins the two least nodes under a new one until one is left; the new ones are numbered from `next` on. Returns
    /// what each of them joined.
    fn join_all(mut self, next: usize) -> Vec<[usize; 2]> {
        let mut joined = Vec::with_capacity(self.0.len());
        while self.0.len() > 1 {
            let first = self.0.swap_remove(0);
            self.sink(0);
            let second = self.0[0];
            self.0[0] = Node {
                frequency: first.frequency + second.frequency,
                depth: first.depth.max(second.depth) + 1,
                number: next + joined.len(),
            };
            joined.push([first.number, second.number]);
            self.sink(0);
        }
        joined
    }
}

impl HuffmanTree {
    /// Returns the tree for the frequency of each symbol of `alphabet`. At least two symbols get a code.
    pub(crate) fn new(frequencies: &[u16], alphabet: &Alphabet) -> Self {
        let mut frequencies: Vec<u32> = frequencies.iter().map(|&frequency| u32::from(frequency)).collect();
        let leaf = |(number, &frequency): (usize, &u32)| Node { frequency, depth: 0, number };
        let mut leaves: Vec<Node> =
            frequencies.iter().enumerate().map(leaf).filter(|node| node.frequency > 0).collect();
        let mut last = leaves.last().map(|node| node.number);
        let mut unused = 0;
        while leaves.len() < 2 {
            let number = last.map_or(0, |last| if last < 2 { last + 1 } else { 0 });
            last = last.max(Some(number));
            frequencies[number] = 1;
            leaves.push(Node { frequency: 1, depth: 0, number });
            unused += 1;
        }
        let joined = Heap::new(leaves).join_all(alphabet.symbols);
        let lengths = lengths(&joined, alphabet);
        let with_code = lengths.iter().zip(&frequencies).enumerate().filter(|(_, (length, _))| **length > 0);
        let bits: i64 = with_code
            .map(|(symbol, (&length, &frequency))| {
                i64::from(frequency) * i64::from(length + alphabet.extra_bits(symbol))
            })
            .sum();
        // zlib counts a bit less for each symbol that does not occur.
        HuffmanTree { lengths, last: last.unwrap_or(0), bits: bits - unused }
    }
}

/// Returns the length of each symbol's code, given what each node above the symbols joins, the root last.
fn lengths(joined: &[[usize; 2]], alphabet: &Alphabet) -> Vec<u8> {
    let (symbols, longest) = (alphabet.symbols, alphabet.max_length);
    let mut lengths = vec![0u8; symbols + joined.len()];
    let mut counts = vec![0usize; longest + 1];
    let mut too_long = 0;
    for (number, &children) in joined.iter().enumerate().rev() {
        let length = usize::from(lengths[symbols + number]) + 1;
        for child in children {
            too_long += usize::from(length > longest);
            lengths[child] = length.min(longest) as u8;
            if child < symbols {
                counts[length.min(longest)] += 1;
            }
        }
    }
    lengths.truncate(symbols);
    if too_long > 0 {
        shorten(&mut counts, too_long);
        let mut rarest_first = joined.iter().flatten().filter(|node| **node < symbols);
        for (length, &count) in counts.iter().enumerate().skip(1).rev() {
            for &symbol in rarest_first.by_ref().take(count) {
                lengths[symbol] = length as u8;
            }
        }
    }
    lengths
}

/// Makes the numbers of codes of each length fit a code again, of which `too_long` nodes were cut to the last length.
fn shorten(counts: &mut [usize], too_long: usize) {
    let longest = counts.len() - 1;
    // Each turn puts two codes of the longest length under the place of a shorter one.
    for _ in 0..too_long.div_ceil(2) {
        let Some(shorter) = (1..longest).rev().find(|&length| counts[length] > 0) else { return };
        counts[shorter] -= 1;
        counts[shorter + 1] += 2;
        counts[longest] -= 1;
    }
}

/// A symbol's code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codeword {
    /// Its bits, the first one lowest.
    pub(crate) bits: u16,
    /// How many.
    pub(crate) length: u8,
}

/// Returns the canonical code (RFC 1951, 3.2.2) with these lengths, at most 15 bits each.
pub(crate) fn codewords(lengths: &[u8]) -> Vec<Codeword> {
    let mut counts = [0u16; 16];
    lengths.iter().filter(|length| **length > 0).for_each(|length| counts[usize::from(*length)] += 1);
    let mut next = [0u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    let codeword = |&length: &u8| {
        if length == 0 {
            return Codeword { bits: 0, length };
        }
        let code = &mut next[usize::from(length)];
        let bits = code.reverse_bits() >> (16 - length);
        *code += 1;
        Codeword { bits, length }
    };
    lengths.iter().map(codeword).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tree_fills_its_code_within_the_limit_and_gives_the_frequent_no_longer_codes(
            frequencies in proptest::collection::vec(prop_oneof![Just(0u16), 1u16..50, 1u16..30_000], 19),
            max_length in 5usize..16,
        ) {
            let alphabet = Alphabet { symbols: 19, extra: &[2, 3, 7], extra_from: 16, max_length };
            let tree = HuffmanTree::new(&frequencies, &alphabet);
            let full = 1u32 << max_length;
            let used: u32 = tree.lengths.iter().filter(|length| **length > 0).map(|length| full >> length).sum();
            prop_assert_eq!(used, full);
            prop_assert!(tree.lengths.iter().all(|length| usize::from(*length) <= max_length));
            prop_assert_eq!(tree.lengths.iter().rposition(|length| *length > 0), Some(tree.last));
            for (one, other) in (0..19).flat_map(|one| (0..19).map(move |other| (one, other))) {
                prop_assert!(frequencies[one] == 0 || tree.lengths[one] > 0);
                if frequencies[one] > frequencies[other] && tree.lengths[other] > 0 {
                    prop_assert!(tree.lengths[one] <= tree.lengths[other]);
                }
            }
        }
    }
}
