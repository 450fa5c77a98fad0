//! What is wanted of an analysis, and within which bounds.

use super::limits::ImageLimits;
use crate::platform::Platform;
use crate::workers;

/// What is wanted of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct AnalysisOptions {
    /// The platform every image must be for; `None` for any.
    pub platform: Option<Platform>,
    /// Whether the original file must come back bit for bit. Without, an archive of images comes back as a
    /// plain docker archive, in a fraction of the time.
    pub originals: bool,
    /// Keep compressed files as they are.
    pub keep_compressed: bool,
    /// On how many cores; the outcome does not depend on it.
    pub cores: usize,
    /// The bounds in force.
    pub limits: ImageLimits,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        AnalysisOptions {
            platform: None,
            originals: true,
            keep_compressed: false,
            cores: workers::cores(),
            limits: ImageLimits::DEFAULT,
        }
    }
}

impl AnalysisOptions {
    /// Whether to find out how gzip files can be written again.
    pub(super) fn wants_records(&self) -> bool {
        self.originals && !self.keep_compressed
    }
}
