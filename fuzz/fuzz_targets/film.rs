//! Whole films to grey values: native pixels, tables, windows, and every decoder once more (PS3.3 C.7.6.3, C.11).
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "quiet/mod.rs"]
mod quiet;

use decoders::CxrImage;

fuzz_target!(init: quiet::panics(), |input: &[u8]| {
    if let Ok(image) = CxrImage::decode(input) {
        let grey = image.gray();
        assert_eq!(grey.len(), image.pixels.len());
        assert!(grey.iter().all(|v| (0.0..=1.0).contains(v)), "a grey value outside 0 to 1");
    }
});
