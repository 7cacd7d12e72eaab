//! The data set of an N-ACTION request for storage commitment, and our report on it (PS3.4 annex J).
#![no_main]

use libfuzzer_sys::fuzz_target;

use centinela_domain::commitment::{MAX_REFERENCES, Report, Request};
use centinela_domain::uid::Uid;

/// The first byte chooses; only the first two are ever agreed on.
const SYNTAXES: [&str; 4] =
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"];

fuzz_target!(|input: &[u8]| {
    let Some((&how, bytes)) = input.split_first() else { return };
    let Some(syntax) = SYNTAXES.get(usize::from(how)).and_then(|syntax| Uid::parse(syntax).ok()) else { return };
    let Ok(request) = Request::read(bytes, &syntax) else { return };
    assert!((1..=MAX_REFERENCES).contains(&request.references.len()));
    // What we report is the same sequence: it must say the same.
    let report =
        Report { transaction: request.transaction.clone(), committed: request.references.clone(), failed: Vec::new() };
    for (explicit, syntax) in [(false, SYNTAXES[0]), (true, SYNTAXES[1])] {
        let again = Uid::parse(syntax).map(|syntax| Request::read(&report.encode(explicit), &syntax));
        assert_eq!(again, Ok(Ok(request.clone())), "our own report cannot be read");
    }
});
