//! Storage commitment requests from the network, in every encoding and every way to lie, and the
//! reports that answer them (PS3.4 annex J).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod encode;

use centinela_domain::commitment::{FailureReason, Heard, MAX_BYTES, MAX_REFERENCES, Reference, Report, Request};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use encode::{Data, Form};

const CR: &str = "1.2.840.10008.5.1.4.1.1.1";

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn reference(class: &str, instance: &str) -> Reference {
    Reference { sop_class: uid(class), sop_instance: uid(instance) }
}

fn item(form: Form, class: &str, instance: &str) -> Data {
    Data::new(form).text(8, 0x1150, "UI", class).text(8, 0x1155, "UI", instance)
}

fn request(form: Form, items: &[Data], defined: bool) -> Data {
    // A performed procedure step names an instance too, which is none of the references.
    let step = item(form, "1.2.840.10008.3.1.2.3.3", "9.9");
    Data::new(form)
        .sequence(8, 0x1111, &[step], defined)
        .text(8, 0x1195, "UI", "1.2.3")
        .sequence(8, 0x1199, items, defined)
        .text(0x88, 0x130, "SH", "media")
}

fn read(data: &Data) -> Result<Request, DimseStatus> {
    Request::read(&data.bytes, &uid(data.form.transfer_syntax()))
}

#[test]
fn a_request_is_read_in_both_encodings_with_both_kinds_of_length() {
    for form in [Form::Implicit, Form::Explicit] {
        for defined in [true, false] {
            let items = [item(form, CR, "1.5"), item(form, CR, "1.6"), item(form, CR, "1.5")];
            let read = read(&request(form, &items, defined)).unwrap();
            assert_eq!(read.transaction, uid("1.2.3"));
            assert_eq!(read.references, [reference(CR, "1.5"), reference(CR, "1.6")], "each once");
        }
    }
}

#[test]
fn what_is_missing_empty_or_wrong_has_its_own_status() {
    let form = Form::Explicit;
    let good = || item(form, CR, "1.5");
    let without_transaction = Data::new(form).sequence(8, 0x1199, &[good()], true);
    assert_eq!(read(&without_transaction), Err(DimseStatus::MISSING_ATTRIBUTE));
    let without_sequence = Data::new(form).text(8, 0x1195, "UI", "1.2.3");
    assert_eq!(read(&without_sequence), Err(DimseStatus::MISSING_ATTRIBUTE));
    assert_eq!(read(&request(form, &[], true)), Err(DimseStatus::MISSING_ATTRIBUTE_VALUE));
    let without_class = Data::new(form).text(8, 0x1155, "UI", "1.5");
    assert_eq!(read(&request(form, &[good(), without_class], true)), Err(DimseStatus::MISSING_ATTRIBUTE));
    let empty = Data::new(form).text(8, 0x1195, "UI", "").sequence(8, 0x1199, &[good()], true);
    assert_eq!(read(&empty), Err(DimseStatus::MISSING_ATTRIBUTE_VALUE));
    let path = item(form, CR, "../../etc");
    assert_eq!(read(&request(form, &[path], true)), Err(DimseStatus::INVALID_ARGUMENT_VALUE));
    assert_eq!(Request::read(&[], &uid("1.2.840.10008.1.2")), Err(DimseStatus::MISSING_ATTRIBUTE));
    let deflated = uid("1.2.840.10008.1.2.1.99");
    assert_eq!(
        Request::read(&request(form, &[good()], true).bytes, &deflated),
        Err(DimseStatus::INVALID_ARGUMENT_VALUE)
    );
}

