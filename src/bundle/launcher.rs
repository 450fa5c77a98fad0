//! The bundle's header: the launcher's text with this bundle's numbers in it, and the packed runtime.

use std::io::Write;

use crc::{CRC_32_CKSUM, Crc};
use flate2::{Compression, GzBuilder};

use super::runtime::Runtime;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::workers;

/// The launcher's length in bytes: fixed, so that the numbers in its text do not depend on each other.
const LAUNCHER_SIZE: usize = 8_192;

/// Launcher and runtime: what stands before the payload. `effort` is gzip's level, 1 to 9.
///
/// # Errors
/// The launcher's text does not fit into its fixed size.
pub fn header(manifest: &Manifest, platform: Platform, runtime: &Runtime, effort: u32) -> Result<Vec<u8>> {
    let packed = gzip(runtime.bytes(), effort)?;
    let fields = [
        ("@NAME@", manifest.name().to_string()),
        ("@VERSION@", manifest.version().to_string()),
        ("@MACHINE@", platform.machine().to_owned()),
        ("@PACKED_BY@", concat!("pack ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("@PAYLOAD@", (LAUNCHER_SIZE + packed.len() + 1).to_string()),
        ("@RUNTIME_AT@", (LAUNCHER_SIZE + 1).to_string()),
        ("@RUNTIME_SIZE@", packed.len().to_string()),
        ("@PACKED_CKSUM@", cksum(&packed)),
        ("@UNPACKED_CKSUM@", cksum(runtime.bytes())),
        ("@PACKED_SHA256@", Digest::of(&packed).hex()),
        ("@UNPACKED_SHA256@", Digest::of(runtime.bytes()).hex()),
    ];
    let text = fields.iter().fold(launcher(), |text, (field, value)| text.replace(field, value));
    if text.len() > LAUNCHER_SIZE {
        return Err(Error::failed("the launcher does not fit into its place")
            .fact("expected", format_args!("at most {LAUNCHER_SIZE} bytes"))
            .fact("actual", format_args!("{} bytes", text.len()))
            .hint("shorten the product's version"));
    }
    let mut header = text.into_bytes();
    // The script has ended by then: no shell reads these.
    header.resize(LAUNCHER_SIZE - 1, b'#');
    header.push(b'\n');
    header.extend(packed);
    Ok(header)
}

/// The launcher's text, with its head that says what the file is, and without the comments that explain the code to us.
fn launcher() -> String {
    let text = include_str!("launcher.sh");
    let head = text.lines().take_while(|line| line.starts_with('#')).count();
    let is_kept = |(place, line): &(usize, &str)| *place < head || !line.trim_start().starts_with("# ");
    text.lines().enumerate().filter(is_kept).fold(String::new(), |text, (_, line)| text + line + "\n")
}

/// Gzip (RFC 1952) with no name and no time in it, packed on all cores: a member for every piece, which any
/// gunzip takes for one file.
fn gzip(bytes: &[u8], effort: u32) -> Result<Vec<u8>> {
    const PIECE: usize = 2 << 20;
    let member = |piece: &[u8]| {
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(effort));
        let packed = encoder.write_all(piece).and_then(|()| encoder.finish());
        packed.map_err(|cause| Error::failed("cannot pack the runtime").fact("cause", cause))
    };
    let mut packed = Vec::new();
    workers::ordered(
        workers::cores(),
        |emit| bytes.chunks(PIECE).try_for_each(emit),
        member,
        |piece| {
            packed.extend(piece);
            Ok(())
        },
    )?;
    Ok(packed)
}

/// What POSIX `cksum` prints for `bytes`: the CRC over content and length, and the length.
fn cksum(bytes: &[u8]) -> String {
    let crc = Crc::<u32, crc::Table<16>>::new(&CRC_32_CKSUM);
    let mut digest = crc.digest();
    digest.update(bytes);
    // POSIX, utility `cksum`: the length follows the content, least significant octet first, no zeros.
    let length = (bytes.len() as u64).to_le_bytes();
    let significant = length.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    digest.update(&length[..significant]);
    format!("{} {}", digest.finalize(), bytes.len())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cksum_is_the_systems() {
        for bytes in [&b""[..], b"a", &[0; 300], &[0xff; 70_000]] {
            let mut child = Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cksum");
            child.stdin.take().expect("a pipe").write_all(bytes).expect("written");
            let output = child.wait_with_output().expect("ended");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), cksum(bytes));
        }
    }
}
