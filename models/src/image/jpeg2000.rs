//! JPEG 2000 (ISO/IEC 15444-1): the SIZ segment is checked here, then openjp2 decodes.

use super::{ImageError, PixelLayout};

/// SOC followed by SIZ: where every codestream begins.
const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// How far a codestream may lie behind JP2 boxes, which DICOM forbids and some devices write.
const BOXES: usize = 4096;
/// More tiles than any writer of films makes.
const MAX_TILES: u64 = 65_535;

fn wrong(problem: impl Into<String>) -> ImageError {
    ImageError::Decode { codec: "JPEG 2000", problem: problem.into() }
}

/// Decodes one frame. Signed streams give the low 16 bits of each value, for the mask and sign
/// extension that follow.
///
/// # Errors
/// [`ImageError::Decode`].
pub fn decode(frame: &[u8], layout: &PixelLayout) -> Result<Vec<u16>, ImageError> {
    let head = &frame[..frame.len().min(BOXES)];
    let start = head.windows(4).position(|w| w == START).ok_or_else(|| wrong("no codestream"))?;
    let stream = &frame[start..];
    check(stream, layout)?;
    let image = jpeg2k::Image::from_bytes(stream).map_err(|e| wrong(e.to_string()))?;
    let [component] = image.components() else {
        return Err(wrong("more than one component"));
    };
    if (component.width(), component.height()) != (u32::from(layout.columns), u32::from(layout.rows)) {
        return Err(wrong("its size is not Columns x Rows"));
    }
    Ok(component.data().iter().map(|&v| v as u16).collect())
}

/// Checks the image and tile size segment (A.5.1) against the header.
fn check(stream: &[u8], layout: &PixelLayout) -> Result<(), ImageError> {
    let siz = stream.get(4..4 + 41).ok_or_else(|| wrong("the SIZ segment is cut short"))?;
    let long = |at: usize| u64::from(u32::from_be_bytes([siz[at], siz[at + 1], siz[at + 2], siz[at + 3]]));
    // Lsiz 0, Rsiz 2, then eight sizes of four bytes, Csiz 36, Ssiz 38, XRsiz 39, YRsiz 40.
    let [x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0] = std::array::from_fn(|n| long(4 + 4 * n));
    if u16::from_be_bytes([siz[36], siz[37]]) != 1 || siz[39] != 1 || siz[40] != 1 {
        return Err(wrong("more than one component, or a subsampled one"));
    }
    let precision = u16::from(siz[38] & 0x7f) + 1;
    if precision > layout.bits_allocated {
        return Err(wrong("its precision does not fit Bits Allocated"));
    }
    if x.checked_sub(x0) != Some(u64::from(layout.columns)) || y.checked_sub(y0) != Some(u64::from(layout.rows)) {
        return Err(wrong("its size is not Columns x Rows"));
    }
    if x > i32::MAX as u64 || y > i32::MAX as u64 {
        return Err(wrong("its offset is out of range"));
    }
    if tile_x == 0 || tile_y == 0 || tile_x0 > x0 || tile_y0 > y0 || tile_x0 + tile_x <= x0 || tile_y0 + tile_y <= y0 {
        return Err(wrong("its tiles do not cover it"));
    }
    if (x - tile_x0).div_ceil(tile_x) * (y - tile_y0).div_ceil(tile_y) > MAX_TILES {
        return Err(wrong("too many tiles"));
    }
    Ok(())
}
