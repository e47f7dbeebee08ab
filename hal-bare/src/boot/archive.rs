//! The boot archive: a tar file with the programs.

use tar_no_std::TarArchiveRef;

/// The boot archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveError;

/// The files of the archive, in its order.
///
/// # Errors
/// If the bytes are no tar archive.
pub fn programs(bytes: &[u8]) -> Result<impl Iterator<Item = &[u8]>, ArchiveError> {
    let archive = TarArchiveRef::new(bytes).map_err(|_| ArchiveError)?;
    Ok(archive.entries().map(|entry| entry.data()))
}
