//! Ways to spoil a film so that it can be no film any more, on the bytes, in every encoding.

use crate::films::{film, made, put_together, taken_apart};

/// How the data set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Explicit,
    Implicit,
    Big,
    Deflated,
}

/// A whole film.
#[derive(Debug)]
pub struct Base {
    pub name: &'static str,
    pub encoding: Encoding,
    pub encapsulated: bool,
}

const fn native(name: &'static str, encoding: Encoding) -> Base {
    Base { name, encoding, encapsulated: false }
}

const fn compressed(name: &'static str) -> Base {
    Base { name, encoding: Encoding::Explicit, encapsulated: true }
}

/// One of each transfer syntax and of each variant that the project has, and one of a real size.
pub const BASES: &[Base] = &[
    native("high_bits_12", Encoding::Explicit),
    native("implicit_12", Encoding::Implicit),
    native("big_endian_12", Encoding::Big),
    native("big_endian_8", Encoding::Big),
    native("deflated_12", Encoding::Deflated),
    native("large", Encoding::Explicit),
    compressed("rle_12"),
    compressed("jpeg_baseline_8"),
    compressed("jpeg_lossless_12"),
    compressed("jpegls_12"),
    compressed("jpegls_8"),
    compressed("jpegls_near_12"),
    compressed("jpeg2000_12"),
    compressed("jpeg2000_lossy_12"),
];

impl Base {
    pub fn bytes(&self) -> Vec<u8> {
        if self.name != "large" {
            return film(self.name);
        }
        let pixel = |n: u32| ((n % 2500) * 3 + n / 2500 * 7) as u16 % 4096;
        made(2500, &(0..2500 * 3000).map(pixel).collect::<Vec<_>>(), Vec::new())
    }
}

/// What is done to a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The file ends early.
    Cut,
    /// Rows or Columns are 0.
    NoSize,
    /// 20,000 x 20,000.
    Huge,
    /// More rows than there are pixels.
    MoreRows,
    /// Bits Allocated, Bits Stored and High Bit that cannot be.
    Bits,
    /// Two frames.
    Frames,
    /// Three samples for each pixel.
    Samples,
    /// Another transfer syntax than the pixels have.
    Syntax,
    /// A transfer syntax that nobody has heard of.
    Unheard,
    /// The compressed stream ends early, in whole fragments.
    Stream,
    /// The compressed stream is another's.
    Foreign,
    /// The stream itself claims another size.
    StreamSize,
    /// A fragment that is longer than the file.
    Fragment,
    /// No fragment.
    Empty,
    /// Noise instead of a stream.
    Noise,
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind::Cut,
    Kind::NoSize,
    Kind::Huge,
    Kind::MoreRows,
    Kind::Bits,
    Kind::Frames,
    Kind::Samples,
    Kind::Syntax,
    Kind::Unheard,
    Kind::Stream,
    Kind::Foreign,
    Kind::StreamSize,
    Kind::Fragment,
    Kind::Empty,
    Kind::Noise,
];

/// xorshift64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

const ROWS: (u16, u16) = (0x0028, 0x0010);
const COLUMNS: (u16, u16) = (0x0028, 0x0011);
const SAMPLES: (u16, u16) = (0x0028, 0x0002);
const ALLOCATED: (u16, u16) = (0x0028, 0x0100);
const STORED: (u16, u16) = (0x0028, 0x0101);
const HIGH_BIT: (u16, u16) = (0x0028, 0x0102);

/// The spoiled film; none where the kind does not fit the base.
pub fn mutated(base: &Base, kind: Kind, random: &mut Random) -> Option<Vec<u8>> {
    let whole = base.bytes();
    let readable = base.encoding != Encoding::Deflated;
    let set = |tag, value| readable.then(|| patched(whole.clone(), base.encoding, tag, value));
    match kind {
        Kind::Cut => {
            // Within the last two thirds: behind the header of every base.
            let cut = whole.len() / 3 + random.below(whole.len() * 2 / 3 - 1);
            Some(whole[..cut].to_vec())
        }
        Kind::NoSize => set(random.of(&[ROWS, COLUMNS]), 0),
        Kind::Huge => Some(patched(set(ROWS, 20_000)?, base.encoding, COLUMNS, 20_000)),
        // One more row than an even length hides.
        Kind::MoreRows => set(ROWS, if base.name == "large" { 3001 } else { 69 } + random.below(500) as u16),
        Kind::Bits => {
            let (tag, value) = random.of(&[(STORED, 0), (STORED, 17), (HIGH_BIT, 3), (HIGH_BIT, 16), (ALLOCATED, 12)]);
            set(tag, value)
        }
        Kind::Frames => readable.then(|| with_frames(&whole, base.encoding)),
        Kind::Samples => set(SAMPLES, 3),
        Kind::Syntax => Some(relabelled(&whole, other_syntax(base, random))),
        Kind::Unheard => Some(relabelled(&whole, "1.2.840.10008.1.2.4.999")),
        Kind::Stream | Kind::Foreign | Kind::StreamSize | Kind::Fragment | Kind::Empty | Kind::Noise => {
            base.encapsulated.then(|| spoiled_stream(&whole, base, kind, random))?
        }
    }
}

