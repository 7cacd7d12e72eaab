//! Headers: a whole file, or a data set in each encoding (PS3.10 section 7, PS3.5 section 7).
#![no_main]

use libfuzzer_sys::fuzz_target;

use centinela_domain::header;

/// The first byte chooses: a file, or a data set in this transfer syntax.
const SYNTAXES: [&str; 4] =
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.70"];

fuzz_target!(|input: &[u8]| {
    let Some((&how, bytes)) = input.split_first() else { return };
    let read = match SYNTAXES.get(usize::from(how)) {
        Some(syntax) => header::read_dataset(bytes, syntax),
        None => header::read_damaged(bytes),
    };
    if let Ok((image, _)) = read {
        // What is derived from a header at once: it goes into the row.
        let _ = format!("{:?}", image.header);
    }
});
