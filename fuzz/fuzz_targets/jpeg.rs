//! JPEG frames: baseline, extended, lossless (ISO/IEC 10918-1).
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "quiet/mod.rs"]
mod quiet;

fuzz_target!(init: quiet::panics(), |input: &[u8]| {
    decoders::fuzz::frame("1.2.840.10008.1.2.4.70", input)
});
