//! The proof that an artifact comes back from the blobs it was taken apart into.

use pack::digest::Descriptor;
use pack::image::{AnalysedBlobs, Analysis, Representation, rebuild};

/// The original comes back from recipe and blobs, and every blob is what its digest says.
pub fn assert_comes_back(analysis: &Analysis, original: &[u8]) {
    let Representation::Rebuilt(recipe) = &analysis.representation else { panic!("{:?}", analysis.representation) };
    for blob in &analysis.blobs {
        let found = Descriptor::of_reader(blob.open().expect("opens")).expect("reads");
        assert_eq!(found, blob.descriptor);
    }
    let mut again = Vec::new();
    rebuild(&analysis.artifact, recipe, &AnalysedBlobs::of([analysis]), &mut again).expect("rebuilt");
    assert!(again == original, "{} of {} bytes", again.len(), original.len());
}
