//! Huffman trees as gzip and zlib build them.
//!
//! Many trees are optimal for the same frequencies; which one a compressor takes is its own choice. This is
//! that of Jean-loup Gailly's `trees.c`, in gzip and in zlib: a heap ordered by frequency, then by depth, and
//! his way to shorten codes that came out too long. Source: zlib 1.3, `trees.c`.

/// The codes of one alphabet.
#[derive(Debug)]
pub(in crate::image) struct Tree {
    /// The length of each symbol's code in bits, 0 for one that does not occur.
    pub(in crate::image) lengths: Vec<u8>,
    /// The codes, first bit lowest.
    pub(in crate::image) codes: Vec<u16>,
    /// The last symbol that has a code.
    pub(in crate::image) last: usize,
    /// How many bits the text takes, extra bits included.
    pub(in crate::image) bits: i64,
}

/// An alphabet: which of its symbols have extra bits, and how long its codes may be.
pub(in crate::image) struct Alphabet {
    /// How many symbols it has.
    pub(in crate::image) symbols: usize,
    /// The extra bits of the symbols from `extra_from` on.
    pub(in crate::image) extra: &'static [u8],
    /// The first symbol with extra bits.
    pub(in crate::image) extra_from: usize,
    /// The longest code, in bits.
    pub(in crate::image) longest: usize,
}

impl Alphabet {
    fn extra_of(&self, symbol: usize) -> i64 {
        symbol.checked_sub(self.extra_from).and_then(|at| self.extra.get(at)).map_or(0, |&bits| i64::from(bits))
    }
}

/// A symbol or an inner node on its way into the tree; the one that comes first is taken first.
#[derive(Debug, Clone, Copy)]
struct Node {
    frequency: u32,
    depth: u8,
    number: usize,
}

impl Node {
    /// Whether it may come before another; of equals both may.
    fn is_before(&self, other: &Node) -> bool {
        (self.frequency, self.depth) <= (other.frequency, other.depth)
    }
}

/// A heap whose ties fall as in `trees.c`; entry 0 is not used.
struct Heap(Vec<Node>);

impl Heap {
    fn sink(&mut self, mut at: usize) {
        let node = self.0[at];
        let last = self.0.len() - 1;
        let mut child = 2 * at;
        while child <= last {
            if child < last && self.0[child + 1].is_before(&self.0[child]) {
                child += 1;
            }
            if node.is_before(&self.0[child]) {
                break;
            }
            self.0[at] = self.0[child];
            at = child;
            child *= 2;
        }
        self.0[at] = node;
    }

    fn take(&mut self) -> Node {
        let first = self.0[1];
        let last = self.0.len() - 1;
        self.0[1] = self.0[last];
        self.0.truncate(last);
        if last > 1 {
            self.sink(1);
        }
        first
    }
}

impl Tree {
    /// The tree for these frequencies; at least two symbols get a code.
    pub(in crate::image) fn new(frequencies: &[u16], alphabet: &Alphabet) -> Self {
        let count = alphabet.symbols;
        let mut frequency: Vec<u32> = frequencies[..count].iter().map(|&frequency| u32::from(frequency)).collect();
        let mut heap = Heap(vec![Node { frequency: 0, depth: 0, number: 0 }]);
        let mut last = None;
        for (number, &frequency) in frequency.iter().enumerate().filter(|(_, frequency)| **frequency > 0) {
            heap.0.push(Node { frequency, depth: 0, number });
            last = Some(number);
        }
        let mut bits = 0;
        while heap.0.len() < 3 {
            let number = match last {
                None => 0,
                Some(last) if last < 2 => last + 1,
                Some(_) => 0,
            };
            last = last.max(Some(number));
            frequency[number] = 1;
            heap.0.push(Node { frequency: 1, depth: 0, number });
            bits -= 1; // the text does not have it
        }
        let last = last.unwrap_or(0);
        for at in (1..heap.0.len().div_ceil(2)).rev() {
            heap.sink(at);
        }
        // The nodes in the order in which they were taken, and whose children they are.
        let mut order = Vec::with_capacity(2 * count);
        let mut parent = vec![0; 2 * count + 1];
        let mut next = count;
        while heap.0.len() > 2 {
            let (one, other) = (heap.take(), heap.0[1]);
            order.extend([one.number, other.number]);
            parent[one.number] = next;
            parent[other.number] = next;
            let depth = one.depth.max(other.depth) + 1;
            heap.0[1] = Node { frequency: one.frequency + other.frequency, depth, number: next };
            heap.sink(1);
            next += 1;
        }
        let root = heap.0[1].number;
        let mut lengths = vec![0u8; next + 1];
        let mut counts = vec![0usize; alphabet.longest + 2];
        let mut too_long = 0i32;
        for &node in order.iter().rev() {
            debug_assert_ne!(node, root);
            let mut length = usize::from(lengths[parent[node]]) + 1;
            if length > alphabet.longest {
                length = alphabet.longest;
                too_long += 1;
            }
            lengths[node] = length as u8;
            if node <= last {
                counts[length] += 1;
                bits += i64::from(frequency[node]) * (length as i64 + alphabet.extra_of(node));
            }
        }
        if too_long > 0 {
            shorten(&mut counts, too_long, alphabet.longest);
            // The rarest get the longest codes.
            let mut rarest = order.iter().filter(|node| **node <= last);
            for length in (1..=alphabet.longest).rev() {
                for &node in rarest.by_ref().take(counts[length]) {
                    bits += (length as i64 - i64::from(lengths[node])) * i64::from(frequency[node]);
                    lengths[node] = length as u8;
                }
            }
        }
        lengths.truncate(count);
        let codes = codes(&lengths, &counts);
        Tree { lengths, codes, last, bits }
    }
}

/// Finds numbers of codes of each length that fit, when so many nodes came out too long.
fn shorten(counts: &mut [usize], mut too_long: i32, longest: usize) {
    while too_long > 0 {
        let mut length = longest - 1;
        while counts[length] == 0 {
            length -= 1;
        }
        counts[length] -= 1;
        counts[length + 1] += 2;
        counts[longest] -= 1;
        too_long -= 2;
    }
}

/// The canonical codes (RFC 1951, 3.2.2) with these lengths, first bit lowest; `counts` says how many there are of
/// each length above 0.
pub(in crate::image) fn codes(lengths: &[u8], counts: &[usize]) -> Vec<u16> {
    let mut next = [0u16; 17];
    let mut code = 0u16;
    for length in 1..counts.len().min(16) {
        code = code.wrapping_add(counts[length - 1] as u16) << 1;
        next[length] = code;
    }
    let one = |&length: &u8| {
        let place = &mut next[usize::from(length)];
        let code = *place;
        *place = place.wrapping_add(1);
        if length == 0 { 0 } else { code.reverse_bits() >> (16 - length) }
    };
    lengths.iter().map(one).collect()
}
