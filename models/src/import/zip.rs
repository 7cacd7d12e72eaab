//! The zip container of torch files: stored entries only, read in place.
//!
//! torch never compresses, so neither does this reader inflate: nothing can grow. Sizes come from the central directory
//! and are held against the file; contents are held against their CRC-32, because damaged weights look like any others.

use super::error::ImportError;

const END: &[u8] = b"PK\x05\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";
const END_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// More storages than any network here has tensors.
const MOST_ENTRIES: u64 = 65_536;

/// One file of the archive.
pub(super) struct Entry<'a> {
    /// Name with folders.
    pub name: &'a str,
    bytes: &'a [u8],
    crc: u32,
}

impl<'a> Entry<'a> {
    /// Its contents.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn contents(&self) -> Result<&'a [u8], ImportError> {
        if crc32(self.bytes) == self.crc {
            return Ok(self.bytes);
        }
        let name = self.name;
        Err(ImportError::container(format!(
            "zip entry {name:?}: its CRC-32 differs, the file is damaged: copy it again"
        )))
    }
}

fn broken(what: &str) -> ImportError {
    ImportError::container(format!("the zip container is damaged or cut short: {what}; copy the file again"))
}

/// Little-endian numbers at places that may not exist.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.0.get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }

    fn number(&self, at: u64, length: u64) -> Option<u64> {
        Some(self.slice(at, length)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }
}

/// All entries.
///
/// # Errors
/// [`ImportError::Container`].
pub(super) fn entries(file: &[u8]) -> Result<Vec<Entry<'_>>, ImportError> {
    let reader = Reader(file);
    let (count, start) = directory(&reader).ok_or_else(|| broken("there is no end of central directory"))?;
    if count > MOST_ENTRIES {
        return Err(broken(&format!("it claims {count} entries, at most {MOST_ENTRIES} are read")));
    }
    let mut found = Vec::new();
    let (mut at, mut held) = (start, 0_usize);
    for _ in 0..count {
        let (entry, next) = entry(&reader, at)?;
        // Else a small file could have us read the same bytes thousands of times.
        held = held.saturating_add(entry.bytes.len());
        if held > file.len() {
            return Err(broken(&format!("entry {:?} lies over another one", entry.name)));
        }
        found.push(entry);
        at = next;
    }
    Ok(found)
}

/// Number of entries and where their directory starts.
fn directory(reader: &Reader<'_>) -> Option<(u64, u64)> {
    let tail = reader.0.len().saturating_sub(65_557);
    let end = (tail + reader.0[tail..].windows(4).rposition(|w| w == END)?) as u64;
    reader.slice(end, 22)?;
    let locator = end.checked_sub(20).filter(|&at| reader.slice(at, 4) == Some(END_64_LOCATOR));
    if let Some(locator) = locator {
        let at = reader.number(locator + 8, 8)?;
        return (reader.slice(at, 4)? == END_64)
            .then_some((reader.number(at.checked_add(32)?, 8)?, reader.number(at.checked_add(48)?, 8)?));
    }
    Some((reader.number(end + 10, 2)?, reader.number(end + 16, 4)?))
}

fn entry<'a>(reader: &Reader<'a>, at: u64) -> Result<(Entry<'a>, u64), ImportError> {
    let missing = || broken("an entry of the central directory is not there");
    let field = |offset: u64, length| at.checked_add(offset).and_then(|a| reader.number(a, length)).ok_or_else(missing);
    if reader.slice(at, 4) != Some(ENTRY) {
        return Err(missing());
    }
    let (flags, method, crc) = (field(8, 2)?, field(10, 2)?, field(16, 4)? as u32);
    let (packed, size) = (field(20, 4)?, field(24, 4)?);
    let (name_length, extra_length, comment_length) = (field(28, 2)?, field(30, 2)?, field(32, 2)?);
    let name = reader.slice(at + 46, name_length).ok_or_else(missing)?;
    let name = std::str::from_utf8(name).map_err(|_| broken("the name of an entry is not text"))?;
    if method != 0 || flags & 1 != 0 {
        let problem =
            "is compressed or encrypted, which torch never does: unpack it and save the weights with torch.save";
        return Err(ImportError::container(format!("zip entry {name:?} {problem}")));
    }
    let extra = reader.slice(at + 46 + name_length, extra_length).ok_or_else(missing)?;
    let [size, packed, local] = widen(extra, [size, packed, field(42, 4)?]);
    if size != packed {
        return Err(broken(&format!("entry {name:?} is stored, but has two sizes")));
    }
    let header = |offset: u64, length| local.checked_add(offset).and_then(|a| reader.number(a, length));
    let bytes = (|| {
        let start = local.checked_add(30 + header(26, 2)? + header(28, 2)?)?;
        (reader.slice(local, 4)? == LOCAL).then(|| reader.slice(start, size))?
    })();
    let bytes = bytes.ok_or_else(|| broken(&format!("entry {name:?} claims {size} bytes that are not there")))?;
    Ok((Entry { name, bytes, crc }, at + 46 + name_length + extra_length + comment_length))
}

/// Fields of 32 set bits stand, in this order, as 64 bits in extra field 1.
fn widen(extra: &[u8], mut fields: [u64; 3]) -> [u64; 3] {
    let reader = Reader(extra);
    let mut at = 0;
    while let (Some(id), Some(length)) = (reader.number(at, 2), reader.number(at + 2, 2)) {
        if id == 1 {
            let mut value = at + 4;
            for field in fields.iter_mut().filter(|f| **f == u64::from(u32::MAX)) {
                *field = reader.number(value, 8).unwrap_or(*field);
                value += 8;
            }
        }
        at += 4 + length;
    }
    fields
}

fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] =
        std::array::from_fn(|n| (0..8).fold(n as u32, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 }));
    !bytes.iter().fold(u32::MAX, |c, &b| table[usize::from(c as u8 ^ b)] ^ (c >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_directory_that_claims_everything_is_refused() {
        let mut file = b"PK\x03\x04".to_vec();
        file.extend(END);
        file.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        assert!(entries(&file).is_err());
    }
}
