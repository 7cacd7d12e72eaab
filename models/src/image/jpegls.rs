//! JPEG-LS (ISO/IEC 14495-1): the header is checked here, the scan is decoded by pure_jpegls.

use super::{ImageError, PixelLayout};

const SOI: u16 = 0xffd8;
const SOF55: u16 = 0xfff7;
const LSE: u16 = 0xfff8;
const SOS: u16 = 0xffda;

fn wrong(problem: impl Into<String>) -> ImageError {
    ImageError::Decode { codec: "JPEG-LS", problem: problem.into() }
}

/// Decodes one frame.
///
/// # Errors
/// [`ImageError::Decode`].
pub fn decode(frame: &[u8], layout: &PixelLayout) -> Result<Vec<u16>, ImageError> {
    check(frame, layout)?;
    let (columns, rows) = (u32::from(layout.columns), u32::from(layout.rows));
    let (samples, ..) = jpegls::decode(frame, columns, rows).map_err(|e| wrong(e.to_string()))?;
    Ok(samples)
}

/// Checks every field of the header that sizes or drives the decoder (T.87 annex C).
fn check(frame: &[u8], layout: &PixelLayout) -> Result<(), ImageError> {
    let word = |at: usize| frame.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let cut = || wrong("the header is cut short");
    if word(0) != Some(SOI) {
        return Err(wrong("it does not begin with SOI"));
    }
    let mut at = 2;
    let mut maximum = None;
    loop {
        let marker = word(at).ok_or_else(cut)?;
        let length = usize::from(word(at + 2).ok_or_else(cut)?);
        let body = frame.get(at + 4..at + 2 + length).ok_or_else(cut)?;
        let field = |n: usize| body.get(n..n + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        match marker {
            SOF55 => {
                let (Some(&precision), Some(rows), Some(columns), Some(1)) =
                    (body.first(), field(1), field(3), body.get(5))
                else {
                    return Err(wrong("the frame header is not that of one component"));
                };
                if (columns, rows) != (layout.columns, layout.rows) {
                    return Err(wrong("its size is not Columns x Rows"));
                }
                if precision < 2 || u16::from(precision) > layout.bits_allocated {
                    return Err(wrong("its precision does not fit Bits Allocated"));
                }
                maximum = Some(u16::MAX >> (16 - precision));
            }
            LSE => presets(body, maximum)?,
            SOS => {
                let maximum = maximum.ok_or_else(|| wrong("no frame header before the scan"))?;
                // Ns, then component and table, NEAR, ILV.
                let (Some(1), Some(&near), Some(0)) = (body.first(), body.get(3), body.get(4)) else {
                    return Err(wrong("the scan header is not that of one component"));
                };
                if u16::from(near) > maximum / 2 {
                    return Err(wrong("NEAR is too large"));
                }
                return Ok(());
            }
            0xff01..=0xfffe if length >= 2 => {}
            _ => return Err(wrong("a marker was expected")),
        }
        at += 2 + length;
    }
}

/// Coding parameters (LSE type 1): 0 means the default, except for RESET.
fn presets(body: &[u8], maximum: Option<u16>) -> Result<(), ImageError> {
    let maximum = maximum.ok_or_else(|| wrong("coding parameters before the frame header"))?;
    let [1, fields @ ..] = body else { return Err(wrong("LSE of a type that is not supported")) };
    let fields: Vec<u16> = fields.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
    let &[most, t1, t2, t3, reset] = fields.as_slice() else {
        return Err(wrong("coding parameters of a wrong length"));
    };
    let top = if most == 0 { maximum } else { most };
    let ordered = (t1 == 0 || t2 == 0 || t1 <= t2) && (t2 == 0 || t3 == 0 || t2 <= t3);
    if top > maximum || [t1, t2, t3].iter().any(|&t| t > top) || !ordered || reset < 3 || reset > top.max(255) {
        return Err(wrong("coding parameters out of range"));
    }
    Ok(())
}