#[test]
fn lengths_are_checked_and_numbers_are_bounded() {
    let form = Form::Implicit;
    // Twelve bytes that claim 3 GB.
    let claim = Data::new(form).text(8, 0x1195, "UI", "1.2.3").head(8, 0x1199, "SQ", 0xC000_0000);
    assert_eq!(read(&claim), Err(DimseStatus::INVALID_ARGUMENT_VALUE));
    let whole = request(form, &[item(form, CR, "1.5")], true);
    for cut in 1..whole.bytes.len() {
        let part = Data { bytes: whole.bytes[..cut].to_vec(), form };
        // A cut between two elements is well-formed: then something is missing, or only the rest.
        if let Ok(read) = read(&part) {
            assert_eq!(read.references, [reference(CR, "1.5")], "cut at {cut}");
        }
    }
    let mut nested = Data::new(form);
    for _ in 0..40 {
        nested = Data::new(form).sequence(8, 0x1199, &[nested], true);
    }
    assert_eq!(read(&nested), Err(DimseStatus::INVALID_ARGUMENT_VALUE));
    let many: Vec<Data> = (0..=MAX_REFERENCES).map(|n| item(form, CR, &format!("1.{n}"))).collect();
    assert_eq!(read(&request(form, &many[..MAX_REFERENCES], true)).unwrap().references.len(), MAX_REFERENCES);
    assert_eq!(read(&request(form, &many, true)), Err(DimseStatus::RESOURCE_LIMITATION));
}

#[test]
fn the_most_references_fit_into_the_longest_request() {
    let (class, stem, form) = (format!("1.{}", "2".repeat(62)), "1".repeat(57), Form::Explicit);
    let items: Vec<Data> = (0..MAX_REFERENCES).map(|n| item(form, &class, &format!("1.{stem}{n:0>5}"))).collect();
    let data = request(form, &items, false);
    assert!(data.bytes.len() <= MAX_BYTES, "{}", data.bytes.len());
    let references = read(&data).unwrap().references;
    assert_eq!((references.len(), references[0].sop_instance.as_str().len()), (MAX_REFERENCES, 64));
}

#[test]
fn a_report_is_a_data_set_with_failed_before_committed() {
    let mut report = Report {
        transaction: uid("1.2.3"),
        committed: vec![reference(CR, "1.5")],
        failed: vec![(reference(CR, "1.66"), FailureReason::NO_SUCH_INSTANCE)],
    };
    for (form, explicit) in [(Form::Implicit, false), (Form::Explicit, true)] {
        let failed = item(form, CR, "1.66").us(8, 0x1197, 0x0112);
        let wanted = Data::new(form).text(8, 0x1195, "UI", "1.2.3").sequence(8, 0x1198, &[failed], true).sequence(
            8,
            0x1199,
            &[item(form, CR, "1.5")],
            true,
        );
        // The tags must ascend, and Failure Reason lies behind the instance.
        assert_eq!(report.encode(explicit), wanted.bytes, "{form:?}");
    }
    assert_eq!(report.event_type(), 2);
    report.failed.clear();
    assert_eq!(report.event_type(), 1);
    let form = Form::Explicit;
    let wanted = Data::new(form).text(8, 0x1195, "UI", "1.2.3").sequence(8, 0x1199, &[item(form, CR, "1.5")], true);
    assert_eq!(report.encode(true), wanted.bytes, "no empty sequence");
}

#[test]
fn an_answer_to_a_report_ends_it_or_not() {
    for (code, heard) in [
        (0x0000, Heard::Taken),
        (0x0107, Heard::Taken),
        (0x0110, Heard::Later),
        (0x0213, Heard::Later),
        (0x0112, Heard::Refused),
        (0x0115, Heard::Refused),
        (0x0211, Heard::Refused),
    ] {
        assert_eq!(Heard::of(DimseStatus(code)), heard, "{code:04X}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = Request::read(&bytes, &uid("1.2.840.10008.1.2"));
        let _ = Request::read(&bytes, &uid("1.2.840.10008.1.2.1"));
    }

    #[test]
    fn one_changed_byte_does_not_panic_the_reader(at in 0_usize..400, byte: u8) {
        let mut data = request(Form::Implicit, &[item(Form::Implicit, CR, "1.5"), item(Form::Implicit, CR, "1.6")], false);
        let at = at % data.bytes.len();
        data.bytes[at] = byte;
        let _ = read(&data);
    }
}

#[test]
fn our_own_request_is_read_back() {
    let references = vec![reference(CR, "1.5"), reference(CR, "1.60")];
    let request = Request { transaction: uid("1.2.3"), references };
    for form in [Form::Implicit, Form::Explicit] {
        let bytes = request.encode(form == Form::Explicit);
        assert_eq!(Request::read(&bytes, &uid(form.transfer_syntax())), Ok(request.clone()));
    }
}
