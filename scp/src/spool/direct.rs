//! A file that is written once, in order, around the page cache where the file system can: nobody reads
//! a film within the second, and its pages would cost more time than the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Address, length and place in the file of what is written around the cache: one page, which no
/// disk's blocks exceed (open(2), O_DIRECT).
pub(super) const ALIGN: usize = 4096;

/// The open file.
#[derive(Debug)]
pub(super) struct Out {
    file: File,
    /// The next whole pages go around the cache.
    direct: bool,
}

impl Out {
    /// Makes the file, which must not exist, readable by its owner only.
    pub(super) fn create(path: &Path, direct: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let out = Self { file: options.open(path)?, direct };
        if direct {
            // Not every file system can; those are written as usual.
            return Ok(Self { direct: switch(&out.file, true).is_ok(), ..out });
        }
        Ok(out)
    }

    /// Appends. Bytes that are not whole pages end the way around the cache.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let whole = bytes.len() - bytes.len() % ALIGN;
            if self.direct && whole == 0 {
                self.through_cache()?;
            }
            let now = if self.direct { &bytes[..whole] } else { bytes };
            match self.file.write(now) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A disk with larger blocks, or a piece that was cut short.
                Err(error) if error.kind() == ErrorKind::InvalidInput && self.direct => self.through_cache()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn through_cache(&mut self) -> io::Result<()> {
        self.direct = false;
        switch(&self.file, false)
    }

    /// The file, for whoever makes it durable.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

#[cfg(target_os = "linux")]
fn switch(file: &File, direct: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_setfl};
    Ok(fcntl_setfl(file, if direct { OFlags::DIRECT } else { OFlags::empty() })?)
}

#[cfg(not(target_os = "linux"))]
fn switch(_: &File, direct: bool) -> io::Result<()> {
    if direct { Err(ErrorKind::Unsupported.into()) } else { Ok(()) }
}
