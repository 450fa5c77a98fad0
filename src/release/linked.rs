//! An artifact that is one read-only file with the cache: verified under a name of its own, then renamed.

use std::fs::File;
use std::io;
use std::path::Path;

use super::LockedFolder;
use super::partial::Verified;
use crate::digest::Descriptor;
use crate::error::Result;
use crate::manifest::Pin;
use crate::own_file;
use crate::progress::Meter;

impl LockedFolder {
    /// Verifies the file that `link` gives the name it is called with. `meter` hears of each byte that is hashed.
    ///
    /// `None` if there is no such link, or the file is not what is pinned.
    ///
    /// # Errors
    /// What an earlier run left under that name cannot be removed.
    pub fn verify_linked(
        &self,
        pin: Pin,
        link: impl FnOnce(&Path) -> io::Result<File>,
        meter: &dyn Meter,
    ) -> Result<Option<Verified>> {
        let path = self.partial_path(&pin.digest).with_extension("link");
        own_file::remove(&path)?;
        let Ok(file) = link(&path) else { return Ok(None) };
        let mut hashed = 0;
        let found = Descriptor::of_reader_watched(&file, |bytes| {
            hashed += bytes;
            meter.add(bytes);
        });
        match found {
            Ok(found) if pin.check(found).is_ok() => Ok(Some(Verified::linked(file, path, found))),
            _ => {
                meter.retract(hashed);
                own_file::remove(&path)?;
                Ok(None)
            }
        }
    }
}
