//! The alphabets of DEFLATE (RFC 1951, 3.2.5 to 3.2.7): what each symbol stands for.

/// How many literals there are; the literal/length symbols above them are [`END_OF_BLOCK`] and the lengths.
pub(crate) const LITERALS: usize = 256;
/// The literal/length symbol that ends a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// The first literal/length symbol that stands for a length.
pub(crate) const FIRST_LENGTH: usize = 257;
/// How many literal/length symbols there are.
pub(crate) const LITERALS_AND_LENGTHS: usize = 286;
/// How many distance symbols there are.
pub(crate) const DISTANCES: usize = 30;
/// How many symbols the code that writes code lengths has.
pub(crate) const CODE_LENGTHS: usize = 19;

/// The shortest match, in bytes.
pub(crate) const MIN_MATCH: usize = 3;
/// The longest match, in bytes.
pub(crate) const MAX_MATCH: usize = 258;

/// The shortest length that each length symbol stands for, counted from [`FIRST_LENGTH`].
pub(crate) const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
/// How many extra bits follow each length symbol.
pub(crate) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// How many extra bits follow each distance symbol.
pub(crate) const DISTANCE_EXTRA: [u8; DISTANCES] = {
    let mut extra = [0; DISTANCES];
    let mut symbol = 4;
    while symbol < DISTANCES {
        extra[symbol] = (symbol / 2 - 1) as u8;
        symbol += 1;
    }
    extra
};

/// The code-length symbol that repeats the previous length 3 to 6 times.
pub(crate) const REPEAT: u8 = 16;
/// The code-length symbol for 3 to 10 zeros.
pub(crate) const FEW_ZEROS: u8 = 17;
/// The code-length symbol for 11 to 138 zeros.
pub(crate) const MANY_ZEROS: u8 = 18;
/// How many extra bits follow each code-length symbol.
pub(crate) const CODE_LENGTH_EXTRA: [u8; CODE_LENGTHS] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];
/// The order in which the lengths of the code-length code are written.
pub(crate) const CODE_LENGTH_ORDER: [usize; CODE_LENGTHS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The length in bits of each literal/length symbol's fixed code; two of them are never used.
pub(crate) const FIXED_LENGTHS: [u8; 288] = {
    let mut lengths = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    lengths
};
/// The length in bits of every distance symbol's fixed code.
pub(crate) const FIXED_DISTANCE_LENGTH: u8 = 5;

/// The length symbol, counted from [`FIRST_LENGTH`], for each length, counted from [`MIN_MATCH`].
const LENGTH_SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let (mut length, mut symbol) = (0, 0);
    while length < 256 {
        // 258 has a symbol of its own, although the one before reaches that far.
        while symbol < 28 && LENGTH_BASE[symbol + 1] as usize <= length + MIN_MATCH {
            symbol += 1;
        }
        symbols[length] = symbol as u8;
        length += 1;
    }
    symbols
};

/// The symbol for a length above [`MIN_MATCH`], and its extra bits' value. Both count from 0.
#[inline(always)]
pub(crate) fn length_symbol(above_min: u8) -> (usize, u32) {
    let symbol = usize::from(LENGTH_SYMBOLS[usize::from(above_min)]);
    (symbol, u32::from(above_min) + MIN_MATCH as u32 - u32::from(LENGTH_BASE[symbol]))
}

/// The symbol for a distance of 1 to 32,768.
#[inline(always)]
pub(crate) fn distance_symbol(distance: u32) -> usize {
    let from_zero = distance - 1;
    if from_zero < 4 {
        return from_zero as usize;
    }
    let high = from_zero.ilog2();
    (2 * high + (from_zero >> (high - 1) & 1)) as usize
}

/// The shortest distance that a symbol stands for.
#[inline(always)]
pub(crate) fn distance_base(symbol: usize) -> u32 {
    let symbol = symbol as u32;
    if symbol < 4 { symbol + 1 } else { ((2 + (symbol & 1)) << (symbol / 2 - 1)) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_distance_has_the_symbol_whose_range_holds_it() {
        for length in MIN_MATCH..=MAX_MATCH {
            let (symbol, extra) = length_symbol((length - MIN_MATCH) as u8);
            assert_eq!(usize::from(LENGTH_BASE[symbol]) + extra as usize, length);
            assert!(extra < 1 << LENGTH_EXTRA[symbol], "{length}");
        }
        assert_eq!(length_symbol(255), (28, 0));
        for distance in 1..=32_768 {
            let symbol = distance_symbol(distance);
            let extra = distance - distance_base(symbol);
            assert!(extra < 1 << DISTANCE_EXTRA[symbol], "{distance}");
        }
        assert_eq!((distance_base(29), DISTANCE_EXTRA[29]), (24_577, 13));
    }
}
