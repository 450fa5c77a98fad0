//! Where an encoder ends a block: the one decision in which GNU gzip and zlib differ.
//!
//! Altered from zlib, see `NOTICE`. With its default memory zlib ends a block after 16,383 tokens (`lit_bufsize - 1` in
//! its `deflate.c`), and nowhere else. GNU gzip's output shows two things:
//!
//! * Its blocks have at most 32,767 tokens. Noise has no matches and is stored, so a block's LEN field (RFC 1951, 3.2.4)
//!   is its number of tokens: `head -c 99999 /dev/urandom | gzip -n | od -An -tu2 -j11 -N2` prints 32767.
//! * Some blocks end earlier, always after a multiple of 4,096 tokens. Which of them do is explained by a rule that zlib
//!   up to 1.2.11 had in `trees.c`, switched off (`TRUNCATE_BLOCK`, there after every 8,192 tokens): fewer than half of
//!   the tokens are matches, and an upper bound of the compressed size is less than half of the content. The bound
//!   counts a byte a token, and a fixed code and the extra bits a distance.
//!
//! The tests in `gzip_output` show each part of that on the output of the installed gzip.

/// When a block ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockEnd {
    /// After this many tokens it ends at the latest.
    max_tokens: usize,
    /// After each multiple of this many tokens it ends if it compresses well.
    check_every: Option<usize>,
}

/// What a block has so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockContent {
    /// How many tokens.
    pub(crate) tokens: usize,
    /// How many of them are matches.
    pub(crate) matches: usize,
    /// How much content the encoder has passed since the block's start, in bytes. At a match that is still without the
    /// match, save for its first byte.
    pub(crate) content: usize,
}

impl BlockEnd {
    /// GNU gzip's.
    pub(crate) const GZIP: BlockEnd = BlockEnd { max_tokens: (1 << 15) - 1, check_every: Some(4096) };
    /// zlib's with its default memory.
    pub(crate) const ZLIB: BlockEnd = BlockEnd { max_tokens: (1 << 14) - 1, check_every: None };

    /// Returns whether the block ends here. `distance_bits` gives the bits that its distances take with fixed codes, extra
    /// bits included; it is called seldom.
    #[inline(always)]
    pub(crate) fn is_reached(self, block: BlockContent, distance_bits: impl FnOnce() -> usize) -> bool {
        block.tokens == self.max_tokens
            || self.check_every.is_some_and(|tokens| block.tokens.is_multiple_of(tokens))
                && block.compresses_well(distance_bits())
    }
}

impl BlockContent {
    fn compresses_well(self, distance_bits: usize) -> bool {
        let upper_bound = self.tokens + distance_bits / 8;
        self.matches < self.tokens / 2 && upper_bound < self.content / 2
    }
}
