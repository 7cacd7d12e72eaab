//! Writes the corpus of the receive benchmark: films as a DX room sends them, slices as a CT does.

use crate::fixtures::{on_all_cores, write};
use centinela_phantom::{Kind, Spec, collection, write_dicom};
use std::path::Path;

/// Films of 2500 x 2048 pixels, 10.24 MB each.
const FILMS: usize = 32;
/// Slices of 512 x 512 pixels, 0.52 MB each, all of one study.
const SLICES: u16 = 400;

/// Writes `dx/` and `ct/` below `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_corpus(folder: &Path) -> anyhow::Result<()> {
    let films = collection(FILMS as u32 * 2, 2500).filter(|spec| spec.kind == Kind::DxPresentation);
    let films: Vec<_> = films.take(FILMS).collect();
    on_all_cores(&films, &|spec| write(&folder.join(format!("dx/{}.dcm", spec.key)), &write_dicom(spec)))?;
    let slices: Vec<_> = (0..SLICES).filter_map(slice).collect();
    on_all_cores(&slices, &|spec| write(&folder.join(format!("ct/{}.dcm", spec.key)), &as_ct(write_dicom(spec))))?;
    eprintln!("{} films and {} slices in {}", films.len(), slices.len(), folder.display());
    Ok(())
}

/// A square CR film of the benchmark's one CT study.
fn slice(number: u16) -> Option<Spec> {
    let spec = collection(2, 2500).find(|spec| spec.kind == Kind::Cr)?;
    let key = format!("slice-{number:03}");
    Some(Spec { key, rows: 512, columns: 512, numbers: (1, number), ..spec })
}

/// The same bytes under CT Image Storage and modality CT, which are as long as those of CR: what
/// counts here is only how many bytes of which class are stored.
fn as_ct(mut film: Vec<u8>) -> Vec<u8> {
    for (cr, ct) in [
        (&b"1.2.840.10008.5.1.4.1.1.1\0"[..], &b"1.2.840.10008.5.1.4.1.1.2\0"[..]),
        (&b"\x08\0\x60\0CS\x02\0CR"[..], &b"\x08\0\x60\0CS\x02\0CT"[..]),
    ] {
        // The header lies in front of the pixels; 8 KiB hold it.
        let header = film.len().min(8192);
        let found: Vec<_> = (0..header - cr.len()).filter(|at| film[*at..].starts_with(cr)).collect();
        for at in found {
            film[at..at + ct.len()].copy_from_slice(ct);
        }
    }
    film
}
