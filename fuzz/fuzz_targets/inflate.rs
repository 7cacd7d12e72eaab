//! Deflated data sets (PS3.5 section A.5): inflated within limits, then walked.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = centinela_domain::scan::scan(input, "1.2.840.10008.1.2.1.99");
});