fn spoiled_stream(whole: &[u8], base: &Base, kind: Kind, random: &mut Random) -> Option<Vec<u8>> {
    let (head, stream) = taken_apart(whole);
    match kind {
        Kind::Stream => {
            let cut = stream.len() / 8 + random.below(stream.len() / 2);
            Some(put_together(&head, &stream[..cut]))
        }
        Kind::Foreign => {
            let family = |name: &str| name.split('_').next().unwrap().to_owned();
            // Not of the same family: one decoder may well read both.
            let others: Vec<&Base> =
                BASES.iter().filter(|b| b.encapsulated && family(b.name) != family(base.name)).collect();
            let other = random.of(&others);
            Some(put_together(&head, &taken_apart(&other.bytes()).1))
        }
        Kind::StreamSize => {
            // Lines of SOF (T.81, T.87) and Ysiz of SIZ (T.800) behind their markers; RLE has no size.
            let (marker, at): (&[u8], _) = match base.name {
                "rle_12" => return None,
                name if name.starts_with("jpeg2000") => (&[0xff, 0x51], 12),
                name if name.starts_with("jpegls") => (&[0xff, 0xf7], 5),
                "jpeg_baseline_8" => (&[0xff, 0xc0], 5),
                _ => (&[0xff, 0xc3], 5),
            };
            let place = stream.windows(2).position(|w| w == marker).unwrap() + at;
            let mut stream = stream;
            stream[place..place + 2].copy_from_slice(&random.of(&[[0_u8, 1], [0xff, 0xff], [0, 0x44]]));
            Some(put_together(&head, &stream))
        }
        Kind::Fragment => {
            let mut film = put_together(&head, &stream);
            let length = head.len() + 8 + 4;
            let lie = random.of(&[u32::MAX - 1, 0x7fff_fffe, stream.len() as u32 * 2]);
            film[length..length + 4].copy_from_slice(&lie.to_le_bytes());
            Some(film)
        }
        Kind::Empty => Some(put_together(&head, &[])),
        _ => {
            let noise: Vec<u8> = (0..stream.len()).map(|_| random.below(256) as u8).collect();
            Some(put_together(&head, &noise))
        }
    }
}

/// Overwrites a US value.
fn patched(mut bytes: Vec<u8>, encoding: Encoding, tag: (u16, u16), value: u16) -> Vec<u8> {
    let at = find(&bytes, encoding, tag);
    let value = if encoding == Encoding::Big { value.to_be_bytes() } else { value.to_le_bytes() };
    bytes[at + 8..at + 10].copy_from_slice(&value);
    bytes
}

/// Where a US element begins.
fn find(bytes: &[u8], encoding: Encoding, (group, element): (u16, u16)) -> usize {
    let word = |v: u16| if encoding == Encoding::Big { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut start = [word(group), word(element)].concat();
    start.extend(match encoding {
        Encoding::Implicit => [2, 0, 0, 0],
        Encoding::Big => [b'U', b'S', 0, 2],
        _ => [b'U', b'S', 2, 0],
    });
    bytes.windows(8).position(|w| w == start).unwrap()
}

/// Number of Frames 2 before Rows.
fn with_frames(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut film = bytes.to_vec();
    let element: &[u8] = match encoding {
        Encoding::Implicit => b"\x28\x00\x08\x00\x02\x00\x00\x002 ",
        Encoding::Big => b"\x00\x28\x00\x08IS\x00\x022 ",
        _ => b"\x28\x00\x08\x00IS\x02\x002 ",
    };
    let at = find(&film, encoding, ROWS);
    film.splice(at..at, element.iter().copied());
    film
}

/// Native pixels under a compressed syntax, compressed ones under a native or a wholly other one.
fn other_syntax(base: &Base, random: &mut Random) -> &'static str {
    random.of(match base.name {
        name if !base.encapsulated || name.starts_with("rle") => {
            &["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"]
        }
        name if name.starts_with("jpeg2000") => {
            &["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1"]
        }
        _ => &["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"],
    })
}

/// Another Transfer Syntax UID in the file meta information, whose length follows.
fn relabelled(bytes: &[u8], uid: &str) -> Vec<u8> {
    const UID: [u8; 6] = [0x02, 0x00, 0x10, 0x00, b'U', b'I'];
    let at = bytes.windows(6).position(|w| w == UID).unwrap() + 6;
    let old = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let mut uid = uid.as_bytes().to_vec();
    uid.extend(std::iter::repeat_n(0, uid.len() % 2));
    let mut film = bytes.to_vec();
    film.splice(at + 2..at + 2 + old, uid.iter().copied());
    film[at..at + 2].copy_from_slice(&(uid.len() as u16).to_le_bytes());
    // (0002,0000) UL 4: the length of the group, at a fixed place.
    let group = u32::from_le_bytes(film[140..144].try_into().unwrap()) + uid.len() as u32 - old as u32;
    film[140..144].copy_from_slice(&group.to_le_bytes());
    film
}
